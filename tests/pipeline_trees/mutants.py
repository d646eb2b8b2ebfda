"""Trees in which one gate is missing: what a careless change could take away, made one by one.

A gate is a key that holds something back (needs, if, environment, permissions, a lock, ...), one of those that a
job waits for, one part of a condition, a variable that a job or step is given (a cap, a token), or the absence of what
passes failures over.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pipeline_trees.expressions import Unknown, parse, written
from pipeline_trees.files import Files, changed

GITHUB_GATES = {"needs", "if", "environment", "permissions", "concurrency", "timeout-minutes", "strategy", "queue"}
GITHUB_GATES |= {"cancel-in-progress", "persist-credentials", "fail-fast", "max-parallel", "branches", "tags", "paths"}
AZURE_GATES = {"dependsOn", "condition", "environment", "lockBehavior", "timeoutInMinutes", "persistCredentials"}
AZURE_GATES |= {"needs", "branches", "tags", "paths", "autoCancel", "minutes", "pr", "trigger"}
LISTED = {"needs", "dependsOn", "branches", "tags", "paths", "include"}
CONDITIONS = {"if", "condition"}
GIVEN = {"env", "variables"}
PASSES_OVER = {"continue-on-error", "continueOnError"}

Way = tuple[str | int | bool, ...]


@dataclass(frozen=True)
class Mutant:
    """A tree with one gate less: which file and place, what was done, and the tree."""

    path: str
    way: Way
    what: str
    files: Files

    def __str__(self) -> str:
        return f"{self.path}:{'.'.join(map(str, self.way))}:{self.what}"


def mutants(files: Files, gates: set[str]) -> Iterator[Mutant]:
    """Yield a mutant for each gate of each file."""
    has_operators = "if" in gates
    passes_over = "continue-on-error" if has_operators else "continueOnError"
    for path, content in files.items():
        for way, node in _walk(content, ()):
            for what, value in _changes(way, node, gates, has_operators):
                yield Mutant(path, way, what, changed(files, path, _with(content, way, value)))
            if isinstance(node, dict) and ({"run", "uses", "bash", "task", "runs-on"} & set(node)):
                other = {**node, passes_over: True}
                yield Mutant(path, way, passes_over, changed(files, path, _with(content, way, other)))


def _walk(node: Any, way: Way) -> Iterator[tuple[Way, Any]]:
    if way:
        yield way, node
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from _walk(value, (*way, key))


GONE = object()


def _changes(way: Way, node: Any, gates: set[str], has_operators: bool) -> Iterator[tuple[str, Any]]:
    key = way[-1]
    if key in gates:
        yield "removed", GONE
    if key in LISTED and isinstance(node, list):
        yield from ((f"without {one}", [other for other in node if other != one]) for one in node)
    if key in CONDITIONS and isinstance(node, str):
        yield from ((f"as {text}", text) for text in _weaker(node, has_operators))
    if key in GIVEN and isinstance(node, dict):
        yield from ((f"without {one}", {name: node[name] for name in node if name != one}) for one in node)
    if key == "permissions" and isinstance(node, dict):
        yield from ((f"without {one}", {right: node[right] for right in node if right != one}) for one in node)
        yield "with all rights", "write-all"


def _weaker(text: str, has_operators: bool) -> Iterator[str]:
    """Yield a condition with one part of it taken out."""
    try:
        tree = parse(text.strip().removeprefix("${{").removesuffix("}}"), has_operators)
    except Unknown:
        return
    yield from dict.fromkeys(written(one) for one in _without_a_part(tree))


def _without_a_part(tree: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if tree[0] == "operator" and tree[1] in ("&&", "||"):
        yield from (tree[2], tree[3])
        yield from (("operator", tree[1], one, tree[3]) for one in _without_a_part(tree[2]))
        yield from (("operator", tree[1], tree[2], one) for one in _without_a_part(tree[3]))
    if tree[0] == "call" and tree[1] in ("and", "or"):
        for at, argument in enumerate(tree[2]):
            rest = [*tree[2][:at], *tree[2][at + 1 :]]
            yield ("call", tree[1], rest) if len(rest) > 1 else rest[0]
            yield from (
                ("call", tree[1], [*tree[2][:at], one, *tree[2][at + 1 :]]) for one in _without_a_part(argument)
            )


def _with(content: Any, way: Way, value: Any) -> Any:
    """Return a copy of a content with what stands at a place replaced, or gone."""
    result = deepcopy(content)
    node = result
    for key in way[:-1]:
        node = node[key]
    if value is GONE:
        del node[way[-1]]
    else:
        node[way[-1]] = value
    return result
