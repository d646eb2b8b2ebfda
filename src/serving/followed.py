"""A value that is made of files, and made anew when they change. It knows neither the value nor what it is for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from serving.errors import ServingError

LOOK_SECONDS = 1.0
T = TypeVar("T")
Stamp = tuple[tuple[int, int, int], ...]


@dataclass(eq=False)
class Followed(Generic[T]):
    """The value that `make` makes of `files`; it raises ServingError where it can't, as for a file that is missing.

    `now` may be called for each request: it looks at the files once a second at most. For one thread.
    """

    files: Sequence[Path]
    make: Callable[[], T]
    look_seconds: float = LOOK_SECONDS
    _made: list[T] = field(default_factory=list, repr=False)  # one, or none yet
    _stamp: Stamp | None = None
    _looked: float = float("-inf")
    _complaint: str = ""

    def now(self) -> T:
        """Return the value. Where the files can't be used any more, the one before stays, and stderr says why.

        Raises ServingError where there is none before.
        """
        moment = time.monotonic()
        if moment - self._looked >= self.look_seconds:
            self._looked = moment
            self._look()
        return self._made[0]

    def _look(self) -> None:
        try:
            # Before they are read: what changes in between is seen at the next look.
            stamp = tuple(_stamp(path) for path in self.files)
            if stamp != self._stamp:
                self._made, self._stamp = [self.make()], stamp
            self._complaint = ""
        except ServingError as error:
            if not self._made:
                raise
            self._complain(f"{error}: what it said before stays in force")

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            print(complaint, file=sys.stderr, flush=True)
        self._complaint = complaint


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise ServingError(f"{path}: cannot be read ({error.strerror}): give a file that is there") from None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
