"""A server's processes, read from Linux's /proc: which they are, the processor time and the memory that they took.

It knows no server: a tree is a process, its descendants, and whatever else is in the session that it leads.
Source: the man page proc(5), fields of /proc/PID/stat and /proc/PID/smaps_rollup.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
END_SECONDS = 10.0
SETTLE_SECONDS = 0.05
IDLE_SECONDS, IDLE_SHARE = 0.1, 0.25
LAST_LINES = 12


@dataclass(frozen=True)
class Stat:
    """A process: its parent, its session, and processor seconds, its own with those of the children it waited for."""

    pid: int
    state: str
    parent: int
    session: int
    seconds: float


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a session, its output going to a file."""
    with log.open("wb") as output:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started: SIGTERM first, SIGKILL to those that are still there."""
    members = tree(process.pid)
    _signal([process.pid], signal.SIGTERM)
    _wait_for_end(lambda: process.poll() is not None)
    members = sorted({*members, *tree(process.pid)})
    _signal(members, signal.SIGKILL)
    process.wait()
    _wait_for_end(lambda: not alive(members))


def pause(pid: int) -> None:
    """Stop a tree once it has nothing more to do: its head first, which so misses nobody.

    A load that ends leaves requests behind; a server that was stopped amid one would see an inference of half a minute.
    """
    _wait_for_end(lambda: _is_idle(pid))
    _signal([pid, *tree(pid)], signal.SIGSTOP)


def resume(pid: int) -> None:
    """Let a tree go on: its head last, which so finds everybody awake when it looks after them."""
    members = tree(pid)
    _signal([member for member in members if member != pid], signal.SIGCONT)
    time.sleep(SETTLE_SECONDS)
    _signal([pid], signal.SIGCONT)
    time.sleep(SETTLE_SECONDS)


def tree(pid: int) -> list[int]:
    """Return the ids of a process, of its descendants and of the others in its session; [] where there are none."""
    stats = _stats()
    members = {one.pid for one in stats.values() if one.session == pid or one.pid == pid}
    while found := {one.pid for one in stats.values() if one.parent in members} - members:
        members |= found
    return sorted(members)


def alive(pids: Sequence[int]) -> list[int]:
    """Return those of the processes that run, or could: ended ones that nobody has waited for are left out."""
    stats = _stats()
    return [pid for pid in pids if pid in stats and stats[pid].state != "Z"]


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds, user's and system's, that a tree has taken so far."""
    stats = _stats()
    return sum(stats[member].seconds for member in tree(pid) if member in stats)


def shared_out_memory(pid: int) -> float:
    """Return the PSS of a tree in MB: its own pages, and its part of those shared with others."""
    return sum(memory_of(member) for member in tree(pid))


def memory_of(pid: int) -> float:
    """Return the PSS of one process in MB."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    """Return once `ready` is true. Raises BenchmarkError, with the log's end, where the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise BenchmarkError(f"ended with {process.returncode} before it answered: {last_words(log)}")
        if time.monotonic() > deadline:
            raise BenchmarkError(f"did not answer within {seconds:.0f} s: {last_words(log)}")
        time.sleep(0.05)


def last_words(log: Path) -> str:
    """Return the end of a log in one line."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return " / ".join(line.strip() for line in lines[-LAST_LINES:] if line.strip())[-900:]


def _wait_for_end(has_ended: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not has_ended() and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_idle(pid: int) -> bool:
    before = cpu_seconds(pid)
    time.sleep(IDLE_SECONDS)
    return cpu_seconds(pid) - before <= IDLE_SHARE * IDLE_SECONDS


def _stats() -> dict[int, Stat]:
    found = (_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return {one.pid: one for one in found if one}


def _stat(pid: int) -> Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended meanwhile
        return None
    fields = text.rpartition(")")[2].split()  # the command's name, in parentheses, may hold anything
    return Stat(pid, fields[0], int(fields[1]), int(fields[3]), sum(map(int, fields[11:15])) / TICKS)


def _signal(pids: Sequence[int] | set[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
