"""Whether azurerm's schema knows what Terraform files say: resources, arguments, blocks, and attributes asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from iac.expressions import Node, inner
from iac.files import Block

META = ("count", "for_each", "provider", "depends_on", "lifecycle", "timeouts", "provisioner")


def problems(blocks: tuple[Block, ...], schema: Mapping[str, Any], where: str) -> list[str]:
    """Return what the schema has no place for, or misses, as `where:line: what`."""
    found: list[tuple[int, str]] = []
    for block in blocks:
        if block.kind in ("resource", "data") and block.labels[0].startswith("azurerm_"):
            found += _of_resource(block, schema[block.kind])
        found += [(line, text) for node in _expressions(block) for line, text in _asked(node, schema)]
    return [f"{where}:{line}: {text}" for line, text in found]


def _of_resource(block: Block, known: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    name = block.labels[0]
    if name not in known:
        yield block.line, f"{name} is not in schema.json: run python -m providerstub.extract, or mend its name"
    else:
        yield from _of_block(block, known[name], name)


def _of_block(block: Block, known: Mapping[str, Any], path: str) -> Iterator[tuple[int, str]]:
    given = {name for name in block.attributes if name not in META}
    inner = [(one.labels[0] if one.kind == "dynamic" else one.kind, one) for one in block.blocks]
    inner = [(name, one) for name, one in inner if name not in META]
    for name in sorted(given):
        role = known["attributes"].get(name, ["", ""])[1]
        if role in ("", "computed") and name not in known["blocks"]:
            yield block.line, f"{path}: '{name}' can't be set" if role else f"{path}: '{name}' is not known"
    needed = {name for name, (_, role) in known["attributes"].items() if role == "required"}
    needed |= {name for name, one in known["blocks"].items() if one["required"]}
    for name in sorted(needed - given - {name for name, _ in inner}):
        yield block.line, f"{path}: '{name}' is missing"
    for name, one in inner:
        if name not in known["blocks"]:
            yield one.line, f"{path}: block '{name}' is not known"
        else:
            content = next(one.of("content")) if one.kind == "dynamic" else one
            yield from _of_block(content, known["blocks"][name], f"{path}.{name}")


def _asked(node: Node, schema: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    parts = _reference(node)
    if parts and parts[0] in schema["resource"] and len(parts) > 2:
        known = schema["resource"][parts[0]]
        if parts[2] not in (*known["attributes"], *known["blocks"], "id"):
            yield node.line, f"{parts[0]} has no attribute '{parts[2]}'"
        return
    for part in inner(node.parts):
        yield from _asked(part, schema)


def _reference(node: Node) -> tuple[str, ...]:
    if node.kind == "name":
        return (node.parts[0],)
    if node.kind == "attribute" and (first := _reference(node.parts[0])):
        return (*first, node.parts[1])
    if node.kind in ("index", "splat") and (first := _reference(node.parts[0])):
        return (*first, *(node.parts[1] if node.kind == "splat" else ()))
    return ()


def _expressions(block: Block) -> Iterator[Node]:
    yield from block.attributes.values()
    for one in block.blocks:
        yield from _expressions(one)
