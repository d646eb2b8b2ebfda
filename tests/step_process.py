"""Runs `python -m mlops` for tests, in processes that are forked from one that has imported the cloud's SDK already.

To import the SDK takes seconds, and tests start steps by the dozen. A forked process is a fair stand-in for a new one:

- It is a process: with a number, an environment, a folder, an output and an exit code of its own. Signals, SIGKILL too,
  reach it alone, and it ends as every Python program ends.
- Of this project the process that it is forked from has imported nothing: the child runs `mlops/__main__.py` from the
  folder and the PYTHONPATH that it is given, in the environment that it is given, and imports from there.
- It is forked from a process of one thread, so no lock is held across the fork.

What it cannot show is that the SDK is imported where it is needed and with the right variables set before. So one
test at least of each step that needs the SDK asks for a `fresh` process: Python started anew, as a shell does it.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 120.0
NUMBER = struct.Struct("i")
# What steps on Azure import of others' code.
WARM = ("azure.ai.ml.entities._load_functions", "azure.identity", "azure.storage.blob", "yaml")
_starting = threading.Lock()


class StepProcess:
    """A step that runs, with the methods of subprocess.Popen that tests use."""

    def __init__(self, arguments: list[str], env: Mapping[str, str], cwd: Path = REPOSITORY) -> None:
        """Start `python -m mlops`. Raises ValueError where it is given what only a fresh process can be."""
        _check_same_start(env)
        self.args = arguments
        self.returncode: int | None = None
        self._out, self._error = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self._minder, theirs = socket.socketpair()
        with theirs, _starting:
            socket.send_fds(_warm()[0], [b"1"], [theirs.fileno(), self._out.fileno(), self._error.fileno()])
        self._minder.sendall(json.dumps({"arguments": arguments, "env": dict(env), "cwd": str(cwd)}).encode())
        self._minder.shutdown(socket.SHUT_WR)
        self.pid = self._heard(DEADLINE_SECONDS)

    def poll(self) -> int | None:
        """Return the exit code, or None where it runs yet."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float = DEADLINE_SECONDS) -> int:
        """Return the exit code; minus the signal where one ended it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self.returncode = self._heard(timeout)
            self._minder.close()
        return self.returncode

    def communicate(self, timeout: float = DEADLINE_SECONDS) -> tuple[str, str]:
        """Return all that it wrote, once it has ended. Raises subprocess.TimeoutExpired."""
        self.wait(timeout)
        texts = []
        for file in (self._out, self._error):
            file.seek(0)
            texts.append(file.read().decode())
            file.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, where it runs yet."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, where it runs yet."""
        self.send_signal(signal.SIGKILL)

    def _heard(self, timeout: float) -> int:
        self._minder.settimeout(timeout)
        try:
            number: int = NUMBER.unpack(self._minder.recv(NUMBER.size))[0]
        except (TimeoutError, BlockingIOError):
            raise subprocess.TimeoutExpired(self.args, timeout) from None
        return number


def run_step(
    *arguments: str, env: Mapping[str, str], cwd: Path = REPOSITORY, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `python -m mlops` to its end. Raises subprocess.TimeoutExpired, the step killed."""
    if fresh:
        line = [sys.executable, "-m", "mlops", *arguments]
        return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    process = StepProcess([*arguments], env, cwd)
    try:
        out, error = process.communicate()
    except BaseException:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.wait(), out, error)


@cache
def _warm() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process that steps are forked from, once, and return the line to it. It ends when this one has."""
    ours, theirs = socket.socketpair()
    line = [sys.executable, str(Path(__file__).resolve()), str(theirs.fileno())]
    # The SDK reads the variable when its bars are imported, and mlops sets it just before.
    env = {**_of_start(os.environ), "TQDM_DISABLE": "1", "PATH": os.environ["PATH"]}
    with theirs:
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(line, env=env, stdin=nothing, stdout=nothing, pass_fds=[theirs.fileno()])
    return ours, process


def _of_start(variables: Mapping[str, str]) -> dict[str, str]:
    # What Python reads before the first line of a program, so that a forked process cannot be given another value.
    names = [name for name in variables if name.startswith(("PYTHON", "LC_", "LANG")) or name == "TZ"]
    return {name: variables[name] for name in names if name != "PYTHONPATH"}


def _check_same_start(env: Mapping[str, str]) -> None:
    if other := sorted(name for name, _ in _of_start(env).items() ^ _of_start(os.environ).items()):
        raise ValueError(f"{other[0]}: a step with another value than pytest's needs a fresh process")


def _fork_steps(orders: socket.socket) -> None:
    """Fork a step for each order. Returns in the step, ready to run; ends the process where no more orders come."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, 1, 3)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            orders.close()
            return _mind(*descriptors)
        for one in descriptors:
            os.close(one)


def _mind(line: int, out: int, error: int) -> None:
    """Fork the step, tell its number and then its exit code, and end; return in the step."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asker = socket.socket(fileno=line)
    order = json.loads(b"".join(iter(lambda: asker.recv(65536), b"")))
    child = os.fork()
    if child:
        asker.sendall(NUMBER.pack(child))
        _, status = os.waitpid(child, 0)
        asker.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os._exit(0)
    asker.close()
    os.dup2(out, 1)
    os.dup2(error, 2)
    os.close(out)
    os.close(error)
    _become(order["arguments"], order["env"], order["cwd"])


def _become(arguments: list[str], env: dict[str, str], cwd: str) -> None:
    """Make this process what Python is when it starts with these."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["-m", *arguments]


def _check_fair() -> None:
    own = [name for name in sys.modules if name.partition(".")[0] in ("mlops", "modelpackage")]
    if threading.active_count() > 1 or own:
        raise RuntimeError(f"not to be forked from: {threading.active_count()} threads, imported {own}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which says what shall end
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that mind a step
    del sys.path[0]  # the folder of this file, which is not where a step imports from
    for module in WARM:
        import_module(module)
    _check_fair()
    gc.freeze()
    _fork_steps(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("mlops", run_name="__main__", alter_sys=True)
