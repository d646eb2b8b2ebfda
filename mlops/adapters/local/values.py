"""What value each input of a step gets, and whether it is one that the component takes. Pure but for asking whether a
folder exists.

A value comes from the step's own line, from an input of the job, or from the component's default, in that order. An
empty string, and a folder that nobody gave, are no value: an optional input then goes without, any other is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.adapters.local.bindings import FromInput, FromStep, parse_binding
from mlops.adapters.local.pipeline import FOLDER, ComponentInput, Pipeline
from mlops.errors import ConfigError

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
        if name not in component.inputs:
            declared = ", ".join(component.inputs) or "none"
            raise ConfigError(f"{here}.{name}: {pipeline.files[step]} declares no such input: it declares {declared}")
    places = [InputPlace(step, name, declared, f"{here}.{name}") for name, declared in component.inputs.items()]
    return {place.name: _value(pipeline, given, place) for place in places}


def _value(pipeline: Pipeline, given: Mapping[str, str], place: InputPlace) -> Value:
    bound = pipeline.job.jobs[place.step].inputs.get(place.name)
    binding = parse_binding(bound, place.where)
    if isinstance(binding, FromStep):
        return _from_step(pipeline, binding, place)
    if isinstance(binding, FromInput):
        source = f"{pipeline.file}: inputs.{binding.name}"
        value = _from_input(pipeline, given, binding, place)
    else:
        source, value = place.where, bound
    if value in (None, ""):
        value = place.declared.default
    if value is None:
        _check_optional(place, source)
        return None
    return _folder(value, source) if place.declared.type == FOLDER else _literal(place.declared, value, source)


def _from_step(pipeline: Pipeline, binding: FromStep, place: InputPlace) -> FromStep:
    made = pipeline.components.get(binding.step)
    if made is None or binding.output not in made.outputs:
        known = [f"{step}.outputs.{name}" for step, one in pipeline.components.items() for name in one.outputs]
        missing = f"{binding.step}.outputs.{binding.output}"
        raise ConfigError(f"{place.where}: no step makes '{missing}': there are {', '.join(known) or 'none'}")
    if place.declared.type != FOLDER:
        raise ConfigError(f"{place.where}: is a folder, should be {place.declared.type}")
    return binding


def _from_input(pipeline: Pipeline, given: Mapping[str, str], binding: FromInput, place: InputPlace) -> Any:
    inputs = pipeline.job.inputs
    if binding.name not in inputs:
        known = ", ".join(inputs) or "none"
        raise ConfigError(f"{place.where}: the job has no input '{binding.name}': it has {known}")
    is_folder = isinstance(inputs[binding.name], dict)
    if is_folder != (place.declared.type == FOLDER):
        kind = FOLDER if is_folder else "a literal"
        raise ConfigError(f"{place.where}: input '{binding.name}' is {kind}, should be {place.declared.type}")
    return given.get(binding.name, None if is_folder else inputs[binding.name])


def _check_optional(place: InputPlace, source: str) -> None:
    if not place.declared.optional:
        raise ConfigError(f"{source}: has no value, and step '{place.step}' needs it: give one")


def _folder(value: Any, source: str) -> Path:
    if not isinstance(value, str) or not Path(value).is_dir():
        raise ConfigError(f"{source}: '{value}' is not a folder: give one that exists")
    return Path(value).resolve()


def _literal(declared: ComponentInput, value: Any, source: str) -> str:
    """Return a value as the command line will have it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not _is(declared.type, str(value)):
        raise ConfigError(f"{source}: should be {declared.type}, is {value!r}")
    text = str(value)
    if declared.enum and text not in [str(one) for one in declared.enum]:
        raise ConfigError(f"{source}: should be one of {', '.join(map(str, declared.enum))}, is '{text}'")
    low = -math.inf if declared.min is None else declared.min
    high = math.inf if declared.max is None else declared.max
    if declared.type != "string" and not low <= float(text) <= high:
        raise ConfigError(f"{source}: should be between {low} and {high}, is {text}")
    return text


def _is(kind: str, text: str) -> bool:
    if kind == "string":
        return True
    pattern = r"[+-]?\d+" if kind == "integer" else r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    return re.fullmatch(pattern, text) is not None
