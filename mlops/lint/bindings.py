"""How a pipeline's steps are bound: what inputs get, where outputs go, and that no step waits for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops.errors import ConfigError
from mlops.jobfile.bindings import FromInput, FromStep, parse_binding, parse_output_binding
from mlops.jobfile.literals import LITERALS, ComponentInput, literal_text
from mlops.jobfile.wiring import (
    LITERAL,
    UNKNOWN,
    Signature,
    check_declared,
    check_job_input,
    check_made,
    check_order,
    check_output,
    check_source,
    check_target,
)
from mlops.lint.document import Keys
from mlops.lint.finding import Finding, refusals
from mlops.lint.parts import Part, as_mapping, steps_of
from mlops.lint.signatures import declared, signature, type_of
from mlops.lint.surroundings import Surroundings


@dataclass(frozen=True)
class Wires:
    """A pipeline, its steps as parts, and what each step's component declares, if that is known."""

    pipeline: Part
    steps: Mapping[str, Part]
    signatures: Mapping[str, Signature | None]
    inputs: Mapping[str, str]


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield what is wrong in how the steps of a pipeline are bound, and defaults that a component would not take."""
    if part.role.endswith("Component"):
        yield from _defaults(part)
    if not part.mapping("jobs"):
        return
    wires = _wires(part, around)
    for name in wires.steps:
        yield from _inputs(wires, name)
        yield from _left_out(wires, name)
    yield from _outputs(wires)
    for problem in refusals(check_order, _before(wires), part.where("jobs")):
        yield part.finding(("jobs",), problem)


def _wires(part: Part, around: Surroundings) -> Wires:
    steps = steps_of(part)
    inputs = {
        name: type_of(value) if isinstance(value, Mapping) else LITERAL
        for name, value in part.mapping("inputs").items()
    }
    return Wires(part, steps, {name: signature(step, around) for name, step in steps.items()}, inputs)


def bound(value: Any) -> Any:
    """Return what an input or output is bound to, where a mapping says more of it than that."""
    return value.get("path") if isinstance(value, Mapping) else value


def _inputs(wires: Wires, name: str) -> Iterator[Finding]:
    step, component = wires.steps[name], wires.signatures[name]
    for key, value in step.mapping("inputs").items():
        where = step.where("inputs", key)
        if component:
            yield from _found(step, ("inputs", key), check_declared, key, component, where)
        wanted = component.inputs.get(key) if component else None
        yield from _input(wires, step, key, bound(value), wanted or ComponentInput(UNKNOWN))


def _input(wires: Wires, step: Part, key: str, value: Any, wanted: ComponentInput) -> Iterator[Finding]:
    keys, where = ("inputs", key), step.where("inputs", key)
    try:
        binding = parse_binding(value, where)
    except ConfigError as error:
        yield step.finding(keys, str(error))
        return
    if isinstance(binding, FromStep):
        yield from _found(step, keys, check_source, binding, wanted.type, wires.signatures, where)
    elif isinstance(binding, FromInput):
        yield from _found(step, keys, check_job_input, binding, wanted.type, wires.inputs, where)
        yield from _default(wires.pipeline, binding.name, wanted)
    elif wanted.type in LITERALS:
        yield from _found(step, keys, literal_text, wanted, value, where)


def _default(pipeline: Part, name: str, wanted: ComponentInput) -> Iterator[Finding]:
    """Yield where the value that a pipeline has for its own input is none that a step would take. "" is no value."""
    value = pipeline.mapping("inputs").get(name)
    if isinstance(value, Mapping):
        value = value.get("default")
    if value not in (None, "") and wanted.type in LITERALS:
        yield from _found(pipeline, ("inputs", name), literal_text, wanted, value, pipeline.where("inputs", name))


def _defaults(component: Part) -> Iterator[Finding]:
    for name, wanted in declared(component.content, "").inputs.items():
        if wanted.default is not None and wanted.type in LITERALS:
            keys = ("inputs", name, "default")
            yield from _found(component, keys, literal_text, wanted, wanted.default, component.where(*keys))


def _left_out(wires: Wires, name: str) -> Iterator[Finding]:
    step, component = wires.steps[name], wires.signatures[name] or Signature("")
    for key, wanted in component.inputs.items():
        if key not in step.mapping("inputs") and not wanted.optional and wanted.default is None:
            where = step.where("inputs", key)
            yield step.finding(("inputs",), f"{where}: is not bound, and {component.source} needs it: bind it")


def _outputs(wires: Wires) -> Iterator[Finding]:
    made: dict[str, FromStep] = {}
    for name, step in wires.steps.items():
        for key, value in step.mapping("outputs").items():
            where = step.where("outputs", key)
            yield from _found(step, ("outputs", key), check_output, FromStep(name, key), wires.signatures[name], where)
            if isinstance(bound(value), str):
                yield from _target(wires, step, FromStep(name, key), str(bound(value)), made)
    for key in wires.pipeline.mapping("outputs"):
        where = wires.pipeline.where("outputs", key)
        yield from _found(wires.pipeline, ("outputs", key), check_made, key, made, where)


def _target(wires: Wires, step: Part, source: FromStep, value: str, made: dict[str, FromStep]) -> Iterator[Finding]:
    if "${{" not in value:
        return  # a path of a datastore
    where = step.where("outputs", source.output)
    try:
        target = parse_output_binding(value, where)
        check_target(target, wires.pipeline.mapping("outputs").keys(), made, where)
        made[target] = source
    except ConfigError as error:
        yield step.finding(("outputs", source.output), str(error))


def _before(wires: Wires) -> dict[str, set[str]]:
    return {name: {one.step for one in _sources(step)} & wires.steps.keys() for name, step in wires.steps.items()}


def _sources(step: Part) -> Iterator[FromStep]:
    for value in as_mapping(step.content.get("inputs")).values():
        try:
            binding = parse_binding(bound(value), "")
        except ConfigError:
            continue
        if isinstance(binding, FromStep):
            yield binding


def _found(part: Part, keys: Keys, *check: Any) -> Iterator[Finding]:
    yield from (part.finding(keys, problem) for problem in refusals(*check))
