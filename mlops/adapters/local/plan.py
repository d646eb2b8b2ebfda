"""Turns a pipeline and its inputs into steps that can run, in an order in which they can; or refuses it.

All that can be wrong with the files or the inputs is found here, before anything runs. It starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlops.adapters.local.commands import command_arguments
from mlops.adapters.local.pipeline import Pipeline, load_pipeline
from mlops.adapters.local.values import Value, check_given, step_values
from mlops.errors import ConfigError
from mlops.jobfile.bindings import FromStep, check_command, parse_output_binding
from mlops.jobfile.wiring import check_made, check_order, check_output, check_target

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One step, ready but for the folders of its upstream steps. `command` still holds its bindings.

    `processes` is None for a step that is not distributed; `runtime` names a folder under environments/.
    """

    name: str
    command: tuple[str, ...]
    literals: dict[str, str]
    folders: dict[str, Path]
    upstream: dict[str, FromStep]
    outputs: tuple[str, ...]
    variables: dict[str, str]
    code: Path | None
    runtime: str
    processes: int | None
    is_deterministic: bool


@dataclass(frozen=True)
class Plan:
    """The steps of a job by name, and which step's output each output of the job is."""

    experiment: str
    steps: dict[str, Step]
    outputs: dict[str, FromStep]

    def before(self) -> dict[str, set[str]]:
        """Return for each step the steps that must end before it starts."""
        return {name: {one.step for one in step.upstream.values()} for name, step in self.steps.items()}


def make_plan(file: Path, given: Mapping[str, str]) -> Plan:
    """Read a job file and bind its inputs. Raises ConfigError, with file and key, on whatever can't run as it says."""
    pipeline = load_pipeline(file)
    check_given(pipeline, given)
    steps = {name: _step(pipeline, given, name) for name in pipeline.job.jobs}
    plan = Plan(pipeline.job.experiment_name, steps, _outputs(pipeline))
    check_order(plan.before(), f"{pipeline.file}: jobs")
    return plan


def _step(pipeline: Pipeline, given: Mapping[str, str], name: str) -> Step:
    component, file = pipeline.components[name], pipeline.files[name]
    values = step_values(pipeline, given, name)
    optional = {key: one.optional and one.default is None for key, one in component.inputs.items()}
    check_command(component.command, optional, component.outputs.keys(), f"{file}: command")
    present = {key for key, value in values.items() if value is not None}
    command = command_arguments(component.command, present, f"{file}: command")
    if component.distribution:
        _check_launchable(command, f"{file}: command")
    return Step(
        name=name,
        command=command,
        literals=_of_type(values, str),
        folders=_of_type(values, Path),
        upstream=_of_type(values, FromStep),
        outputs=tuple(sorted(component.outputs)),
        variables=pipeline.job.jobs[name].environment_variables,
        code=_code(component.code, file),
        runtime=component.runtime,
        processes=component.distribution.process_count_per_instance if component.distribution else None,
        is_deterministic=component.is_deterministic,
    )


def _check_launchable(command: tuple[str, ...], where: str) -> None:
    """torchrun takes the place of `python`, so what follows must be what torchrun takes: a module or a file."""
    if command[0] != "python" or len(command) < 2 or (command[1].startswith("-") and command[1] != "-m"):
        raise ConfigError(f"{where}: a distributed step starts with `python -m MODULE` or `python FILE`: write it so")


def _of_type(values: Mapping[str, Value], kind: type[T]) -> dict[str, T]:
    return {name: value for name, value in values.items() if isinstance(value, kind)}


def _code(code: str | None, file: Path) -> Path | None:
    if code is None:
        return None
    folder = (file.parent / code).resolve()
    if not folder.is_dir():
        raise ConfigError(f"{file}: code: '{code}' is not a folder beside this file: name one that exists")
    return folder


def _outputs(pipeline: Pipeline) -> dict[str, FromStep]:
    """Return where each output of the job comes from: a node says so of its own outputs."""
    bound: dict[str, FromStep] = {}
    for step, node in pipeline.job.jobs.items():
        for name, value in node.outputs.items():
            where = f"{pipeline.file}: jobs.{step}.outputs.{name}"
            source, target = FromStep(step, name), parse_output_binding(value, where)
            check_output(source, pipeline.signatures[step], where)
            check_target(target, pipeline.job.outputs.keys(), bound, where)
            bound[target] = source
    for name in pipeline.job.outputs:
        check_made(name, bound, f"{pipeline.file}: outputs.{name}")
    return bound
