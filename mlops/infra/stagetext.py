"""Sets values in the text of a stage file, and leaves every other character as it is: comments, order, quotes.

It knows YAML's places (yaml.compose says where each node stands), not what the values mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mlops.errors import ConfigError
from mlops.loading import parse_yaml

INDENT = 2
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9./_-]*")
WORDS = {"null", "true", "false", "yes", "no", "on", "off"}  # a plain one of these would be no text

Key = Sequence[str]
Value = str | int | bool


def with_values(text: str, values: Mapping[tuple[str, ...], Value], where: str) -> str:
    """Return the text of a YAML mapping with each value at its key; keys that are not there come last in their mapping.

    Raises ConfigError, with `where`, on what is no mapping or is written in a way that can't be changed in place.
    """
    changed = text
    for key, value in values.items():
        if at(_load(changed, where), key) != value:
            changed = _with_value(changed, key, value, where)
            if at(_load(changed, where), key) != value:
                raise ConfigError(f"{where}: {'.'.join(key)} can't be set in place: set it by hand to {value}")
    return changed


def at(content: Any, key: Key) -> Any:
    """Return what a loaded mapping holds at a key, or None."""
    for part in key:
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def _load(text: str, where: str) -> Any:
    content = parse_yaml(text, where)
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{where}: should be a mapping of keys, is {type(content).__name__}")
    return content


def _with_value(text: str, key: Key, value: Value, where: str) -> str:
    mapping = yaml.compose(text)
    if not isinstance(mapping, yaml.MappingNode):
        return _ended(text) + _lines(key, value, 0)
    for depth, part in enumerate(key):
        child = _child(mapping, part)
        if child is None:
            return _added(text, mapping, _rest(mapping, key[depth:], value))
        if depth == len(key) - 1 or not isinstance(child, yaml.MappingNode):
            return _replaced(text, child, key[depth + 1 :], value)
        mapping = child
    raise ConfigError(f"{where}: {'.'.join(key)} can't be set in place: set it by hand")


def _child(mapping: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((value for key, value in mapping.value if key.value == name), None)


def _rest(mapping: yaml.MappingNode, key: Key, value: Value) -> str:
    return _flow(key, value) if mapping.flow_style else _lines(key, value, mapping.start_mark.column)


def _added(text: str, mapping: yaml.MappingNode, rest: str) -> str:
    if mapping.flow_style:
        end = mapping.end_mark.index - 1
        return text[:end].rstrip() + (", " if mapping.value else "") + rest + text[end:]
    # A block mapping "ends" where the next thing begins, past comments that belong to that: the last value ends it.
    last = _last_index(mapping)
    end = text.find("\n", last) + 1 or len(text)
    return _ended(text[:end]) + rest + text[end:]


def _last_index(node: yaml.Node) -> int:
    if isinstance(node, yaml.MappingNode) and node.value and not node.flow_style:
        return _last_index(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and node.value and not node.flow_style:
        return _last_index(node.value[-1])
    return int(node.end_mark.index)


def _replaced(text: str, node: yaml.Node, below: Key, value: Value) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    new = "{" + _flow(below, value) + "}" if below else _scalar(value)
    space = " " if text[start - 1 : start] == ":" else ""
    return text[:start] + space + new + text[end:]


def _lines(key: Key, value: Value, column: int) -> str:
    head = "".join(f"{' ' * (column + INDENT * depth)}{part}:\n" for depth, part in enumerate(key[:-1]))
    return f"{head}{' ' * (column + INDENT * (len(key) - 1))}{key[-1]}: {_scalar(value)}\n"


def _flow(key: Key, value: Value) -> str:
    inner = _scalar(value)
    for part in reversed(key[1:]):
        inner = f"{{{part}: {inner}}}"
    return f"{key[0]}: {inner}"


def _scalar(value: Value) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    return value if PLAIN.fullmatch(value) and value.lower() not in WORDS else json.dumps(value)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
