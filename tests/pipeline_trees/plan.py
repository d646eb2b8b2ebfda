"""One form for both systems' pipelines: what starts them, and for a scene which jobs with which steps run when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

IDENTITY = ("AZURE_", "ARM_")
HOSTED = "ubuntu-latest"  # a machine of GitHub's or Azure DevOps', new for each job
# GitHub gives a job that only reads its identity by this environment; on Azure a service connection does.
IDENTITY_ONLY = ("operations", "plan")
VARIABLE = re.compile(r"\$\{?([A-Z_][A-Z_0-9]*)")


@dataclass(frozen=True)
class Input:
    """What a person is asked for. `values` is empty where all are taken."""

    type: str
    values: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True)
class Triggers:
    """What starts a pipeline."""

    branches: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    pulls: frozenset[str] = frozenset()
    pull_paths: frozenset[str] = frozenset()
    cancels_pulls: bool = False
    crons: tuple[str, ...] = ()
    is_by_hand: bool = True
    inputs: Mapping[str, Input] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What is done, and at which of the moments. `name` is under what its outputs are read."""

    what: str
    when: tuple[bool, ...]
    name: str = ""


@dataclass(frozen=True)
class Job:
    """A job as a scene finds it: `when` and `variables` have one entry for each ending of the jobs needed.

    `own` are the variables that the job sets itself or its commands read, but for who it is to Azure.
    """

    name: str
    needs: tuple[str, ...]
    when: tuple[bool, ...]
    environment: str
    minutes: float
    variables: Mapping[str, tuple[str, ...]]
    own: frozenset[str]
    steps: tuple[Step, ...]
    runner: str


def own_variables(steps: tuple[Step, ...], given: Iterable[str]) -> frozenset[str]:
    """Return the names of the variables that the steps' commands read, and of those given to the job."""
    read = {name for step in steps for name in VARIABLE.findall(step.what)}
    return frozenset(name for name in read | set(given) if not name.startswith(IDENTITY))


def compared_steps(steps: list[Step]) -> tuple[Step, ...]:
    """Return the steps that ever run and do something."""
    return tuple(step for step in steps if any(step.when) and step.what)
