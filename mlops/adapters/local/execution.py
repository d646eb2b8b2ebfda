"""Runs one command to its end under a guard, with its own log file, and passes each new line of the log on.

It knows nothing of pipelines: a command, a folder, an environment, a log. Where `stop` is set, the command is ended.
"""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO

GUARD = Path(__file__).with_name("guard.py")
POLL_SECONDS = 0.05
LAST_LINES = 15
# torchrun reports a worker's failure at length, after what the worker itself said of it.
TORCHRUN_REPORT = "torch/distributed/elastic/multiprocessing/api.py"


@dataclass(frozen=True)
class Launch:
    """What to start: arguments (the first is a program), working folder, environment, log file (it is appended to)."""

    arguments: list[str]
    folder: Path
    environment: dict[str, str]
    log: Path


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code and the last lines that it wrote."""

    code: int
    last_lines: list[str]


def run(launch: Launch, stop: Event, say: Callable[[str], None], held: tuple[int, ...] = ()) -> Ended:
    """Run a command, and all that it starts, to its end, and `say` each line that it writes.

    `held` are file descriptors that stay open until the last of its processes has ended.
    """
    guard = [sys.executable, "-I", "-S", str(GUARD), *launch.arguments]
    with launch.log.open("ab") as output, launch.log.open("rb") as written:
        written.seek(0, 2)
        process = subprocess.Popen(
            guard,
            cwd=launch.folder,
            env=launch.environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt from the terminal is for the runner, which then ends its steps
            pass_fds=held,
        )
        relay = Relay(written, say)
        with process:  # on leaving, by an exception too, hangs up on the guard and waits for it
            while process.poll() is None and not stop.wait(POLL_SECONDS):
                relay.pass_on()
        relay.pass_on(to_the_end=True)
    return Ended(process.returncode, list(relay.last_lines))


@dataclass
class Relay:
    """Passes on what is new in a log, line by line, and remembers the last lines that tell something."""

    log: BinaryIO
    say: Callable[[str], None]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    _rest: bytes = b""
    _is_report: bool = False

    def pass_on(self, to_the_end: bool = False) -> None:
        """Pass on the lines that are whole; at the end the last one too, whole or not."""
        *lines, self._rest = (self._rest + self.log.read()).split(b"\n")
        for line in [*lines, self._rest] if to_the_end else lines:
            self._pass_on(line.decode(errors="replace").rstrip())

    def _pass_on(self, line: str) -> None:
        self._is_report = self._is_report or (TORCHRUN_REPORT in line and "failed (exitcode" in line)
        if line and not self._is_report:
            self.last_lines.append(line)
            self.say(line)
