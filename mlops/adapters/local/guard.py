"""Runs one command, and ends it and all that it started as soon as nobody holds the other end of standard input.

    python guard.py COMMAND ...

The runner keeps that end open while it wants the step to go on. Whether it closes it or dies, by whatever signal, the
step ends: SIGTERM to the command, SIGKILL after a while. torchrun's workers have sessions of their own and so escape
their launcher's process group; where the system can (Linux), their orphans come to this process, which ends them.
Standard library only: it is started by path, once a step. Exit code: the command's, 128 + n where signal n ended it.

Source: prctl(2), PR_SET_CHILD_SUBREAPER.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.02
PR_SET_CHILD_SUBREAPER = 36
NOT_FOUND = 127


def main(command: list[str]) -> int:
    """Run the command to its end, or to the hang-up, and leave nothing behind."""
    _adopt_orphans()
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        print(f"{command[0]}: cannot be started ({error.strerror})", file=sys.stderr)
        return NOT_FOUND
    while child.poll() is None and not _hung_up():
        pass
    _end(child)
    _end_orphans()
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _hung_up() -> bool:
    return bool(select.select([sys.stdin], [], [], POLL_SECONDS)[0])


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the command and its group: politely where it still runs."""
    if child.poll() is None:
        _signal_group(child.pid, signal.SIGTERM)
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it (macOS says PermissionError of zombies)


def _end_orphans() -> None:
    """End what the command left running; the orphans of what is ended here come here too, so until none is left."""
    while orphans := _children():
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
            os.waitpid(orphan, 0)


def _children() -> list[int]:
    mine = str(os.getpid())
    processes = [path for path in Path("/proc").glob("[0-9]*/stat")]
    return [int(path.parent.name) for path in processes if _parent(path) == mine]


def _parent(stat: Path) -> str:
    try:
        # proc(5): `pid (name) state ppid ...`; the name may hold spaces and brackets.
        return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
