"""Terraform and Bicep files as declarations: what is declared, in which words, on which line. Nothing is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from iac.expressions import Node, Reader
from iac.tokens import Unreadable, tokens


@dataclass(frozen=True)
class Block:
    """A Terraform block: `resource "type" "name" { ... }`."""

    kind: str
    labels: tuple[str, ...]
    attributes: dict[str, Node]
    blocks: tuple[Block, ...]
    line: int

    def of(self, kind: str) -> Iterator[Block]:
        """Yield the blocks of a kind directly below."""
        return (block for block in self.blocks if block.kind == kind)


@dataclass(frozen=True)
class Declaration:
    """A Bicep statement: param, var, resource, module or output. `condition` and `loop` are of resources and modules.

    `detail` is a resource's type with its API version, a module's path, a type as it is written.
    """

    kind: str
    name: str
    detail: str
    value: Node | None
    line: int
    condition: Node | None = None
    loop: tuple[tuple[str, ...], Node] | None = None
    existing: bool = False
    decorators: dict[str, tuple[Node, ...]] = field(default_factory=dict)


def read_terraform(text: str, where: str) -> tuple[Block, ...]:
    """Return the blocks of a file. Raises Unreadable with the file and the line."""
    try:
        return _whole(text)[1]
    except Unreadable as error:
        raise Unreadable(f"{where}: {error}") from None


def read_assignments(text: str, where: str) -> dict[str, Node]:
    """Return the values of a tfvars file. Raises Unreadable with the file and the line."""
    try:
        return _whole(text)[0]
    except Unreadable as error:
        raise Unreadable(f"{where}: {error}") from None


def terraform_folder(folder: Path) -> tuple[Block, ...]:
    """Return the blocks of all files of a module."""
    paths = sorted(folder.glob("*.tf"))
    return tuple(block for path in paths for block in read_terraform(path.read_text(encoding="utf-8"), str(path)))


def _whole(text: str) -> tuple[dict[str, Node], tuple[Block, ...]]:
    return _body(Reader(tokens(text, True), True), "end")


def _body(reader: Reader, end: str) -> tuple[dict[str, Node], tuple[Block, ...]]:
    attributes: dict[str, Node] = {}
    blocks: list[Block] = []
    while not (reader.comes(end) or reader.ahead().kind == "end"):
        word = reader.take()
        if reader.now.value == "=":
            reader.take("=")
            attributes[_text(word.value)] = reader.expression()
            continue
        labels = []
        while not reader.comes("{"):
            labels.append(_text(reader.take().value))
        reader.take("{")
        inner = _body(reader, "}")
        reader.take("}")
        blocks.append(Block(word.value, tuple(labels), *inner, word.line))
    return attributes, tuple(blocks)


def _text(value: object) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def read_bicep(text: str, where: str) -> tuple[Declaration, ...]:
    """Return the statements of a file. Raises Unreadable with the file and the line."""
    reader = Reader(tokens(text, False), False)
    try:
        return tuple(_statements(reader))
    except Unreadable as error:
        raise Unreadable(f"{where}: {error}") from None


def _statements(reader: Reader) -> Iterator[Declaration]:
    decorators: dict[str, tuple[Node, ...]] = {}
    while reader.ahead().kind != "end":
        if reader.comes("@"):
            reader.take("@")
            call = reader.expression()
            name, arguments = call.parts if call.kind == "call" else (call.parts[-1], ())
            decorators[name] = arguments
            continue
        yield _statement(reader, decorators)
        decorators = {}


def _statement(reader: Reader, decorators: dict[str, tuple[Node, ...]]) -> Declaration:
    word = reader.take(kind="word")
    if word.value in ("targetScope", "using"):
        reader.skip("=")
        return Declaration(word.value, word.value, "", reader.expression(), word.line)
    name = reader.take(kind="word").value
    if word.value in ("resource", "module"):
        return _placed(reader, word.value, name, word.line, decorators)
    if word.value not in ("param", "var", "output", "type", "metadata"):
        raise Unreadable(f"line {word.line}: '{word.value}' is no statement that is read here")
    detail = "" if word.value in ("var", "metadata", "type") else _type(reader)
    if reader.now.value != "=":
        return Declaration(word.value, name, detail, None, word.line, decorators=decorators)
    reader.take("=")
    return Declaration(word.value, name, detail, reader.expression(), word.line, decorators=decorators)


def _type(reader: Reader) -> str:
    depth, words = 0, []
    while depth or not (reader.now.kind in ("line", "end") or reader.now.value == "="):
        token = reader.now
        depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(str(token.value), 0)
        words.append(_text(token.value))
        reader.at += 1
    return "".join(words)


def _placed(reader: Reader, kind: str, name: str, line: int, decorators: dict[str, tuple[Node, ...]]) -> Declaration:
    detail = _text(reader.take(kind="string").value)
    existing = reader.comes("existing")
    if existing:
        reader.take("existing")
    reader.take("=")
    if reader.comes("["):
        names, over, _, value, condition = reader.expression().parts
        return Declaration(kind, name, detail, value, line, condition, (names, over), existing, decorators)
    condition = None
    if reader.comes("if"):
        reader.take("if")
        reader.take("(")
        condition = reader.expression()
        reader.take(")")
    return Declaration(kind, name, detail, reader.expression(), line, condition, None, existing, decorators)
