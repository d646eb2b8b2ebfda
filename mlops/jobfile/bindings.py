"""Azure ML's binding expressions, `${{...}}` and `$[[...]]`: which there are, what they name, and whether it exists.

It knows nothing of files, of values or of processes.

Source: https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from mlops.errors import ConfigError

ANY = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]")
NAME = r"[A-Za-z_][A-Za-z0-9_]*"


@dataclass(frozen=True)
class FromInput:
    """`${{parent.inputs.NAME}}`: an input of the pipeline."""

    name: str


@dataclass(frozen=True)
class FromStep:
    """`${{parent.jobs.STEP.outputs.OUTPUT}}`: what another step of the pipeline makes."""

    step: str
    output: str


def parse_binding(value: object, where: str) -> FromInput | FromStep | None:
    """Return what a node's input is bound to, None for a literal. Raises ConfigError on any other expression."""
    if not isinstance(value, str) or "${{" not in value:
        return None
    match = ANY.fullmatch(value.strip())
    expression = match[1] if match else value
    if found := re.fullmatch(rf"parent\.inputs\.({NAME})", expression):
        return FromInput(found[1])
    if found := re.fullmatch(rf"parent\.jobs\.({NAME})\.outputs\.({NAME})", expression):
        return FromStep(found[1], found[2])
    known = "${{parent.inputs.NAME}} or ${{parent.jobs.STEP.outputs.NAME}}"
    raise ConfigError(f"{where}: unknown binding '{value}': use {known}")


def parse_output_binding(value: str, where: str) -> str:
    """Return the pipeline's output that a node's output is bound to. Raises ConfigError on any other expression."""
    found = re.fullmatch(rf"\$\{{\{{\s*parent\.outputs\.({NAME})\s*\}}\}}", value.strip())
    if not found:
        raise ConfigError(f"{where}: unknown binding '{value}': use ${{{{parent.outputs.NAME}}}}")
    return found[1]


def check_command(command: str, inputs: Mapping[str, bool], outputs: Set[str], where: str) -> None:
    """Raise ConfigError where a command uses an input or an output that is not declared.

    `inputs` says of each declared input whether it may have no value: such a one stands in `$[[...]]` only.
    """
    known = {f"inputs.{name}" for name in inputs} | {f"outputs.{name}" for name in outputs}
    for expression in expressions(command):
        check_expression(expression, known, where)
    for name in sorted(inputs_named(OPTIONAL.sub("", command)) & inputs.keys()):
        check_always_there(name, inputs[name], where)


def expressions(command: str) -> Iterator[str]:
    """Yield what stands in each `${{...}}` of a command."""
    yield from ANY.findall(command)


def check_expression(expression: str, known: Set[str], where: str) -> None:
    """Raise ConfigError where a command's expression is none of those that are declared."""
    if expression not in known:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"{where}: unknown binding '${{{{{expression}}}}}': declared are {names}")


def check_always_there(name: str, may_be_absent: bool, where: str) -> None:
    """Raise ConfigError where an input that a command always uses may have no value."""
    if may_be_absent:
        raise ConfigError(f"{where}: input '{name}' may have no value: put it in $[[--flag ${{{{inputs.{name}}}}}]]")


def inputs_named(text: str) -> set[str]:
    """Return the inputs that a command, or a part of one, names."""
    return {expression.removeprefix("inputs.") for expression in expressions(text) if expression.startswith("inputs.")}
