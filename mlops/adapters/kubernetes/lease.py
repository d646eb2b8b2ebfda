"""The lock of a release: a Lease in the stage's namespace, renewed by a thread, taken over once it ran out.

Time is the API server's own, as each answer says it: a clock that is wrong here takes no lock away.

Source: kubernetes.io, "Leases"; k8s.io/client-go/tools/leaderelection.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlops.adapters.kubernetes.cluster import Cluster
from mlops.adapters.kubernetes.refusals import Refused, hidden
from mlops.errors import BusyError, StepError, TargetError
from mlops.holder import holder

LEASE_SECONDS = 30
RENEW_SECONDS = 8.0
TAKES = 3
OWN = "#"  # before what is a hold's own, as the fragment of a run's address
API = "/apis/coordination.k8s.io/v1/namespaces"


@dataclass(frozen=True)
class Place:
    """Where a lease is kept: which cluster, in which namespace, by which name."""

    cluster: Cluster
    namespace: str
    name: str

    @property
    def above(self) -> str:
        """Return the path of all leases of the namespace."""
        return f"{API}/{self.namespace}/leases"

    @property
    def path(self) -> str:
        """Return the path of the lease."""
        return f"{self.above}/{self.name}"


class Lease:
    """A lease that a thread renews until it is released."""

    def __init__(self, place: Place) -> None:
        """Take the lease, and renew it from now on. Raises BusyError, naming the holder, where another holds it."""
        self._place = place
        self._held, self._renewed = _taken(place)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lock of {place.namespace}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise TargetError where the lease may be another's by now: nothing may be changed any more."""
        if time.monotonic() - self._renewed > LEASE_SECONDS:
            place = f"{self._place.namespace}/{self._place.name}"
            raise TargetError(f"{place}: the lock was lost, for it could not be renewed: run the step again")

    def release(self) -> None:
        """Give the lease back. Where that fails, it runs out by itself."""
        self._is_over.set()
        self._thread.join()
        with suppress(StepError):
            self._write({key: value for key, value in self._held["spec"].items() if key != "holderIdentity"})

    def _renew(self) -> None:
        while not self._is_over.wait(RENEW_SECONDS):
            started = time.monotonic()
            try:
                self._extend(_time(_now(self._place)))
                self._renewed = started
            except StepError as error:
                if error.status in (404, 409):  # it is another's now, or somebody took it away
                    self._renewed = -float(LEASE_SECONDS)
                    return

    def _extend(self, until: str) -> None:
        spec = {**self._held["spec"], "renewTime": until}
        try:
            self._write(spec)
        except StepError as error:
            found = self._place.cluster.find(self._place.path) if error.status == 409 else None
            if found is None or found["spec"].get("holderIdentity") != spec["holderIdentity"]:
                raise
            self._held = found  # ours all the same: it was written, and the answer got lost
            if found["spec"].get("renewTime") != until:
                self._write(spec)

    def _write(self, spec: dict[str, Any]) -> None:
        self._held = self._place.cluster.request("PUT", self._place.path, {**self._held, "spec": spec})


@contextmanager
def held(place: Place) -> Iterator[Lease]:
    """Hold the lease. Raises BusyError, naming the holder, where another holds it."""
    lease = Lease(place)
    try:
        yield lease
    finally:
        lease.release()


def _taken(place: Place) -> tuple[dict[str, Any], float]:
    """Return the lease that is ours, and when, by the monotonic clock, that was begun.

    A write is repeated while the API is away. One that got through so late that little is left of the lease, which says
    the time from before it, is made anew.
    """
    # Two processes of one pipeline run have one name: what follows it tells a hold from every other.
    identity = f"{holder()}{OWN}{secrets.token_hex(8)}"
    for _ in range(TAKES):
        started, until = time.monotonic(), _time(_now(place))
        found = _written(place, identity, until)
        if found["spec"].get("renewTime") == until and time.monotonic() - started < LEASE_SECONDS / 2:
            return found, started
    raise TargetError(f"{place.namespace}: the API answers too late for a lock to be held: run the step again")


def _written(place: Place, identity: str, until: str) -> dict[str, Any]:
    found = place.cluster.find(place.path)
    if found is not None and found["spec"].get("holderIdentity") != identity and not _is_over(place, found["spec"]):
        raise _busy(place, found["spec"])
    times = {"acquireTime": until, "renewTime": until}
    spec = {"holderIdentity": identity, "leaseDurationSeconds": LEASE_SECONDS, **times}
    body = found or {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": place.name, "namespace": place.namespace},
    }
    method, path = ("PUT", place.path) if found else ("POST", place.above)
    try:
        return dict(place.cluster.request(method, path, {**body, "spec": spec}))
    except Refused as error:
        if error.status != 409:
            raise
        # Somebody was faster; or it was us, and the answer got lost.
        now = place.cluster.request("GET", place.path)
        if now["spec"].get("holderIdentity") == identity:
            return dict(now)
        raise _busy(place, now["spec"]) from None


def _busy(place: Place, spec: dict[str, Any]) -> BusyError:
    who = str(spec.get("holderIdentity") or "another process").rpartition(OWN)
    since = spec.get("acquireTime") or "just now"
    return BusyError(
        f"{place.namespace}: {who[0] or who[2]} is releasing to it since {since}: run again when that has ended"
    )


def _is_over(place: Place, spec: dict[str, Any]) -> bool:
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return True
    try:
        renewed = datetime.fromisoformat(str(spec["renewTime"])).timestamp()
        return _now(place) > renewed + float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
    except (ValueError, TypeError):  # whether its holder is still at work nobody can tell but a person
        told = f"{place.namespace}: Lease {place.name} says no time that can be read ({hidden(str(spec['renewTime']))})"
        raise TargetError(f"{told}: delete it, if no release runs, and run the step again") from None


def _now(place: Place) -> float:
    return place.cluster.ask("GET", "/version").seconds


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
