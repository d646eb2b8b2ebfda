"""What pipelines keep for each other, as their host knows it: a value, and the port that is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops.records import Origin


@dataclass(frozen=True)
class Kept:
    """What a run of a pipeline kept: its run, its pipeline where the host asks for it, and a mark of its own."""

    run: str
    pipeline: str
    mark: str


class Artifacts(Protocol):
    """Knows what pipelines kept for each other."""

    def newest(self, name: str, origin: Origin, is_trusted: Callable[[str], bool]) -> Kept | None:
        """Return the newest of a name, of this run or of a branch or tag that is trusted; None where there is none.

        Raises StepError where the host refuses.
        """
