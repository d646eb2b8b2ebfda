"""What a command names: inputs and outputs that are declared beside it, and optional ones where they may be absent."""

from __future__ import annotations

from collections.abc import Iterator

from mlops.jobfile.bindings import OPTIONAL, check_always_there, check_expression, expressions, inputs_named
from mlops.lint.document import Keys
from mlops.lint.finding import Finding, refusals
from mlops.lint.parts import Part, as_mapping
from mlops.lint.surroundings import Surroundings

# Where a role keeps its command line.
PLACES: tuple[Keys, ...] = (("command",), ("args",), ("task", "program_arguments"))


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield each expression of a command that names nothing, and each optional input that it always uses."""
    for keys in PLACES:
        command = _at(part, keys)
        if isinstance(command, str):
            yield from _undeclared(part, keys, command)
            yield from _always_used(part, keys, command)


def _undeclared(part: Part, keys: Keys, command: str) -> Iterator[Finding]:
    known = set(_known(part))
    for expression in dict.fromkeys(expressions(command)):
        for problem in refusals(check_expression, expression, known, part.where(*keys)):
            yield part.finding(keys, problem, expression)


def _always_used(part: Part, keys: Keys, command: str) -> Iterator[Finding]:
    inputs = part.mapping("inputs")
    for name in sorted(inputs_named(OPTIONAL.sub("", command)) & inputs.keys()):
        said = as_mapping(inputs[name])
        may_be_absent = said.get("optional") is True and said.get("default") is None
        for problem in refusals(check_always_there, name, may_be_absent, part.where(*keys)):
            yield part.finding(keys, problem, f"inputs.{name}")


def _known(part: Part) -> Iterator[str]:
    """Yield what a command may name; a sweep's trial sees what the sweep declares, too."""
    for place in (part, part.parent) if part.role == "trial" and part.parent else (part,):
        for kind in ("inputs", "outputs", "search_space"):
            yield from (f"{kind}.{name}" for name in place.mapping(kind))


def _at(part: Part, keys: Keys) -> object:
    value: object = part.content
    for key in keys:
        value = as_mapping(value).get(key)
    return value
