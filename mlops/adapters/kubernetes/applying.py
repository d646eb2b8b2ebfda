"""Applies objects by server-side apply as one field manager, and takes back what people's hands changed, nothing else.

A field that kubectl changed is drift: it is ours again. A field that another controller owns is a conflict, for the
two would fight: it is named, and nothing is forced. But what an autoscaler left behind that is gone is nobody's.

Source: kubernetes.io, "Server-Side Apply".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mlops.adapters.kubernetes.handover import APPLY, keep_replicas, may_take
from mlops.adapters.kubernetes.kinds import Kinds, Object
from mlops.adapters.kubernetes.refusals import Refused
from mlops.errors import TargetError

MANAGER = "visionline"
HANDS = ("kubectl", "visionline")
OWNER = re.compile(r'conflict with "([^"]*)"')


def apply(kinds: Kinds, one: Object) -> Object:
    """Apply an object and return it as it is then. Raises TargetError, naming manager and field, on a conflict."""
    path = kinds.path(one)
    keep_replicas(kinds, one, MANAGER)
    try:
        return _sent(kinds, path, one, is_forced=False)
    except Refused as error:
        conflicts = _conflicts(error)
        if not conflicts:
            raise
        for manager, field in conflicts:
            if not manager.startswith(HANDS) and not may_take(kinds, one, manager, field):
                raise TargetError(_conflict(one, manager, field)) from None
    return _sent(kinds, path, one, is_forced=True)


def delete(kinds: Kinds, one: Object) -> None:
    """Delete an object, if it is there; what belongs to it goes before it."""
    try:
        kinds.cluster.request("DELETE", kinds.path(one), {"propagationPolicy": "Foreground"})
    except Refused as error:
        if error.status != 404:
            raise


def expect_kinds(kinds: Kinds, objects: Iterable[Object]) -> None:
    """Raise TargetError where the cluster lacks the kind of an object: before anything is changed."""
    for one in objects:
        kinds.place(one["apiVersion"], one["kind"])


def _sent(kinds: Kinds, path: str, one: Object, is_forced: bool) -> Object:
    query = {"fieldManager": MANAGER, "force": str(is_forced).lower(), "fieldValidation": "Strict"}
    return dict(kinds.cluster.request("PATCH", path, one, query, APPLY))


def _conflicts(error: Refused) -> list[tuple[str, str]]:
    causes: list[dict[str, Any]] = error.details.get("causes") or []
    found = [(OWNER.search(str(one.get("message"))), str(one.get("field"))) for one in causes]
    return [(owner[1], field) for owner, field in found if owner] if error.status == 409 else []


def _conflict(one: Object, manager: str, field: str) -> str:
    what = f"{one['kind']} {one['metadata']['name']}"
    return f"{what}: field {field} is managed by {manager}: let one of the two manage it, then run the step again"
