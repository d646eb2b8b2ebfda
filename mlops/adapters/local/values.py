"""What value each input of a step gets, and whether it is one that the component takes. Pure but for asking whether a
folder exists.

A value comes from the step's own line, from an input of the job, or from the component's default, in that order. An
empty string, and a folder that nobody gave, are no value: an optional input then goes without, any other is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.adapters.local.pipeline import FOLDER, Pipeline
from mlops.errors import ConfigError
from mlops.jobfile.bindings import FromInput, FromStep, parse_binding
from mlops.jobfile.literals import ComponentInput, literal_text
from mlops.jobfile.wiring import check_declared, check_job_input, check_source

Value = str | Path | FromStep | None  # a literal, a folder from outside, another step's output, nothing


@dataclass(frozen=True)
class InputPlace:
    """One input of one step: what the component declares of it, and where in which file it is bound."""

    step: str
    name: str
    declared: ComponentInput
    where: str


def check_given(pipeline: Pipeline, given: Mapping[str, str]) -> None:
    """Raise ConfigError where the caller gives an input that the job does not have."""
    known = pipeline.job.inputs
    for name in given:
        if name not in known:
            raise ConfigError(f"{pipeline.file}: inputs.{name}: is no input of this job: it has {', '.join(known)}")


def step_values(pipeline: Pipeline, given: Mapping[str, str], step: str) -> dict[str, Value]:
    """Return the value of each declared input of a step.

    Raises ConfigError on an input that the component does not declare, an unknown binding, a value of another type,
    or an absent one.
    """
    node, component = pipeline.job.jobs[step], pipeline.components[step]
    here = f"{pipeline.file}: jobs.{step}.inputs"
    for name in node.inputs:
        check_declared(name, pipeline.signatures[step], f"{here}.{name}")
    places = [InputPlace(step, name, declared, f"{here}.{name}") for name, declared in component.inputs.items()]
    return {place.name: _value(pipeline, given, place) for place in places}


def _value(pipeline: Pipeline, given: Mapping[str, str], place: InputPlace) -> Value:
    bound = pipeline.job.jobs[place.step].inputs.get(place.name)
    binding = parse_binding(bound, place.where)
    if isinstance(binding, FromStep):
        check_source(binding, place.declared.type, pipeline.signatures, place.where)
        return binding
    if isinstance(binding, FromInput):
        check_job_input(binding, place.declared.type, pipeline.input_types, place.where)
        source = f"{pipeline.file}: inputs.{binding.name}"
        value = _given_or_written(pipeline, given, binding.name)
    else:
        source, value = place.where, bound
    if value in (None, ""):
        value = place.declared.default
    if value is None:
        _check_optional(place, source)
        return None
    return _folder(value, source) if place.declared.type == FOLDER else literal_text(place.declared, value, source)


def _given_or_written(pipeline: Pipeline, given: Mapping[str, str], name: str) -> Any:
    written = pipeline.job.inputs[name]
    return given.get(name, None if isinstance(written, dict) else written)


def _check_optional(place: InputPlace, source: str) -> None:
    if not place.declared.optional:
        raise ConfigError(f"{source}: has no value, and step '{place.step}' needs it: give one")


def _folder(value: Any, source: str) -> Path:
    if not isinstance(value, str) or not Path(value).is_dir():
        raise ConfigError(f"{source}: '{value}' is not a folder: give one that exists")
    return Path(value).resolve()
