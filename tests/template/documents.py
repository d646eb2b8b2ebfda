"""What the repository's Markdown says: its commands, links, anchors, and paths that it mentions. It judges nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("sh", "bash", "console")
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
# A path below one of the repository's folders: `src/vision/data.py`, `environments/*/requirements.txt`.
PATH = re.compile(r"(?<![\w/.<{~-])((?:mlops|src|tests|docs|environments|benchmarks|\.ci)/[\w./*-]*)")


def commands(text: str) -> list[list[str]]:
    """Return the commands of all fenced shell blocks as words; comments and variables before a command are left out."""
    blocks = (body for language, body in FENCE.findall(text) if language in SHELL)
    lines = (line for block in blocks for line in block.replace("\\\n", " ").splitlines())
    words = (shlex.split(line.removeprefix("$ "), comments=True) for line in lines)
    return [command for command in map(_without_variables, words) if command]


def runs_of(found: list[list[str]], package: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the module and the arguments of each `python -m <package>...` among the commands."""
    for command in found:
        if command[:2] == ["python", "-m"] and command[2].split(".")[0] == package:
            yield command[2], command[3:]


def links(text: str) -> list[str]:
    """Return the targets of all links that stay inside the repository."""
    return [target for target in LINK.findall(_prose(text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(_prose(text)))
    return {heading.strip().replace(" ", "-") for heading in plain}


def paths(text: str) -> set[str]:
    """Return the paths of the repository that a text mentions, in prose and in blocks alike."""
    return {path.rstrip(".") for path in PATH.findall(COMMENT.sub("", text))}


def _prose(text: str) -> str:
    return COMMENT.sub("", FENCE.sub("", text))


def _without_variables(words: list[str]) -> list[str]:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words
