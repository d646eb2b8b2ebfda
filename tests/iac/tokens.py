"""The words of a Terraform or Bicep file. Strings hold their interpolations as tokens of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SPACE = re.compile(r"[ \t\r]+|\\\n")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
HASH = re.compile(r"#[^\n]*")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HCL_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
HEREDOC = re.compile(r"<<-?(\w+)\n(.*?)\n[ \t]*\1(?=\n|$)", re.DOTALL)
OPERATOR = re.compile(r"\.\.\.|=>|==|!=|=~|!~|<=|>=|&&|\|\||\?\?|\.\?|\[\?|::|\[\*\]|[{}\[\]()<>=!+\-*/%?:.,@|]")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Unreadable(Exception):
    """A text that this reader can't make sense of: where, and what stands there."""


@dataclass(frozen=True)
class Token:
    """`kind` is word, number, string, operator, line or end; a string's `value` is its parts, texts and token lists."""

    kind: str
    value: Any
    line: int


def tokens(text: str, hcl: bool, line: int = 1) -> list[Token]:
    """Return all words of a text, an `end` last. Raises Unreadable, with the line."""
    return [*_tokens(text, hcl, line), Token("end", "", line + text.count("\n"))]


def _tokens(text: str, hcl: bool, first: int) -> Iterator[Token]:
    at = 0
    while at < len(text):
        line = first + text.count("\n", 0, at)
        blank = SPACE.match(text, at) or COMMENT.match(text, at) or (HASH.match(text, at) if hcl else None)
        if blank:
            at = blank.end()
        elif text[at] == "\n":
            yield Token("line", "\n", line)
            at += 1
        else:
            token, at = _token(text, at, hcl, line)
            yield token


def _token(text: str, at: int, hcl: bool, line: int) -> tuple[Token, int]:
    if text[at] == ('"' if hcl else "'"):
        return _string(text, at, hcl, line)
    if hcl and (heredoc := HEREDOC.match(text, at)):
        return Token("string", [heredoc[2]], line), heredoc.end()
    for kind, pattern in (("number", NUMBER), ("word", HCL_WORD if hcl else WORD), ("operator", OPERATOR)):
        if match := pattern.match(text, at):
            return Token(kind, match[0], line), match.end()
    raise Unreadable(f"line {line}: can't read {text[at:at + 20]!r}")


def _string(text: str, at: int, hcl: bool, line: int) -> tuple[Token, int]:
    if not hcl and text.startswith("'''", at):
        end = text.index("'''", at + 3)
        return Token("string", [text[at + 3 : end].removeprefix("\n")], line), end + 3
    quote, parts, at = text[at], [""], at + 1
    while at < len(text) and text[at] != quote:
        if text[at] == "\\":
            parts[-1] += ESCAPES.get(text[at + 1], text[at + 1])
            at += 2
        elif text.startswith("${", at) and not text.startswith("$${", at - 1):
            end = _closing(text, at + 2, hcl, line)
            parts += [tokens(text[at + 2 : end], hcl, line), ""]  # type: ignore[list-item]
            at = end + 1
        else:
            parts[-1] += text[at]
            at += 1
    if at >= len(text):
        raise Unreadable(f"line {line}: a string does not end")
    return Token("string", [part for part in parts if part != ""], line), at + 1


def _closing(text: str, at: int, hcl: bool, line: int) -> int:
    depth, quote = 1, '"' if hcl else "'"
    while at < len(text):
        if text[at] == quote:
            at = _string(text, at, hcl, line)[1]
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return at
        at += 1
    raise Unreadable(f"line {line}: an interpolation does not end")
