"""What a target may do besides serving: ask people before anything changes, and take back what it asked."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Proposer(Protocol):
    """Asks people, as by pull requests. A target that changes things by itself is none."""

    def withdraw(self) -> None:
        """Take back all that still waits for people: the release has ended without it. May be repeated.

        Raises TargetError where that fails: what waits could be agreed to later, and bring a revoked version back.
        """
