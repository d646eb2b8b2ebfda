"""What the API server keeps: objects with versions, who owns which field, and what happened, for watches.

It knows nothing of HTTP. Everything that goes wrong is a Refused, whose body is the API's own Status.
"""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubefake.fields import Owners, Path, fields_v1, in_removal_order, leaves, merged, shown, without
from kubefake.kinds import Kind

Object = dict[str, Any]
Key = tuple[str, str, str]  # resource, namespace, name
SCALABLE = ("Deployment", "StatefulSet")
REASONS = {400: "BadRequest", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 410: "Expired", 422: "Invalid"}


class Refused(Exception):
    """What the API server refuses, with its status and its details."""

    def __init__(self, status: int, message: str, details: Object | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "reason": reason or REASONS.get(status, "InternalError"),
            "details": details or {},
            "code": status,
        }


@dataclass
class Store:
    """All objects by resource, namespace and name. `happened` is what watches tell: version, resource, type, object."""

    objects: dict[Key, Object] = field(default_factory=dict)
    owners: dict[Key, Owners] = field(default_factory=dict)
    happened: list[tuple[int, str, str, Object]] = field(default_factory=list)
    oldest: int = 0
    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else read or write meanwhile."""
        with self.changed:
            yield

    @property
    def version(self) -> int:
        """Return the version of what happened last."""
        return self.happened[-1][0] if self.happened else 0

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Return an object. Raises Refused 404."""
        with self.changed:
            found = self.objects.get((kind.resource, namespace, name))
            if found is None:
                details = {"name": name, "group": kind.group, "kind": kind.plural}
                raise Refused(404, f'{kind.resource} "{name}" not found', details)
            return copy.deepcopy(found)

    def list(self, kind: Kind, namespace: str = "") -> list[Object]:
        """Return the objects of a namespace, or of all."""
        with self.changed:
            found = sorted(self.objects.items())
            return [
                copy.deepcopy(one)
                for (resource, where, _), one in found
                if resource == kind.resource and namespace in ("", where)
            ]

    def create(self, kind: Kind, namespace: str, given: Object, manager: str) -> Object:
        """Make an object. Raises Refused 409 where it exists."""
        with self.changed:
            name = given["metadata"]["name"]
            if (kind.resource, namespace, name) in self.objects:
                raise Refused(409, f'{kind.resource} "{name}" already exists', reason="AlreadyExists")
            return self._write(kind, namespace, given, {manager: {path for path, _ in leaves(given)}})

    def replace(self, kind: Kind, namespace: str, given: Object, manager: str) -> Object:
        """Put an object in place of the one that is there. Raises Refused 409 on another resourceVersion."""
        with self.changed:
            name = given["metadata"]["name"]
            live = self.get(kind, namespace, name)
            wanted = given["metadata"].get("resourceVersion")
            if wanted and wanted != live["metadata"]["resourceVersion"]:
                raise Refused(409, f'Operation cannot be fulfilled on {kind.resource} "{name}": it was modified')
            before = dict(leaves(live))
            taken = {path for path, value in leaves(given) if before.get(path, leaves) != value}
            owners = {who: paths - taken for who, paths in self.owners[kind.resource, namespace, name].items()}
            owners[manager] = owners.get(manager, set()) | taken
            return self._write(kind, namespace, given, owners)

    def apply(self, kind: Kind, namespace: str, given: Object, manager: str, is_forced: bool) -> Object:
        """Apply an object for a manager. Raises Refused 409, naming managers and fields, where others own them."""
        with self.changed:
            key = (kind.resource, namespace, given["metadata"]["name"])
            live = self.objects.get(key)
            if live is None:
                return self.create(kind, namespace, given, manager)
            values, owners = dict(leaves(live)), self.owners[key]
            wanted = dict(leaves(given))
            lost = {
                (who, path)
                for who, paths in owners.items()
                for path in paths & set(wanted)
                if who != manager and values.get(path) != wanted[path]
            }
            if lost and not is_forced:
                raise _conflict(kind, sorted(lost))
            owners = {who: paths - {path for one, path in lost if one == who} for who, paths in owners.items()}
            result = merged(live, given)
            others = set().union(*(paths for who, paths in owners.items() if who != manager))
            for path in in_removal_order(owners.get(manager, set()) - set(wanted) - others):
                result = without(result, path)
            return self._write(kind, namespace, result, {**owners, manager: set(wanted)})

    def set_status(self, kind: Kind, namespace: str, name: str, status: Object) -> None:
        """Change an object's status, if it is there and says something else."""
        with self.changed:
            live = self.objects.get((kind.resource, namespace, name))
            if live is not None and live.get("status") != status:
                self._put(kind, namespace, {**live, "status": copy.deepcopy(status)}, "MODIFIED")

    def mark_deleted(self, kind: Kind, namespace: str, name: str) -> Object:
        """Say of an object that it is being deleted."""
        with self.changed:
            live = self.get(kind, namespace, name)
            if "deletionTimestamp" not in live["metadata"]:
                live["metadata"]["deletionTimestamp"] = now()
                self._put(kind, namespace, live, "MODIFIED")
            return live

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Take an object away, if it is there."""
        with self.changed:
            key = (kind.resource, namespace, name)
            gone = self.objects.pop(key, None)
            self.owners.pop(key, None)
            if gone is not None:
                self._tell(kind, gone, "DELETED")

    def forget(self) -> None:
        """Let a watch that begins at what has happened until now be answered with 410."""
        with self.changed:
            self.oldest = next(self._numbers)

    def _write(self, kind: Kind, namespace: str, given: Object, owners: Owners) -> Object:
        key = (kind.resource, namespace, given["metadata"]["name"])
        live = self.objects.get(key)
        made = {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
        kept = {name: live["metadata"][name] for name in made} if live else made
        if live and live.get("spec") != _defaulted(kind, given).get("spec"):
            kept["generation"] += 1
        place = {"namespace": namespace} if kind.is_namespaced else {}
        metadata = {**given["metadata"], **kept, **place, "managedFields": _managed(kind, owners)}
        if live and "deletionTimestamp" in live["metadata"]:
            metadata["deletionTimestamp"] = live["metadata"]["deletionTimestamp"]
        body = {**_defaulted(kind, given), "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        if live and "status" in live:
            body["status"] = live["status"]
        self.owners[key] = {who: paths for who, paths in owners.items() if paths}
        if live and _plain(live) == _plain(body):
            return copy.deepcopy(live)
        return self._put(kind, namespace, body, "MODIFIED" if live else "ADDED")

    def _put(self, kind: Kind, namespace: str, body: Object, type_: str) -> Object:
        body = copy.deepcopy(body)
        self.objects[kind.resource, namespace, body["metadata"]["name"]] = body
        self._tell(kind, body, type_)
        return copy.deepcopy(body)

    def _tell(self, kind: Kind, body: Object, type_: str) -> None:
        number = next(self._numbers)
        body["metadata"]["resourceVersion"] = str(number)
        self.happened.append((number, kind.resource, type_, copy.deepcopy(body)))
        self.changed.notify_all()


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _defaulted(kind: Kind, given: Object) -> Object:
    """Return an object with what the API sets where nobody says it, and what it sets again where nobody does any more.

    Source: kubernetes.io, "Server-Side Apply" (Managers share fields; Transferring ownership).
    """
    if kind.kind not in SCALABLE:
        return given
    return {**given, "spec": {"replicas": 1, **given["spec"]}}


def _plain(body: Object) -> Object:
    hidden = ("managedFields", "resourceVersion")
    return {**body, "metadata": {key: value for key, value in body["metadata"].items() if key not in hidden}}


def _managed(kind: Kind, owners: Owners) -> list[Object]:
    return [
        {
            "manager": who,
            "operation": "Apply",
            "apiVersion": kind.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields_v1(paths),
        }
        for who, paths in sorted(owners.items())
        if paths
    ]


def _conflict(kind: Kind, lost: list[tuple[str, Path]]) -> Refused:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{who}" using {kind.api_version}',
            "field": shown(path),
        }
        for who, path in lost
    ]
    said = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    plural = "conflict" if len(causes) == 1 else "conflicts"
    return Refused(409, f"Apply failed with {len(causes)} {plural}: {said}", {"causes": causes})
