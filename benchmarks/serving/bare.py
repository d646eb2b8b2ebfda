"""Bare ONNX Runtime: a process a client, at most one a core, each decoding and running one image after the other.

No server and no client: what the machine gives to the model alone. Every ratio of the page is a server's answers a
second by these images a second, in the same round.

A child is run as `python -m benchmarks.serving.bare MODEL SIDE BODY`: it says "ready", reads for how many seconds to
loop, and prints its images and its processor seconds as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.peers.scorer import Scorer, open_session

REPOSITORY = Path(__file__).resolve().parents[2]
WARM_UP_RUNS = 5


@dataclass(frozen=True)
class BareLoad:
    """Images a second of all processes together, and the processor milliseconds of one image."""

    rate: float
    cpu_ms: float


def bare(model: Path, side: int, body: Path, clients: int, seconds: float) -> BareLoad:
    """Run the loop for as many clients. Raises BenchmarkError where a process fails."""
    return side_by_side(["benchmarks.serving.bare", str(model), str(side), str(body)], clients, seconds)


def side_by_side(module: list[str], processes: int, seconds: float) -> BareLoad:
    """Run a module's loop, with its arguments, in as many processes, at most one a core. Raises BenchmarkError."""
    command = [sys.executable, "-m", *module]
    children = [_child(command) for _ in range(min(processes, os.cpu_count() or 1))]
    try:
        answers = _race(children, seconds)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    images = sum(answer["images"] for answer in answers)
    cpu = sum(answer["cpu_seconds"] for answer in answers)
    return BareLoad(sum(answer["images"] / answer["seconds"] for answer in answers), 1e3 * cpu / images)


def loop(scorer: Scorer, body: bytes, seconds: float) -> dict[str, float]:
    """Decode and run one image after the other for some seconds."""
    images, cpu, begin = 0, time.process_time(), time.perf_counter()
    end = begin + seconds
    while time.perf_counter() < end:
        scorer.logits(scorer.frames(body))
        images += 1
    return {
        "images": images,
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": time.process_time() - cpu,
    }


def _child(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=pipe, stdout=pipe, text=True)


def _race(children: list[subprocess.Popen[str]], seconds: float) -> list[dict[str, float]]:
    for child in children:
        assert child.stdout is not None
        if child.stdout.readline().strip() != "ready":
            raise BenchmarkError("bare ONNX Runtime did not start: see its error above")
    for child in children:
        assert child.stdin is not None
        child.stdin.write(f"{seconds}\n")
        child.stdin.flush()
    return [json.loads(child.stdout.readline()) for child in children if child.stdout]


def _serve(model: str, side: str, body_file: str) -> None:
    scorer, body = Scorer(open_session(model), (), int(side)), Path(body_file).read_bytes()
    for _ in range(WARM_UP_RUNS):
        scorer.logits(scorer.frames(body))
    print("ready", flush=True)
    print(json.dumps(loop(scorer, body, float(sys.stdin.readline()))), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
