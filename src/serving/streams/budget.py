"""Shares a number per hour fairly among reasons. It knows no frame and no clock of its own.

Each reason earns an equal part, evenly over the hour, so that one which is frequent leaves room for one which is rare.
A reason that has no use for its part saves up a little, and what it would earn beyond goes to the others. What can be
saved is not earned, so that an hour which begins with savings still has no more than its number. Its account says what
is left, for a process that goes on where another one ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HOUR_SECONDS = 3600.0
SAVED_SHARE = 0.1  # of the hour's number: what all reasons together may save, and so spend at once
LEAST_SHARE = 0.5  # of the hour's number: what is earned even where one saved for each reason is more than the rest


@dataclass(frozen=True)
class Account:
    """What a budget has left at one moment: what each reason saved, and how many seconds ago each one was taken."""

    saved: Mapping[str, float]
    taken: Sequence[float]


class Budget:
    """So many an hour, and never more within any hour. Times are seconds of one clock, and never go back."""

    def __init__(self, per_hour: int, reasons: Sequence[str], now: float) -> None:
        """Begin with all saved that may be."""
        self._most = max(1.0, per_hour * SAVED_SHARE / len(reasons))
        self._rate = max(per_hour - self._most * len(reasons), per_hour * LEAST_SHARE) / HOUR_SECONDS
        self._saved = dict.fromkeys(reasons, self._most)
        self._at = now
        self._taken: deque[float] = deque(maxlen=per_hour)

    def take(self, reason: str, now: float) -> bool:
        """Take one for a reason, and tell whether there was one."""
        self._earn(now)
        is_spent = len(self._taken) == self._taken.maxlen
        if self._saved[reason] < 1 or is_spent and (not self._taken or now - self._taken[0] < HOUR_SECONDS):
            return False
        self._saved[reason] -= 1
        self._taken.append(now)
        return True

    def account(self, now: float) -> Account:
        """Return what is left."""
        self._earn(now)
        ages = (int(now - taken) for taken in self._taken)  # whole seconds: later than it was, never earlier
        return Account(dict(self._saved), [age for age in ages if age < HOUR_SECONDS])

    def resume(self, account: Account, ago: float, now: float) -> None:
        """Go on with what was left some seconds ago; what is of other reasons or over the number is left out."""
        self._at = now - ago
        self._saved = {reason: min(account.saved.get(reason, 0.0), self._most) for reason in self._saved}
        self._taken.extend(self._at - age for age in account.taken)

    def _earn(self, now: float) -> None:
        earned, self._at = (now - self._at) * self._rate, now
        while earned > 1e-9 and (poor := [reason for reason, saved in self._saved.items() if saved < self._most]):
            part = earned / len(poor)
            for reason in poor:
                got = min(part, self._most - self._saved[reason])
                self._saved[reason] += got
                earned -= got
