"""One release at a time to a stage: a ref of the GitOps repository, which no branch and no Flux looks at.

The ref is made, renewed and taken over by pushes that only move it forward from where it was seen, so of two that try
one is refused. Its commit says who holds it and until when; a release that was killed holds it for LEASE_SECONDS.

No machine's clock decides who holds it. What a commit says of its end only tells whether to wait at all: a lock that
seems to have run out is taken over once its commit was seen unchanged for LEASE_SECONDS, by this process's own
monotonic clock, in which time a holder that lives renews it.

Sources: git-scm.com/docs/git-push: what is no fast-forward is refused; pkg.go.dev/k8s.io/client-go/tools/leaderelection
(clock skew: a lease is expired when it was not seen to change for its time).
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from mlops.adapters.flux.git import Git, Overtaken
from mlops.errors import BusyError, TargetError
from mlops.holder import holder
from mlops.rest import persistently

LEASE_SECONDS = 180.0
RENEW_SECONDS = 45.0
LOOK_SECONDS = 15.0  # between two looks at a lock that seems to have run out
TAKES = 3
NAMED = 12  # hexadecimal digits of the folder


def lock_ref(stage: str, folder: str) -> str:
    """Return the ref that is a stage's lock: a repository may hold folders of other projects whose stages are so named.

    It is no folder of the stage's name: git would not make it where a ref of that name is still there.
    """
    return f"refs/visionline/locks/{stage}-{hashlib.sha256(folder.encode()).hexdigest()[:NAMED]}"


class RunOut(Exception):
    """Another's lock seems to have run out, by a clock that may not be ours. `commit`: where the lock is."""

    def __init__(self, commit: str) -> None:
        """Keep the commit."""
        super().__init__(commit)
        self.commit = commit


@dataclass(frozen=True)
class Claim:
    """A hold on the lock of a stage and its folder, or the try to get one: `nonce` tells it from all others."""

    git: Git
    stage: str
    folder: str
    nonce: str
    since: str

    @property
    def ref(self) -> str:
        """Return the lock's ref."""
        return lock_ref(self.stage, self.folder)

    def take(self, dead: str | None = None) -> str:
        """Return the commit that the lock is at since it is ours; `dead` is a holder's last one, which may go.

        Raises BusyError where it is another's, and RunOut where that one seems to have run out.
        """
        there = self.git.fetch(self.ref)
        said = self.git.message(there) if there else ""
        if there and _said(said, "nonce") == self.nonce:
            return there  # the answer to our push got lost
        if there and there != dead and _until(said):
            # One that ends later than a lease can was written by another clock: only its renewals tell.
            raise self._busy(said) if 0.0 < _until(said) - time.time() <= LEASE_SECONDS else RunOut(there)
        return self._push(there)

    def watched(self, there: str) -> str:
        """Return a commit of the lock that did not change for a lease. Raises BusyError where somebody renewed it."""
        deadline = monotonic() + LEASE_SECONDS
        while (left := deadline - monotonic()) > 0:
            sleep(min(LOOK_SECONDS, left))
            now = self.git.fetch(self.ref)
            if now not in (None, there):
                raise self._busy(self.git.message(str(now)))
        return there

    def renew(self, commit: str) -> str:
        """Move the lock's end on and return its commit. Raises Overtaken where it is another's by now."""
        try:
            return self._push(commit)
        except Overtaken:
            return self._ours()

    def give_back(self) -> None:
        """Take the ref away. Raises Overtaken where it is another's by now."""
        self.git.delete(self.ref, self._ours())

    def _busy(self, said: str) -> BusyError:
        who, since = _said(said, "holder"), _said(said, "since")
        return BusyError(f"{self.stage}: {who} is releasing to it since {since}: run again when that has ended")

    def _ours(self) -> str:
        there = self.git.fetch(self.ref)
        if there is None or _said(self.git.message(there), "nonce") != self.nonce:
            raise Overtaken(self.ref)
        return there

    def _push(self, on: str | None) -> str:
        commit = self.git.commit(on, self._message(), {})
        self.git.push(commit, self.ref)
        return commit

    def _message(self) -> str:
        until = int(time.time() + LEASE_SECONDS)  # down: to the others a lease must not look too long
        lines = {"holder": holder(), "since": self.since, "until": until, "nonce": self.nonce}
        return "visionline lock\n\n" + "".join(f"{key}: {value}\n" for key, value in lines.items())


class Lease:
    """A lock that is held: a thread renews it until it is released."""

    def __init__(self, claim: Claim) -> None:
        """Take the lock, and renew it from now on. Raises BusyError naming the holder, where it is held already."""
        self._claim = claim
        self._commit, self._renewed = _taken(claim)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lock of {claim.stage}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise TargetError where the lock may be another's by now: nothing may be changed any more."""
        if monotonic() - self._renewed > LEASE_SECONDS:
            raise TargetError(f"{self._claim.stage}: the lock was lost, for it was not renewed: run the step again")

    def release(self) -> None:
        """Give the lock back. Where that fails, it runs out by itself."""
        self._is_over.set()
        self._thread.join()
        with suppress(TargetError, Overtaken):
            persistently(self._claim.give_back)

    def _renew(self) -> None:
        while not self._is_over.wait(RENEW_SECONDS):
            started = monotonic()
            try:
                self._commit = self._claim.renew(self._commit)
                self._renewed = started
            except Overtaken:
                self._renewed = -float("inf")
                return
            except TargetError:
                pass  # until the next try succeeds, or the lock runs out


@contextmanager
def held(git: Git, stage: str, folder: str) -> Iterator[Lease]:
    """Hold the lock of a stage and its folder. Raises BusyError, naming the holder, where it is held already."""
    with tempfile.TemporaryDirectory(prefix="visionline-lock-") as place:
        own = replace(git, folder=Path(place))
        own.create()
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        lease = Lease(Claim(own, stage, folder, secrets.token_hex(8), since))
        try:
            yield lease
        finally:
            lease.release()


def _taken(claim: Claim) -> tuple[str, float]:
    """Return the commit by which the lock is ours, and when, by the monotonic clock, that was begun."""
    dead: list[str] = []
    for _ in range(TAKES):
        started = monotonic()
        try:
            return persistently(partial(claim.take, *dead)), started
        except RunOut as found:
            dead = [persistently(partial(claim.watched, found.commit))]
        except Overtaken:
            continue
    raise BusyError(f"{claim.stage}: others take the lock, too: run again in a while")


def _until(message: str) -> float:
    text = _said(message, "until")
    return float(text) if text.isdigit() else 0.0


def _said(message: str, key: str) -> str:
    found = (line.partition(": ")[2] for line in message.splitlines() if line.startswith(f"{key}: "))
    return next(found, "").strip()
