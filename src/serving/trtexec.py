"""Asks NVIDIA's own commands which GPU, driver and TensorRT are here, and to build and run an engine. No judgement.

Sources: nvidia-smi --help-query-gpu; TensorRT's samples/trtexec/README.md and its --help.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.errors import ServingError

QUERY = ("nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader", "--id=0")
BANNER = re.compile(r"\[TensorRT v(\d+)\]")  # trtexec's first line, whatever it is asked
LINES = 4
LONGEST_SECONDS = 1800.0  # of one command: a driver that hangs must not keep ONNX Runtime from serving


@dataclass(frozen=True)
class Machine:
    """The GPU that engines are built for here, as nvidia-smi and trtexec tell it."""

    gpu: str
    architecture: str  # compute capability, as 9.0
    driver: str
    tensorrt: str


@dataclass(frozen=True)
class Timed:
    """What an engine answered for frames, and the seconds that a run of them took: the median, transfers included."""

    logits: NDArray[np.float32]
    seconds: float


def machine() -> Machine:
    """Return what is here. Raises ServingError without a GPU, its driver or TensorRT."""
    told = [field.strip() for field in _run(QUERY).splitlines()[0].split(",")]
    if len(told) != 3:
        raise ServingError(f"nvidia-smi told {told} instead of name, compute capability and driver")
    found = BANNER.search(_run(("trtexec", "--help")))
    if found is None:
        raise ServingError("trtexec does not tell TensorRT's version in its first line")
    return Machine(told[0], told[1], told[2], found[1])


def build(onnx: Path, plan: Path, shapes: Sequence[str], precision: str) -> None:
    """Build an engine for [smallest, best, largest] shapes, as frames:1x28x28x3. Raises ServingError."""
    profile = [f"--{which}Shapes={shape}" for which, shape in zip(("min", "opt", "max"), shapes, strict=True)]
    exact = [] if precision == "fp32" else [f"--{precision}"]
    _run(("trtexec", f"--onnx={onnx}", f"--saveEngine={plan}", *profile, *exact, "--skipInference"))


def run(plan: Path, name: str, frames: NDArray[np.uint8], output: str, scratch: Path) -> Timed:
    """Run an engine on frames and return what it answered. Raises ServingError."""
    given, answered, times = scratch / "frames.bin", scratch / "output.json", scratch / "times.json"
    given.write_bytes(frames.tobytes())
    shape = f"{name}:{'x'.join(str(size) for size in frames.shape)}"
    told = [f"--shapes={shape}", f"--loadInputs={name}:{given}", "--iterations=100", "--warmUp=200", "--duration=0"]
    _run(("trtexec", f"--loadEngine={plan}", *told, f"--exportOutput={answered}", f"--exportTimes={times}"))
    try:
        outputs = {one["name"]: one for one in json.loads(answered.read_bytes())}
        sizes = [int(size) for size in outputs[output]["dimensions"].split("x")]
        logits = np.array(outputs[output]["values"], np.float32).reshape(sizes)
        latencies = [float(one["latencyMs"]) for one in json.loads(times.read_bytes())]
        return Timed(logits, float(np.median(latencies)) / 1000)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(f"trtexec wrote something else than results: {error!r}") from None


def _run(command: Sequence[str]) -> str:
    try:
        ended = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ServingError(f"{command[0]} {command[1]}: did not end within {LONGEST_SECONDS:g} s") from None
    except OSError as error:
        raise ServingError(
            f"{command[0]} cannot be run ({error.strerror}): it is part of the image of Triton"
        ) from None
    if ended.returncode:
        last = " | ".join(line.strip() for line in ended.stdout.strip().splitlines()[-LINES:])
        raise ServingError(f"{command[0]} {command[1]}: {last or f'exit code {ended.returncode}'}")
    return ended.stdout
