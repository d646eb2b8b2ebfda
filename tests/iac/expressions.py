"""Expressions of Terraform and Bicep as one kind of tree: their operators are the same, their lists and loops alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iac.tokens import Token, Unreadable, tokens

BINARY = {
    **{"??": 1, "||": 2, "&&": 3, "==": 4, "!=": 4, "=~": 4, "!~": 4},
    **{"<": 5, ">": 5, "<=": 5, ">=": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7},
}
WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Node:
    """One expression: `kind` says what `parts` are; `line` is where it begins."""

    kind: str
    parts: tuple[Any, ...]
    line: int


def inner(parts: object) -> Iterator[Node]:
    """Yield the nodes that stand in a node's parts, those of inner lists among them."""
    if isinstance(parts, Node):
        yield parts
    elif isinstance(parts, tuple):
        for part in parts:
            yield from inner(part)


class Reader:
    """Reads tokens in order. Newlines count between items of lists and objects, nowhere else."""

    def __init__(self, words: list[Token], hcl: bool) -> None:
        self.words = words
        self.hcl = hcl
        self.at = 0

    @property
    def now(self) -> Token:
        """Return the token that is next, a newline too."""
        return self.words[self.at]

    def skip(self, *also: str) -> None:
        """Pass newlines, and the operators that are named."""
        while self.now.kind == "line" or (self.now.kind == "operator" and self.now.value in also):
            self.at += 1

    def ahead(self) -> Token:
        """Return the next token that is no newline, without passing anything."""
        return next(word for word in self.words[self.at :] if word.kind != "line")

    def take(self, value: str | None = None, kind: str | None = None) -> Token:
        """Pass and return the next token but newlines. Raises Unreadable where it isn't what it should be."""
        self.skip()
        token = self.now
        if token.kind == "end":
            raise Unreadable(f"line {token.line}: it ends too early")
        if (value is not None and token.value != value) or (kind is not None and token.kind != kind):
            raise Unreadable(f"line {token.line}: {value or kind} should stand here, not {token.value!r}")
        self.at += 1
        return token

    def comes(self, *values: str) -> bool:
        """Tell whether one of these comes next, newlines apart. A string is never one."""
        token = self.ahead()
        return token.kind in ("operator", "word") and token.value in values

    def expression(self, least: int = 0) -> Node:
        """Read one expression. Raises Unreadable."""
        left = self._unary()
        while self._binds(least):
            operator = self.take()
            left = Node("binary", (operator.value, left, self.expression(BINARY[operator.value] + 1)), operator.line)
        if least == 0 and self.comes("?"):
            line = self.take("?").line
            yes = self.expression()
            self.take(":")
            return Node("if", (left, yes, self.expression()), line)
        return left

    def _binds(self, least: int) -> bool:
        token = self.ahead()
        if token.kind != "operator" or BINARY.get(token.value, -1) < max(least, 1):
            return False
        return token is self.now or token.value not in ("-", "<")

    def _unary(self) -> Node:
        if self.comes("!", "-"):
            operator = self.take()
            return Node("unary", (operator.value, self._unary()), operator.line)
        return self._postfix(self._primary())

    def _primary(self) -> Node:
        token = self.take()
        if token.kind == "string":
            parts = tuple(p if isinstance(p, str) else Reader(p, self.hcl).expression() for p in token.value)
            return Node("string", parts, token.line)
        if token.kind == "number":
            return Node("value", (float(token.value) if "." in token.value else int(token.value),), token.line)
        if token.value in ("(", "[", "{"):
            return {"(": self._group, "[": self._list, "{": self._object}[token.value](token.line)
        if token.kind != "word":
            raise Unreadable(f"line {token.line}: an expression should stand here, not {token.value!r}")
        if self.now.value == "=>" and not self.hcl:
            self.take("=>")
            return Node("lambda", ((token.value,), self.expression()), token.line)
        return Node("value", (WORDS[token.value],), token.line) if token.value in WORDS else self._name(token)

    def _name(self, token: Token) -> Node:
        return Node("name", (token.value,), token.line)

    def _postfix(self, node: Node) -> Node:
        while True:
            token, near = self.ahead(), self.now.kind != "line"
            if token.value in (".", ".?", "::") and token.kind == "operator":
                self.take()
                node = self._attribute(node, token)
            elif near and token.kind == "operator" and token.value in ("[", "[?"):
                self.take()
                node = Node("index", (node, self.expression(), token.value == "[?"), token.line)
                self.take("]")
            elif near and token.kind == "operator" and token.value == "[*]":
                self.take()
                node = self._splat(node, token.line)
            elif near and token.value == "(" and node.kind in ("name", "attribute"):
                node = Node("call", (node.parts[-1] if node.kind == "name" else node.parts[1], self._arguments()), 0)
            elif near and token.value == "!" and not self.hcl and token.kind == "operator":
                self.take()
            else:
                return node

    def _attribute(self, node: Node, token: Token) -> Node:
        if self.ahead().value == "*":
            self.take()
            return self._splat(node, token.line)
        return Node("attribute", (node, str(self.take().value), token.value == ".?"), token.line)

    def _splat(self, node: Node, line: int) -> Node:
        names = []
        while self.now.value == ".":
            self.take()
            names.append(str(self.take().value))
        return Node("splat", (node, tuple(names)), line)

    def _arguments(self) -> tuple[Node, ...]:
        self.take("(")
        found = []
        while not self.comes(")"):
            found.append(self.expression())
            self.skip(",", "...")
        self.take(")")
        return tuple(found)

    def _group(self, line: int) -> Node:
        if names := self._lambda_names():
            return Node("lambda", (names, self.expression()), line)
        inner = self.expression()
        self.take(")")
        return inner

    def _lambda_names(self) -> tuple[str, ...]:
        end = self.at
        while self.words[end].kind == "word" or self.words[end].value == ",":
            end += 1
        if self.words[end].value != ")" or self.words[end + 1].value != "=>":
            return ()
        names = tuple(word.value for word in self.words[self.at : end] if word.kind == "word")
        self.at = end + 2
        return names

    def _list(self, line: int) -> Node:
        if self.comes("for"):
            return self._for("]", line)
        items = []
        while not self.comes("]"):
            items.append(self.expression())
            self.skip(",")
        self.take("]")
        return Node("list", tuple(items), line)

    def _object(self, line: int) -> Node:
        if self.hcl and self.comes("for"):
            return self._for("}", line)
        pairs = []
        while not self.comes("}"):
            pairs.append((self._key(), self._value()))
            self.skip(",")
        self.take("}")
        return Node("object", tuple(pairs), line)

    def _key(self) -> Node:
        token = self.ahead()
        if token.kind == "word" and self.words[self.words.index(token, self.at) + 1].value in ("=", ":"):
            return Node("string", (self.take().value,), token.line)
        return self._unary()

    def _value(self) -> Node:
        self.take()
        return self.expression()

    def _for(self, end: str, line: int) -> Node:
        self.take("for")
        paired = self.comes("(")
        self.skip("(")
        names = [self.take(kind="word").value]
        while self.comes(","):
            self.take(",")
            names.append(self.take(kind="word").value)
        if paired:
            self.take(")")
        self.take("in")
        over = self.expression()
        self.take(":")
        condition = self._condition() if not self.hcl else None
        key, value = None, self.expression()
        if self.comes("=>"):
            self.take("=>")
            key, value = value, self.expression()
        self.skip("...")
        if self.hcl and self.comes("if"):
            condition = self._condition()
        self.take(end)
        return Node("for", (tuple(names), over, key, value, condition), line)

    def _condition(self) -> Node | None:
        if not self.comes("if"):
            return None
        self.take("if")
        return self.expression() if self.hcl else self._postfix(self._primary())


def read_expression(text: str, hcl: bool) -> Node:
    """Read a text that is one expression. Raises Unreadable."""
    reader = Reader(tokens(text, hcl), hcl)
    node = reader.expression()
    if reader.ahead().kind != "end":
        raise Unreadable(f"line {reader.ahead().line}: {reader.ahead().value!r} stands behind the expression")
    return node
