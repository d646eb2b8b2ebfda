"""Azure ML's binding expressions, `${{...}}` and `$[[...]]`: which there are, what they name, how a command uses them.

A command becomes a list of arguments first and gets its values after, argument by argument, so a folder with a space in
its name stays one argument. There is no shell: what needs one is refused. It knows nothing of files or of processes.

Source: https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Set
from dataclasses import dataclass

from mlops.errors import ConfigError

ANY = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]")
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
SHELL_WORDS = re.compile(r"[();<>|&]+")
SHELL_TEXT = re.compile(r"`|\$(?!\{\{)")


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


def command_arguments(command: str, given: Set[str], where: str) -> tuple[str, ...]:
    """Return a command as arguments that still hold their bindings; `$[[...]]` goes where its input is not given.

    Raises ConfigError where the command names no program, is unbalanced in its quotes, or needs a shell.
    """
    kept = OPTIONAL.sub(lambda part: part[1] if _names(part[1]) <= given else "", command)
    tight = ANY.sub(lambda binding: "${{" + binding[1] + "}}", kept)
    try:
        lexer = shlex.shlex(tight, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        arguments = tuple(lexer)
    except ValueError as error:
        raise ConfigError(f"{where}: cannot be split into arguments ({error}): close the quote") from None
    if not arguments:
        raise ConfigError(f"{where}: is empty: name a program")
    for argument in arguments:
        if SHELL_WORDS.fullmatch(argument) or SHELL_TEXT.search(argument):
            raise ConfigError(f"{where}: '{argument}' needs a shell, and there is none here: start one program")
    return arguments


def check_command(command: str, inputs: Mapping[str, bool], outputs: Set[str], where: str) -> None:
    """Raise ConfigError where a command uses an input or an output that is not declared.

    `inputs` says of each declared input whether it may have no value: such a one stands in `$[[...]]` only.
    """
    known = {f"inputs.{name}" for name in inputs} | {f"outputs.{name}" for name in outputs}
    for expression in ANY.findall(command):
        if expression not in known:
            names = ", ".join(sorted(known))
            raise ConfigError(f"{where}: unknown binding '${{{{{expression}}}}}': declared are {names}")
    for name in sorted(_names(OPTIONAL.sub("", command))):
        if inputs[name]:
            raise ConfigError(
                f"{where}: input '{name}' may have no value: put it in $[[--flag ${{{{inputs.{name}}}}}]]"
            )


def fill(argument: str, values: Mapping[str, str]) -> str:
    """Return an argument with its bindings replaced. `values` is keyed `inputs.NAME` and `outputs.NAME`."""
    return ANY.sub(lambda binding: values[binding[1]], argument)


def _names(text: str) -> set[str]:
    return {expression.removeprefix("inputs.") for expression in ANY.findall(text) if expression.startswith("inputs.")}
