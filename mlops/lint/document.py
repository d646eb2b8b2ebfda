"""A YAML file as plain values and the lines that they stand in. It knows of Azure ML only how a file names its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mlops.lint.finding import Finding

SCHEMA = re.compile(r"https://azureml[a-z0-9.]*/[^\s\"']*?(?P<kind>\w+)\.schema\.json")
SCHEMA_LINE = re.compile(rf"^[\"']?\$schema[\"']?\s*:\s*[\"']?{SCHEMA.pattern}", re.MULTILINE)

Keys = tuple[str, ...]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times as fast where it was built


@dataclass(frozen=True)
class Document:
    """A file whose top is a mapping. `name` is relative to the repository; `kind` is of its $schema, as commandJob."""

    path: Path
    name: str
    kind: str
    text: str
    content: dict[str, Any]
    node: yaml.Node

    def line(self, keys: Keys) -> int:
        """Return the line of the innermost of these keys that is there."""
        node, line = self.node, 1
        for key in keys:
            found = _entry(node, key)
            if found is None:
                break
            line, node = found[0] + 1, found[1]
        return line

    def line_of(self, keys: Keys, part: str) -> int:
        """Return the first line, from that of the keys on, which holds a part of their value."""
        start = self.line(keys)
        after = self.text.splitlines()[start - 1 :]
        return next((start + number for number, line in enumerate(after) if part in line), start)

    def finding(self, keys: Keys, text: str, part: str = "") -> Finding:
        """Return a finding at these keys, or at a part of their value."""
        return Finding(self.name, self.line_of(keys, part) if part else self.line(keys), text)


def kind_in(text: str) -> str:
    """Return the kind that a file's $schema names, or nothing where it is no file of Azure ML's."""
    found = SCHEMA_LINE.search(text)
    return found["kind"] if found else ""


def text_of(path: Path) -> str:
    """Return a file's text; a byte that is not UTF-8 is shown as such, for the file may be no business of ours."""
    return path.read_text(encoding="utf-8", errors="replace")


def read_document(path: Path, name: str, text: str) -> Document | Finding:
    """Return a YAML file's text as a document, or what is wrong where it is none."""
    try:
        loader = LOADER(text)
        node = loader.get_single_node()
        content = _named(loader.construct_document(node)) if node else None
    except Exception as error:  # PyYAML raises whatever its constructors meet: a date that there is not, no number
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not readable"
        return Finding(name, mark.line + 1 if mark else 1, f"is not YAML ({problem}): mend this line")
    if not isinstance(content, dict) or node is None:
        return Finding(name, 1, f"should be a mapping of keys, is {type(content).__name__}: write `key: value`")
    return Document(path, name, kind_in(text), text, content, node)


def _named(value: Any) -> Any:
    """Return a value with text for each key: what YAML reads as a number or a truth, Azure ML reads as a name."""
    if isinstance(value, dict):
        return {str(key): _named(inner) for key, inner in value.items()}
    return [_named(inner) for inner in value] if isinstance(value, list) else value


def _entry(node: yaml.Node, key: str) -> tuple[int, yaml.Node] | None:
    """Return the line, from 0, and the value of a mapping's key or of a sequence's item."""
    if isinstance(node, yaml.MappingNode):
        return next(((k.start_mark.line, v) for k, v in node.value if k.value == key), None)
    if isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        item = node.value[int(key)]
        return item.start_mark.line, item
    return None
