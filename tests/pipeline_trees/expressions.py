"""The expressions of GitHub Actions and Azure Pipelines, parsed into one tree; each system's rules evaluate it.

Sources: docs.github.com, "Evaluate expressions in workflows and actions"; learn.microsoft.com, "Expressions".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(-?\d+(?:\.\d+)?)(?![\w.])|([A-Za-z_][\w-]*)|(&&|\|\||==|!=|[!()\[\].,]))")
LOOSEST_FIRST = (("||",), ("&&",), ("==", "!="))
WORDS = {"true": True, "false": False, "null": None}


class Unknown(Exception):
    """Something that these tests do not know how to read: teach them, or take it out of the pipeline."""


@dataclass(frozen=True)
class Rules:
    """How a system evaluates: its functions (called with unevaluated arguments), its names, and what equals what."""

    functions: dict[str, Callable[..., Any]]
    look_up: Callable[[str], Any]
    equal: Callable[[Any, Any], bool]
    is_true: Callable[[Any], bool]
    has_operators: bool


def evaluate(text: str, rules: Rules) -> Any:
    """Return an expression's value. Raises Unknown on what is no expression, or names what the rules do not know."""
    try:
        return _value(parse(text, rules.has_operators), rules)
    except Unknown as error:
        raise Unknown(f"{error} in `{' '.join(text.split())}`") from None


@cache
def parse(text: str, has_operators: bool) -> tuple[Any, ...]:
    """Return the tree of an expression: ("value", v), ("name", n), ("index", of, key), ("call", n, arguments), ..."""
    parser = _Parser(_tokens(text), has_operators)
    tree = parser.binary(0)
    if parser.tokens:
        raise Unknown(f"'{parser.tokens[0]}' is not expected")
    return tree


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Unknown(f"'{text[at:at + 12]}' is not known")
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], has_operators: bool) -> None:
        self.tokens = tokens
        self.has_operators = has_operators

    def binary(self, level: int) -> tuple[Any, ...]:
        if level == len(LOOSEST_FIRST):
            return self.unary()
        tree = self.binary(level + 1)
        while self.has_operators and self.tokens and self.tokens[0] in LOOSEST_FIRST[level]:
            tree = ("operator", self.tokens.pop(0), tree, self.binary(level + 1))
        return tree

    def unary(self) -> tuple[Any, ...]:
        if self.has_operators and self.tokens and self.tokens[0] == "!":
            self.tokens.pop(0)
            return ("operator", "!", self.unary(), None)
        tree = self.primary()
        while self.tokens and self.tokens[0] in (".", "["):
            if self.tokens.pop(0) == ".":
                tree = ("index", tree, ("value", self.take()))
            else:
                tree = ("index", tree, self.binary(0))
                self.take("]")
        return tree

    def primary(self) -> tuple[Any, ...]:
        token = self.take()
        if token == "(":
            tree = self.binary(0)
            self.take(")")
            return tree
        if token[0] == "'":
            return ("value", token[1:-1].replace("''", "'"))
        if token[0].isdigit() or token[0] == "-":
            return ("value", float(token))
        if token.lower() in WORDS:
            return ("value", WORDS[token.lower()])
        if not (token[0].isalpha() or token[0] == "_"):
            raise Unknown(f"'{token}' is not expected")
        return self.call(token) if self.tokens[:1] == ["("] else ("name", token)

    def call(self, name: str) -> tuple[Any, ...]:
        self.take("(")
        arguments = []
        while self.tokens[:1] != [")"]:
            arguments.append(self.binary(0))
            if self.tokens[:1] != [")"]:
                self.take(",")
        self.take(")")
        return ("call", name, arguments)

    def take(self, expected: str | None = None) -> str:
        if not self.tokens or (expected and self.tokens[0] != expected):
            raise Unknown(f"'{self.tokens[0] if self.tokens else 'the end'}' is not expected")
        return self.tokens.pop(0)


def _value(tree: tuple[Any, ...], rules: Rules) -> Any:
    kind = tree[0]
    if kind == "value":
        return tree[1]
    if kind == "name":
        return rules.look_up(tree[1])
    if kind == "index":
        return _member(_value(tree[1], rules), _value(tree[2], rules))
    if kind == "operator":
        return _operator(tree[1], tree[2], tree[3], rules)
    if tree[1].lower() not in rules.functions:
        raise Unknown(f"the function {tree[1]} is not known")
    return rules.functions[tree[1].lower()](*(_value(argument, rules) for argument in tree[2]))


def _member(of: Any, key: Any) -> Any:
    if of is None:
        return None
    if callable(of):
        return of(key)
    if not isinstance(of, dict):
        raise Unknown(f"'{key}' is asked of what has no members")
    return of.get(key)


def _operator(sign: str, left: tuple[Any, ...], right: tuple[Any, ...], rules: Rules) -> Any:
    value = _value(left, rules)
    if sign == "!":
        return not rules.is_true(value)
    if sign in ("&&", "||"):
        return value if rules.is_true(value) == (sign == "||") else _value(right, rules)
    return rules.equal(value, _value(right, rules)) == (sign == "==")


def written(tree: tuple[Any, ...]) -> str:
    """Return an expression's text, as both systems read it."""
    kind = tree[0]
    if kind == "value":
        return _literal(tree[1])
    if kind == "index":
        return f"{written(tree[1])}[{written(tree[2])}]"
    if kind == "call":
        return f"{tree[1]}({', '.join(map(written, tree[2]))})"
    if kind == "operator":
        return f"!({written(tree[2])})" if tree[1] == "!" else f"({written(tree[2])} {tree[1]} {written(tree[3])})"
    return str(tree[1])


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {None: "null", True: "true", False: "false"}[value] if not isinstance(value, float) else f"{value:g}"
