"""Video streams: our engine against a bare loop of decode, convert and run on the same clip.

Two questions for each number of streams. As fast as it goes (`pace: none`, nothing lost): frames a second, by the bare
loop's in the same round. At 25 frames a second, as cameras send them: how old a result is, and how many frames are
scored. The figures are read from the engine's own results, one JSON line a frame.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.serving.bare import side_by_side
from benchmarks.serving.cells import STREAM_COUNTS, STREAM_RATE
from benchmarks.serving.clip import FRAMES, find_clip, lengthen
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.packages import Package
from benchmarks.serving.processes import last_words, start, stop
from benchmarks.serving.records import BARE
from benchmarks.serving.rounds import Bench
from benchmarks.serving.servers import ONE_THREAD, OURS, REPOSITORY

VARIANT = "fp32"
FRAMES_AT_LEAST = 2000  # of all streams together, in the run that is as fast as it goes
BARE_SECONDS, END_SECONDS = 3.0, 60.0
ROUNDS = 3


@dataclass(frozen=True)
class Scored:
    """Of each frame that was scored: when it left the decoder, epoch seconds, and how old its result was, ms."""

    captured: np.ndarray
    ages: np.ndarray
    cpu_seconds: float

    def rate(self) -> float:
        """Return frames a second between the first result and the last."""
        done = self.captured + self.ages / 1e3
        return (len(done) - 1) / float(done.max() - done.min())


def streams(bench: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    """Return, for each number of streams, rounds as fast as it goes and one run at the cameras' pace."""
    clip = find_clip(bench.home)
    measured = {}
    for count in STREAM_COUNTS:
        rounds = [_round(bench, clip, count) for _ in range(min(bench.rounds, ROUNDS))]
        paced = _paced(bench, clip, count)
        measured[str(count)] = {"rounds": rounds, "paced": paced}
        say(f"streams {count}: {[round(one[OURS]['rate'] / one[BARE]['rate'], 2) for one in rounds]} {paced}")
    return {"clip": clip.name, "counts": measured}


def write_config(path: Path, package: Package, clip: Path, count: int, pace: str) -> None:
    """Write the streams.yaml of `count` streams that all play one clip."""
    model = {"package": str(package.folder), "digest": package.digest, "variant": VARIANT}
    sources = [{"name": f"camera-{number}", "source": str(clip), "pace": pace} for number in range(count)]
    sinks = [{"kind": "jsonl", "path": str(path.parent / "results.jsonl")}]
    content = {"model": model, "out": str(path.parent / "out"), "streams": sources, "sinks": sinks}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def read_results(path: Path, cpu_seconds: float) -> Scored:
    """Return what a run wrote. Raises BenchmarkError where it scored fewer than two frames."""
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()) if path.exists() else ()
    found = [(line["captured"], line["age_ms"]) for line in lines if line["kind"] == "result"]
    if len(found) < 2:
        raise BenchmarkError(f"{path}: holds {len(found)} results: the stream engine did not run")
    captured, ages = np.array(found).T
    return Scored(captured, ages, cpu_seconds)


def _round(bench: Bench, clip: Path, count: int) -> dict[str, dict[str, float]]:
    package = bench.packages["tiny"]
    loop = ["benchmarks.serving.barestream", str(package.file(VARIANT)), str(clip)]
    bare = side_by_side(loop, count, BARE_SECONDS)
    times = -(-FRAMES_AT_LEAST // (FRAMES * count))
    done = _engine(bench, lengthen(clip, bench.home / "clips", times), count, "none")
    ours = {"rate": done.rate(), "cpu_ms": 1e3 * done.cpu_seconds / len(done.ages)}
    return {BARE: {"rate": bare.rate, "cpu_ms": bare.cpu_ms}, OURS: ours}


def _paced(bench: Bench, clip: Path, count: int) -> dict[str, float]:
    done = _engine(bench, clip, count, "source")
    p50, p99 = np.quantile(done.ages, (0.5, 0.99))
    offered = count * FRAMES
    return {
        "offered_fps": float(count * STREAM_RATE),
        "scored_share": len(done.ages) / offered,
        "age_p50_ms": float(p50),
        "age_p99_ms": float(p99),
        "cores_busy": done.cpu_seconds / (FRAMES / STREAM_RATE),
    }


def _engine(bench: Bench, clip: Path, count: int, pace: str) -> Scored:
    folder = bench.home / "scratch" / "streams"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_config(folder / "streams.yaml", bench.packages["tiny"], clip, count, pace)
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "serving.stream", "--config", str(folder / "streams.yaml")]
    before = os.times()
    process = start(command, environment, folder / "log")
    _wait(process, folder / "log")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return read_results(folder / "results.jsonl", cpu)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if process.poll() is None:
        stop(process)
    elif process.returncode:
        raise BenchmarkError(f"the stream engine ended with {process.returncode}: {last_words(log)}")
