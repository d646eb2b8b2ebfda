"""Load in a closed loop by wrk, a load generator in C: N connections, each asks again as soon as it is answered.

One thread, one request made once by the Lua script, so that the generator takes as little of the machine as can be;
how much it takes is measured and stands on the page. Source: https://github.com/wg/wrk (SCRIPTING).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import Message

DEBIAN_PACKAGES = ("wrk", "libluajit-5.1-2", "libluajit-5.1-common")
ANSWER_SECONDS = 20  # after which wrk counts a request as failed
SCRIPT = """
local file = io.open({body}, "rb")
wrk.method, wrk.path, wrk.body = "POST", {path}, file:read("*a")
file:close()
{headers}
function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('RESULT {{"requests": %d, "seconds": %.6f, "failures": %d, "p50_ms": %.4f, "p99_ms": %.4f}}',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Wrk:
    """The program, and the environment in which it finds its libraries."""

    program: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Load:
    """What wrk saw: failures are answers over 399, broken connections and time-outs; cpu_seconds are wrk's own."""

    requests: int
    seconds: float
    failures: int
    p50_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Return good answers a second."""
        return (self.requests - self.failures) / self.seconds


def find_wrk(home: Path) -> Wrk:
    """Return wrk from PATH, else from Debian's package unpacked under `home`. Raises BenchmarkError."""
    if found := shutil.which("wrk"):
        return Wrk(Path(found), os.environ)
    program = home / "wrk" / "usr" / "bin" / "wrk"
    if not program.exists():
        _unpack(home / "wrk")
    libraries = home / "wrk" / "usr" / "lib" / f"{platform.machine()}-linux-gnu"
    return Wrk(program, {**os.environ, "LD_LIBRARY_PATH": str(libraries)})


def load(wrk: Wrk, port: int, message: Message, clients: int, seconds: int, scratch: Path) -> Load:
    """Ask for whole seconds over `clients` connections. Raises BenchmarkError where wrk itself fails."""
    scratch.mkdir(parents=True, exist_ok=True)
    script = write_script(message, scratch)
    flags = ["-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", f"{ANSWER_SECONDS}s", "-s", str(script)]
    before = os.times()
    command = [str(wrk.program), *flags, f"http://127.0.0.1:{port}"]
    done = subprocess.run(command, env=dict(wrk.environment), capture_output=True, text=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return parse_result(done, cpu)


def write_script(message: Message, folder: Path) -> Path:
    """Write the Lua script that sends a message over and over, with its body beside it."""
    body, script = folder / "body.bin", folder / "request.lua"
    body.write_bytes(message.body)
    headers = "\n".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in message.headers.items())
    filled = SCRIPT.format(body=_lua(str(body)), path=_lua(message.path), headers=headers)
    script.write_text(filled, encoding="utf-8")
    return script


def _lua(value: str) -> str:
    return json.dumps(value)  # JSON's escapes of plain text are Lua's too


def parse_result(done: subprocess.CompletedProcess[str], cpu_seconds: float) -> Load:
    """Return what wrk's output says. Raises BenchmarkError where it failed or got no answer."""
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise BenchmarkError(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    found = Load(**json.loads(lines[0].removeprefix("RESULT ")), cpu_seconds=cpu_seconds)
    if not found.requests:
        raise BenchmarkError("wrk got no answer at all")
    return found


def _unpack(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", *DEBIAN_PACKAGES], cwd=folder, check=True, capture_output=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise BenchmarkError("wrk: not found: install it (Debian, Ubuntu: apt-get install wrk), run again") from None
