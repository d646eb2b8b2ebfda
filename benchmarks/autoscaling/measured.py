"""The figures that the simulation rests on: what one replica scores, and how long one takes to start.

Throughput comes from docs/benchmarks/serving.json, which `make benchmark-serving` measured; the start of the runtime is
measured here: from the start of its process to its first right answer. What a cluster adds to that is stated.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.autoscaling.simulate import Replica
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.messages import Payload
from benchmarks.serving.packages import packages
from benchmarks.serving.processes import wait_until
from benchmarks.serving.records import read, values
from benchmarks.serving.rounds import payload
from benchmarks.serving.servers import OURS, SERVERS, START_SECONDS, Launch, ask, running

CELL = "mobilenetv2-jpeg-8"  # JPEG files of 640x480, decoded and scored
WORKERS = 2  # of that cell, one a core: a replica is one worker and one core
# A detector on 448x448 has four times the pixels of MobileNetV2's 224x224, and so about four times its work.
DETECTOR_COST = 4.0
STARTS = 3
# What a cluster adds where the node has the image. Kubernetes' own objective for a pod's start without the pull is 5 s:
# https://github.com/kubernetes/community/blob/master/sig-scalability/slos/pod_startup_latency.md
SCHEDULE_SECONDS = 5.0
PROBE_SECONDS = 1.0  # readinessProbe.periodSeconds


@dataclass(frozen=True)
class Measured:
    """Frames a second of one core with MobileNetV2, and seconds from a process' start to its first answer."""

    frames_per_second: float
    process_start_seconds: float

    def replica(self) -> Replica:
        """Return the replica that is simulated: of the heavier model, and started by a cluster."""
        seconds = self.process_start_seconds + SCHEDULE_SECONDS + PROBE_SECONDS
        return Replica(self.frames_per_second / DETECTOR_COST, math.ceil(seconds))


def read_throughput(path: Path) -> float:
    """Return the frames a second of one core. Raises BenchmarkError where serving.json has none."""
    rounds = read(path).cells.get(CELL, [])
    found = values(rounds, OURS, "rate")
    if found is None:
        raise BenchmarkError(f"{path}: {CELL} was not measured: run make benchmark-serving first")
    return found.median / WORKERS


def measure_start(home: Path) -> float:
    """Return the median seconds of a few starts of serving.endpoint with one worker, MobileNetV2 loaded."""
    package = packages(home / "models")["mobilenetv2"]
    launch = Launch(package, "fp32", home / "scratch" / "autoscaling", 1)
    return statistics.median(_start(launch, payload(package, "jpeg"), home) for _ in range(STARTS))


def _start(launch: Launch, given: Payload, home: Path) -> float:
    began = time.monotonic()
    with running(SERVERS[0], launch, home) as one:
        asked = one.message(given)
        log = launch.scratch / "server.log"
        wait_until(lambda: ask(one.port, asked)[0] == 200, one.process, log, START_SECONDS)
        return time.monotonic() - began
