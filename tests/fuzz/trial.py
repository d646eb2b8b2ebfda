"""One target under fuzzing: feeds it inputs, counts them, and says what should not have been. It makes no inputs."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import RequestError, one_line

MEBIBYTE = 1024 * 1024
# What the process may grow by after a quarter of the inputs. A fuzzer keeps each input that reached something new, so
# it grows a little by itself; a hundred bytes left behind by each of 300,000 inputs show.
GROWTH_MEBIBYTES = 32
SLOW_SECONDS = 5.0  # of CPU, for an input of a few KB


@dataclass(frozen=True)
class Target:
    """What is fuzzed: `feed` takes any bytes and raises nothing but `refusals`.

    `share` of a hundred inputs are its; `words` are what its format is made of; inputs have at most `longest` bytes.
    """

    name: str
    share: int
    feed: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = (RequestError,)
    words: tuple[bytes, ...] = ()
    longest: int = 4096


class Finding(Exception):
    """What should not have been, in one line; it names the file with the input where one input did it."""


@dataclass
class Trial:
    """Calls of one target, `runs` in all. `folder` is where an input that is a finding is written."""

    target: Target
    runs: int
    folder: Path
    count: int = 0
    refused: int = 0
    started: float = field(default_factory=time.monotonic)
    settled: int = 0
    grown: int = 0

    def __call__(self, data: bytes) -> None:
        """Feed one input. Raises Finding: a crash, a refusal that is not one line, or an input that takes too long."""
        begun = time.process_time()
        try:
            self.target.feed(data)
        except self.target.refusals as error:
            self.refused += 1
            if not str(error) or "\n" in str(error):
                raise self._finding(
                    "refusal", f"is refused with {str(error)!r}, which is not one line", data
                ) from error
        except Exception as error:
            raise self._finding("crash", f"raises {one_line(error)}", data) from error
        if time.process_time() - begun > SLOW_SECONDS:
            raise self._finding("slow", f"takes {time.process_time() - begun:.1f} s of CPU", data)
        self.count += 1
        if self.count == max(1, self.runs // 4):
            self.settled = resident_bytes()

    def check_memory(self) -> None:
        """Raise Finding where the last three quarters of the inputs left more behind than GROWTH_MEBIBYTES."""
        self.grown = (resident_bytes() - self.settled) // MEBIBYTE
        if self.grown > GROWTH_MEBIBYTES:
            inputs = self.count - self.runs // 4
            what = f"grew by {self.grown} MB in {inputs} inputs, {GROWTH_MEBIBYTES} are allowed"
            raise Finding(f"{self.target.name}: {what}")

    @property
    def is_done(self) -> bool:
        """Tell whether all inputs were fed."""
        return self.count >= self.runs

    def summary(self) -> str:
        """Return what was done, in one line."""
        seconds = time.monotonic() - self.started
        pace = f"{self.count} inputs in {seconds:.0f} s ({self.count / seconds:.0f} a second)"
        return f"{self.target.name}: {pace}, {self.refused / self.count:.0%} refused, memory {self.grown:+d} MB"

    def _finding(self, kind: str, what: str, data: bytes) -> Finding:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{self.target.name}-{kind}"
        file.write_bytes(data)
        return Finding(f"{self.target.name}: {what}; the input is in {file}")


def resident_bytes() -> int:
    """Return the memory that this process has (Linux)."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
