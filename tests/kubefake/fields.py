"""Server-side apply on plain objects: which fields an object has, who owns them, and what an apply makes of both.

Lists that Kubernetes merges by a key are merged by it; every other list is one field, as in the Gateway API.
Source: kubernetes.io, "Server-Side Apply".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

Path = tuple[str, ...]
Owners = dict[str, set[Path]]
# Field -> the key by which Kubernetes merges its list.
KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "conditions": "type",
    "ownerReferences": "uid",
}
IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}
KEPT_BY_SERVER = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp"}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each field of an object with its value, but for what names the object and what the server keeps."""
    if path in IDENTITY or (path[:1] == ("metadata",) and len(path) == 2 and path[1] in KEPT_BY_SERVER):
        return
    parts = list(_parts(value, path))
    if not parts:
        yield path, value
    for name, part in parts:
        yield from leaves(part, (*path, name))


def shown(path: Path) -> str:
    """Return a path as an API server shows it."""
    return "".join(part if part.startswith("[") else f".{part}" for part in path)


def fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """Return fields as managedFields names them: {"f:spec": {"f:replicas": {}}}."""
    found: dict[str, Any] = {}
    for path in paths:
        place = found
        for part in path:
            key, _, value = part.strip("[]").partition("=")
            name = f"k:{json.dumps({key: json.loads(value)})}" if part.startswith("[") else f"f:{part}"
            place = place.setdefault(name, {})
    return found


def merged(live: Any, applied: Any, field: str = "") -> Any:
    """Return the live value with what was applied laid over it."""
    if isinstance(live, dict) and isinstance(applied, dict):
        both = {key: merged(live[key], value, key) if key in live else value for key, value in applied.items()}
        return {**live, **both}
    key = KEYS.get(field)
    if key and isinstance(live, list) and isinstance(applied, list):
        wanted = {item[key]: item for item in applied}
        kept = [merged(item, wanted.pop(item[key])) if item[key] in wanted else item for item in live]
        return kept + list(wanted.values())
    return copy.deepcopy(applied)


def in_removal_order(paths: Iterable[Path]) -> list[Path]:
    """Return fields so that what an item of a list is found by goes after all else of it."""
    return sorted(paths, key=lambda path: (_is_key(path), -len(path), path))


def without(value: Any, path: Path) -> Any:
    """Return the value less one of its fields; containers that this empties go, too."""
    name, rest = path[0], path[1:]
    if isinstance(value, list):
        items = [(item, _named(item, name)) for item in value]
        pruned = [without(item, rest) if found and rest else item for item, found in items if rest or not found]
        return [item for item in pruned if item is not None]
    if not isinstance(value, dict) or name not in value:
        return value
    inner = without(value[name], rest) if rest else None
    kept = {key: part for key, part in value.items() if key != name}
    return {**kept, name: inner} if inner not in (None, {}, []) else kept or None


def put(value: Any, path: Path, content: Any) -> None:
    """Set one field that a path of `leaves` names, or one that is not there yet."""
    for name in path[:-1]:
        value = next(item for item in value if _named(item, name)) if name.startswith("[") else value[name]
    value[path[-1]] = content


def _named(item: Any, name: str) -> bool:
    key, _, wanted = name.strip("[]").partition("=")
    return isinstance(item, dict) and item.get(key) == wanted.strip('"')


def _parts(value: Any, path: Path) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    key = KEYS.get(path[-1]) if path else None
    if key and isinstance(value, list) and all(isinstance(item, dict) and key in item for item in value):
        for item in value:
            yield f'[{key}="{item[key]}"]', item


def _is_key(path: Path) -> bool:
    return len(path) > 2 and path[-2].startswith("[") and KEYS.get(path[-3]) == path[-1]
