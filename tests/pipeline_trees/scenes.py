"""What starts a pipeline, as each system tells it: the events, people's inputs and a team's settings, in all mixtures.

A moment is what a step finds when its turn comes: how the steps before ended, and what they put out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

MAIN, PULL = "refs/heads/main", "refs/pull/7/merge"
REFS = ("refs/heads/dev", "refs/heads/qa", MAIN, "refs/tags/qa/3", "refs/tags/production/3")
REASONS = {"push": "IndividualCI", "schedule": "Schedule", "workflow_dispatch": "Manual", "pull_request": "PullRequest"}
SETTINGS = {
    "VISIONLINE_BRANCHES": ("branches", "single"),
    "VISIONLINE_PLATFORM": ("local", "azureml"),
    "VISIONLINE_INFRA": ("bicep", "terraform"),
    "VISIONLINE_RUNNER": ("in-the-network",),  # as cloned it is hosted: policy looks at that by itself
    "VISIONLINE_CAP": ("900",),
    "VISIONLINE_DRIFT": ("drift.json",),
}
Pairs = tuple[tuple[str, Any], ...]
# On the local platform there is nothing to plan, in whichever language.
MIXTURES: tuple[Pairs, ...] = tuple(
    tuple(zip(SETTINGS, values, strict=True))
    for values in product(*SETTINGS.values())
    if not {"local", "terraform"} <= set(values)
)
WORKSPACE = "/checkout"
# What the steps of a pull request's run find, in all mixtures, and those of one by hand, which may be of the same.
FOUND = {"touched.infra": ("false", "true")}
ENDS = ("success", "failure", "cancelled", "skipped")


@dataclass(frozen=True)
class Scene:
    """One event under one choice of settings. `event` is GitHub's name of it.

    `said` is what some steps put out: by a step's name and its output's, joined by a dot.
    """

    event: str
    ref: str
    settings: Pairs
    inputs: Pairs = ()
    is_fork: bool = False
    said: Pairs = ()

    def __str__(self) -> str:
        said = [self.event, self.ref, *dict(self.settings).values(), *(["of a fork"] if self.is_fork else [])]
        return " ".join([*said, *(f"{name}={value}" for name, value in (*self.inputs, *self.said))])

    def output(self, job: str, name: str) -> str:
        """Return what a job's step puts out, or where it comes from where no scene says what."""
        return str(dict(self.said).get(name, f"{job}/{name}"))

    @property
    def system(self) -> dict[str, str]:
        """Return the variables that Azure Pipelines knows at the start."""
        pull = {"System.PullRequest.IsFork": str(self.is_fork)} if self.event == "pull_request" else {}
        return {"Build.Reason": REASONS[self.event], "Build.SourceBranch": self.ref, **pull}


@dataclass(frozen=True)
class Moment:
    """How the steps before ended, and what any of them put out under any name."""

    status: str
    output: str


MOMENTS = tuple(Moment(*pair) for pair in product(ENDS[:3], ("", "promote", "reject")))


def is_of_fork(told: Mapping[str, Any]) -> bool:
    """Tell whether what an event says is of a fork's pull request."""
    pull = told.get("pull_request", {})
    return bool(pull) and pull["head"]["repo"] != pull["base"]["repo"]


def endings(needs: Iterable[str], never: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield how the needed jobs may have ended: all well, or one of them otherwise; some never run in this scene."""
    well = {name: ENDS[3] if name in never else ENDS[0] for name in sorted(needs)}
    yield well
    yield from ({**well, name: end} for name in well if name not in never for end in ENDS[1:])


def scenes(events: Mapping[str, tuple[str, ...]], choices: Mapping[str, tuple[Any, ...]]) -> Iterator[Scene]:
    """Yield all scenes: each event on each of its refs, under all settings, and by hand with all inputs."""
    for settings in MIXTURES:
        for event, refs in events.items():
            asked = product(*choices.values()) if event == "workflow_dispatch" else [()]
            for ref, given in product(refs, list(asked)):
                inputs = tuple(zip(choices, given, strict=False))
                whose = (False, True) if event == "pull_request" else (False,)
                found = product(*FOUND.values()) if event in ("pull_request", "workflow_dispatch") else [()]
                for is_fork, said in product(whose, list(found)):
                    yield Scene(event, ref, settings, inputs, is_fork, tuple(zip(FOUND, said, strict=False)))
