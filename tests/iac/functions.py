"""The functions of both languages that this repository's files use; a file that uses another one is told so."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from iac.values import Symbol, Unresolved, text_of

Table = dict[str, Callable[..., Any]]


def terraform(folder: Path) -> Table:
    """Return Terraform's functions for the files of a folder."""
    return {
        **SHARED,
        "merge": lambda *maps: {key: value for one in maps for key, value in (one or {}).items()},
        "contains": lambda items, one: one in items,
        "length": len,
        "range": lambda *limits: list(range(*limits)),
        "lower": lambda text: text.lower(),
        "upper": lambda text: text.upper(),
        "title": lambda text: text.title(),
        "toset": lambda items: sorted(set(items)),
        "tolist": list,
        "tomap": dict,
        "tostring": text_of,
        "tonumber": lambda one: int(one),
        "lookup": lambda one, key, default=None: one.get(key, default),
        "join": lambda joint, items: joint.join(map(text_of, items)),
        "split": lambda joint, text: text.split(joint),
        "compact": lambda items: [item for item in items if item not in (None, "")],
        "one": lambda items: _one(list(items)),
        "keys": lambda one: sorted(one),
        "values": lambda one: [one[key] for key in sorted(one)],
        "flatten": _flat,
        "distinct": lambda items: list(dict.fromkeys(items)),
        "sort": sorted,
        "zipmap": lambda keys, values: dict(zip(keys, values, strict=True)),
        "file": lambda path: Path(path).read_text(encoding="utf-8"),
        "fileexists": lambda path: Path(path).is_file(),
        "fileset": lambda path, pattern: sorted(p.relative_to(path).as_posix() for p in Path(path).glob(pattern)),
        "yamldecode": yaml.safe_load,
        "jsondecode": json.loads,
        "jsonencode": lambda one: json.dumps(one, sort_keys=True),
        "cidrsubnet": _subnet,
        "startswith": lambda text, start: text.startswith(start),
        "endswith": lambda text, end: text.endswith(end),
        "strcontains": lambda text, part: part in text,
        "substr": lambda text, at, count: text[at : at + count],
        "regex": _match,
        "alltrue": all,
        "anytrue": any,
        "abspath": lambda path: str((folder / path).resolve()),
        "uuidv5": lambda *parts: Symbol(f"uuid of {', '.join(map(text_of, parts))}"),
        "trimspace": lambda text: text.strip(),
        "trimsuffix": lambda text, end: text.removesuffix(end),
        "trimprefix": lambda text, start: text.removeprefix(start),
        "basename": lambda path: Path(path).name,
        "setproduct": lambda *sets: [list(pair) for pair in _product(sets)],
        "sha1": lambda text: Symbol(f"sha1 of {text}"),
        "timestamp": lambda: Symbol("now"),
    }


def bicep(folder: Path, group: Callable[[], str]) -> Table:
    """Return Bicep's functions for a file in a folder, deployed to a resource group whose name `group` tells."""

    def load(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    def resource_group(name: str | None = None) -> dict[str, Any]:
        named = name or group()
        return {"id": f"Microsoft.Resources/resourceGroups/{named}", "name": named, "location": Symbol("location")}

    return {
        **SHARED,
        "union": _union,
        "contains": lambda items, one: one in items,
        "empty": lambda one: not one,
        "length": len,
        "range": lambda first, count: list(range(first, first + count)),
        "toLower": lambda text: text.lower(),
        "toUpper": lambda text: text.upper(),
        "take": lambda one, count: one[:count],
        "skip": lambda one, count: one[count:],
        "first": lambda one: one[0],
        "last": lambda one: one[-1],
        "substring": lambda text, at, count: text[at : at + count],
        "guid": lambda *parts: Symbol(f"guid of {', '.join(map(text_of, parts))}"),
        "uniqueString": lambda *parts: Symbol(f"hash of {', '.join(map(text_of, parts))}"),
        "subscription": lambda: {"id": "/subscriptions/<subscription>", "subscriptionId": Symbol("subscription")},
        "tenant": lambda: {"tenantId": Symbol("tenant")},
        "environment": lambda: {"suffixes": {"storage": "core.windows.net"}, "name": "AzureCloud"},
        "deployment": lambda: {"name": Symbol("deployment"), "location": Symbol("location")},
        "resourceGroup": resource_group,
        "subscriptionResourceId": lambda kind, *names: f"{kind}/{'/'.join(names)}",
        "resourceId": _resource_id,
        "filter": lambda items, test: [item for item in items if test(item)],
        "map": lambda items, make: [make(item) for item in items],
        "reduce": _reduced,
        "toObject": lambda items, key, value=lambda one: one: {key(item): value(item) for item in items},
        "items": lambda one: [{"key": key, "value": one[key]} for key in sorted(one)],
        "objectKeys": lambda one: sorted(one),
        "flatten": _flat,
        "loadYamlContent": lambda name: yaml.safe_load(load(name)),
        "loadJsonContent": lambda name: json.loads(load(name)),
        "loadTextContent": load,
        "cidrSubnet": lambda network, bits, index: _at_length(network, bits, index),
        "split": lambda text, joint: text.split(joint),
        "join": lambda items, joint: joint.join(map(text_of, items)),
        "startsWith": lambda text, start: text.startswith(start),
        "endsWith": lambda text, end: text.endswith(end),
        "string": lambda one: json.dumps(one, sort_keys=True) if isinstance(one, dict | list) else text_of(one),
        "int": lambda one: int(one),
        "bool": lambda one: one in (True, "true"),
        "json": json.loads,
        "array": lambda one: one if isinstance(one, list) else [one],
        "sort": lambda items, less: sorted(items),
        "intersection": lambda one, *others: [item for item in one if all(item in other for other in others)],
        "any": lambda one: one,
        "trim": lambda text: text.strip(),
        "utcNow": lambda form="": Symbol("now"),
    }


def _one(items: list[Any]) -> Any:
    if len(items) > 1:
        raise Unresolved(f"one() of {len(items)} items")
    return items[0] if items else None


def _flat(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in (_flat(item) if isinstance(item, list) else [item])]


def _product(sets: tuple[list[Any], ...]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [()]
    for items in sets:
        rows = [(*row, item) for row in rows for item in items]
    return rows


def _concat(*parts: Any) -> Any:
    return "".join(map(text_of, parts)) if any(isinstance(part, str) for part in parts) else sum(parts, [])


def _union(first: Any, *others: Any) -> Any:
    for other in others:
        if isinstance(first, Mapping):
            first = {**first, **{key: _inner(first.get(key), value) for key, value in other.items()}}
        else:
            first = [*first, *(item for item in other if item not in first)]
    return first


def _inner(old: Any, new: Any) -> Any:
    return _union(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new


def _reduced(items: list[Any], start: Any, step: Callable[..., Any]) -> Any:
    for item in items:
        start = step(start, item)
    return start


def _resource_id(*parts: str) -> str:
    at = next(index for index, part in enumerate(parts) if "/" in part)
    namespace, *kinds = parts[at].split("/")
    pairs = zip(kinds, parts[at + 1 :], strict=True)
    return "/".join([namespace, *(f"{kind}/{name}" for kind, name in pairs)])


def _subnet(network: str, bits: int, index: int) -> str:
    return _at_length(network, ipaddress.ip_network(network).prefixlen + bits, index)


def _at_length(network: str, length: int, index: int) -> str:
    whole = ipaddress.ip_network(network)
    size = 2 ** (whole.max_prefixlen - length)
    first = whole.network_address + index * size
    if first not in whole:
        raise Unresolved(f"{network} has no part {index} of {length} bits")
    return f"{first}/{length}"


def _match(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if not found:
        raise Unresolved(f"{text!r} is not as {pattern} says")
    return found[0]


def _format(pattern: str, *values: Any) -> str:
    if "{0}" in pattern:
        return pattern.format(*map(text_of, values))
    return re.sub(r"%[sdvq]", "%s", pattern) % tuple(map(text_of, values))


SHARED: Table = {
    "concat": _concat,
    "coalesce": lambda *items: next((item for item in items if item not in (None, "")), None),
    "replace": lambda text, old, new: text.replace(old, new),
    "format": _format,
    "max": max,
    "min": min,
}
