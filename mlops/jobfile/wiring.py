"""How the steps of a pipeline are bound to each other, to its inputs and to its outputs: one rule a function.

A type is UNKNOWN, and a signature None, where a component stands in a workspace or leaves it open; then all fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from mlops.errors import ConfigError
from mlops.jobfile.bindings import FromInput, FromStep
from mlops.jobfile.literals import LITERALS, ComponentInput

LITERAL = "a literal"
UNKNOWN = ""
FILE = "uri_file"


@dataclass(frozen=True)
class Signature:
    """What a component declares: its inputs, and the type of each output. `source` is where it stands, for messages."""

    source: str
    inputs: Mapping[str, ComponentInput] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


def check_declared(name: str, signature: Signature, where: str) -> None:
    """Raise ConfigError where a step binds an input that its component does not declare."""
    if name not in signature.inputs:
        known = _listed(signature.inputs)
        raise ConfigError(f"{where}: {signature.source} declares no such input: it declares {known}")


def check_source(binding: FromStep, wanted: str, steps: Mapping[str, Signature | None], where: str) -> None:
    """Raise ConfigError where no step makes what an input is bound to, or it is not of the wanted type."""
    made = steps.get(binding.step)
    if made is None and binding.step in steps:
        return
    if made is None or binding.output not in made.outputs:
        known = [f"{step}.outputs.{name}" for step, one in steps.items() if one for name in one.outputs]
        missing = f"{binding.step}.outputs.{binding.output}"
        raise ConfigError(f"{where}: no step makes '{missing}': there are {_listed(known)}")
    if not _fits(made.outputs[binding.output], wanted):
        raise ConfigError(f"{where}: is {_called(made.outputs[binding.output])}, should be {wanted}: bind another")


def check_job_input(binding: FromInput, wanted: str, inputs: Mapping[str, str], where: str) -> None:
    """Raise ConfigError where the job has no such input, or it is not of the wanted type. `inputs` says the types."""
    if binding.name not in inputs:
        raise ConfigError(f"{where}: the job has no input '{binding.name}': it has {_listed(inputs)}")
    if not _fits(inputs[binding.name], wanted):
        is_now = inputs[binding.name]
        raise ConfigError(f"{where}: input '{binding.name}' is {is_now}, should be {wanted}: bind another")


def check_output(source: FromStep, made: Signature | None, where: str) -> None:
    """Raise ConfigError where a step's component declares no such output."""
    if made is not None and source.output not in made.outputs:
        known = _listed(made.outputs)
        raise ConfigError(f"{where}: {made.source} declares no such output: it declares {known}")


def check_target(target: str, outputs: Set[str], bound: Mapping[str, FromStep], where: str) -> None:
    """Raise ConfigError where a step's output goes to no output of the job, or to one that has its source already."""
    if target not in outputs:
        raise ConfigError(f"{where}: the job has no output '{target}': it has {_listed(outputs)}")
    if target in bound:
        raise ConfigError(f"{where}: output '{target}' is bound to step '{bound[target].step}' already: bind it once")


def check_made(name: str, bound: Mapping[str, FromStep], where: str) -> None:
    """Raise ConfigError where no step makes an output of the job."""
    if name not in bound:
        raise ConfigError(f"{where}: no step makes it: bind a step's output to it")


def check_order(before: Mapping[str, Set[str]], where: str) -> None:
    """Raise ConfigError where steps wait for each other in a circle. `before` names for each step those before it."""
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        around = " -> ".join(error.args[1])
        raise ConfigError(f"{where}: each of {around} waits for the one before it: cut the cycle") from None


def _fits(made: str, wanted: str) -> bool:
    if UNKNOWN in (made, wanted):
        return True
    if LITERAL in (made, wanted) or made in LITERALS or wanted in LITERALS:
        return _is_literal(made) == _is_literal(wanted)
    return (made == FILE) == (wanted == FILE)


def _is_literal(kind: str) -> bool:
    return kind == LITERAL or kind in LITERALS


def _called(kind: str) -> str:
    return "a folder" if kind == "uri_folder" else kind


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
