"""Names in a Bicep file that lead nowhere, also in branches that no stage takes: what its compiler would say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from iac import functions
from iac.expressions import Node, inner
from iac.files import Declaration, read_bicep

# Bicep's namespaces, which may stand before a function.
NAMESPACES = ("az", "sys")


def problems(path: Path) -> list[str]:
    """Return what is wrong in a file, as `file:line: what`. Raises Unreadable where it can't be read."""
    statements = read_bicep(path.read_text(encoding="utf-8"), str(path))
    checks = (_twice, _names, _unused, _undescribed, _modules, _outputs)
    return [f"{path.name}:{line}: {text}" for check in checks for line, text in check(path, statements)]


Found = Iterator[tuple[int, str]]
Statements = tuple[Declaration, ...]


def _twice(path: Path, statements: Statements) -> Found:
    seen: set[str] = set()
    for one in statements:
        if one.kind not in ("output", "metadata"):
            if one.name in seen:
                yield one.line, f"'{one.name}' is declared twice"
            seen.add(one.name)


def _names(path: Path, statements: Statements) -> Found:
    declared = {one.name for one in statements if one.kind not in ("output", "metadata", "type")}
    known = functions.bicep(path.parent, str)
    for one in statements:
        bound = {*declared, *NAMESPACES, *(one.loop[0] if one.loop else ())}
        for node in _nodes(one):
            yield from ((line, f"{name} is not declared") for line, name in _undefined(node, bound))
            yield from (
                (one.line, f"{call.parts[0]}() is no function that is known here")
                for call in _walk(node)
                if call.kind == "call" and call.parts[0] not in known
            )


def _unused(path: Path, statements: Statements) -> Found:
    used = {node.parts[0] for one in statements for top in _nodes(one) for node in _walk(top) if node.kind == "name"}
    for one in statements:
        if one.kind in ("param", "var") and one.name not in used:
            yield one.line, f"{one.kind} '{one.name}' is never used"


def _undescribed(path: Path, statements: Statements) -> Found:
    for one in statements:
        if one.kind in ("param", "output") and "description" not in one.decorators:
            yield one.line, f"{one.kind} '{one.name}' has no description"


def _modules(path: Path, statements: Statements) -> Found:
    for one in statements:
        if one.kind != "module":
            continue
        target = path.parent / one.detail
        if not target.is_file():
            yield one.line, f"module '{one.name}': {one.detail} is not there"
            continue
        inside = read_bicep(target.read_text(encoding="utf-8"), str(target))
        given = set(_keys(_member(one.value, "params")))
        wanted = {inner.name: inner for inner in inside if inner.kind == "param"}
        needed = {name for name, inner in wanted.items() if inner.value is None and not inner.detail.endswith("?")}
        yield from (
            (one.line, f"module '{one.name}' has no parameter '{name}'") for name in sorted(given - set(wanted))
        )
        yield from ((one.line, f"module '{one.name}' is not given '{name}'") for name in sorted(needed - given))


def _outputs(path: Path, statements: Statements) -> Found:
    paths = {one.name: path.parent / one.detail for one in statements if one.kind == "module"}
    for one in statements:
        for node in (inner for top in _nodes(one) for inner in _walk(top)):
            module, output = _asked(node)
            if module in paths and paths[module].is_file():
                inside = read_bicep(paths[module].read_text(encoding="utf-8"), str(paths[module]))
                if output not in {inner.name for inner in inside if inner.kind == "output"}:
                    yield node.line, f"module '{module}' has no output '{output}'"


def _asked(node: Node) -> tuple[str, str]:
    if node.kind != "attribute" or node.parts[0].kind != "attribute" or node.parts[0].parts[1] != "outputs":
        return "", ""
    module = node.parts[0].parts[0]
    module = module.parts[0] if module.kind == "index" else module
    return (str(module.parts[0]), node.parts[1]) if module.kind == "name" else ("", "")


def _nodes(one: Declaration) -> Iterator[Node]:
    yield from (node for node in (one.value, one.condition, one.loop[1] if one.loop else None) if node)


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for part in inner(node.parts):
        yield from _walk(part)


def _undefined(node: Node, bound: set[str]) -> Iterator[tuple[int, str]]:
    if node.kind == "name" and node.parts[0] not in bound:
        yield node.line, node.parts[0]
    if node.kind == "lambda":
        bound = {*bound, *node.parts[0]}
    if node.kind == "for":
        yield from _undefined(node.parts[1], bound)
        bound, node = {*bound, *node.parts[0]}, Node("list", tuple(part for part in node.parts[2:] if part), node.line)
    for part in inner(node.parts):
        yield from _undefined(part, bound)


def _member(node: Node | None, name: str) -> Node | None:
    pairs = node.parts if node is not None and node.kind == "object" else ()
    return next((value for key, value in pairs if key.parts == (name,)), None)


def _keys(node: Node | None) -> Iterator[str]:
    if node is not None and node.kind == "object":
        yield from ("".join(map(str, key.parts)) for key, _ in node.parts)
