"""Builds a TensorRT engine where it will run, judges it against ONNX Runtime, and writes Triton's model repository.

To be run before Triton starts, in the image of environments/triton, on the node's own GPU. The engine stands in for the
released variant on ONNX Runtime. So it is used if it says what the package's golden.json says of that variant, as a
release asks too, and is faster than that variant on ONNX Runtime and one thread. Else that variant serves on ONNX
Runtime, and OUT/engine.json says why.

It is built from the fp32 variant, whichever is released: TensorRT takes no INT8 whose activations are unsigned. Where
int8 is released and its scores are off by more than is allowed, no engine is used: release fp32 to such a stage.

A verdict is kept with the engine. A build that fails, as where another process has the GPU's memory, is tried again at
the next start. Where engines can't be kept, none is used.

    python -m serving.tensorrt --package /models/MODEL/7 --version 7 --variant fp32 --cache /engines --out /repository
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelpackage import PackageError, digest_json, open_package, package_digest
from serving import enginecache, trtexec
from serving.enginecache import PLAN, Judged, Key
from serving.errors import ServingError, exit_code, one_line
from serving.files import write_json
from serving.model import Model, load_model, softmax
from serving.triton import Wanted, variant_of, write_repository

GOLDEN_FILE = "golden.json"
SMALLEST_FRAME = 28
LARGEST_FRAME = (1080, 1920)
BATCH = 32
SOURCE = "fp32"
PROFILE = ((1, "smallest"), (8, "golden"), (BATCH, "largest"))  # how many frames of which size


@dataclass(frozen=True)
class Job:
    """What to build and where it goes. `precision` is fp16 or fp32; the limits are those of the gate.

    `variant` is the released one (None: int8 or the first), which the engine is held to, and which serves without it.
    """

    package: Path
    version: int
    cache: Path
    out: Path
    digest: str | None = None
    variant: str | None = None
    precision: str = "fp16"
    max_difference: float = 0.02
    max_latency_ratio: float = 1.0


@dataclass(frozen=True)
class Golden:
    """Frames, and what the variant says of them: labels and scores."""

    frames: NDArray[np.uint8]
    labels: tuple[str, ...]
    scores: NDArray[np.float64]


def prepare(job: Job) -> Judged:
    """Write the model repository, of TensorRT or of ONNX Runtime, and return how that was decided.

    Raises PackageError on a package that is damaged or can't be served at all, or lacks the released variant.
    """
    release = open_package(job.package, job.digest)
    job = replace(job, variant=variant_of(release, job.variant))
    key, kind = None, "KIND_CPU"
    try:
        machine, kind = trtexec.machine(), "KIND_GPU"
        key = _key(job, machine)
        judged = _judged(job, key)
    except ServingError as error:
        judged = Judged(str(error))
    except OSError as error:
        # A volume that is full, read-only or knows no locks must not keep ONNX Runtime from serving.
        judged = Judged(f"{job.cache}: no engine can be kept there ({one_line(error)}): give it room and a file lock")
    wanted = Wanted(job.package, job.version, job.digest, job.variant, kind=kind)
    if judged.reason is None and key is not None:
        plan = job.cache / key.digest / PLAN
        fields = {**vars(wanted), "engine": "tensorrt", "variant": SOURCE, "plan": plan, "max_batch": BATCH}
        wanted = Wanted(**fields)
    write_repository(wanted, job.out)
    said = {"model": release.model, "engine": wanted.engine, "variant": job.variant, **asdict(judged)}
    write_json(job.out / "engine.json", {**said, "key": asdict(key) if key else None})
    return judged


def judge(model: Model, golden: Golden, answered: trtexec.Timed, single: trtexec.Timed, job: Job) -> Judged:
    """Say why an engine is not to be used, or that it is: equal labels, scores and time within the job's limits."""
    scores = softmax(answered.logits)
    if scores.shape != golden.scores.shape or not np.isfinite(scores).all():
        return Judged(f"the engine answers {scores.shape} instead of {golden.scores.shape} finite numbers")
    difference = float(np.abs(scores - golden.scores).max())
    labels = tuple(model.labels[index] for index in answered.logits.argmax(axis=1))
    own = model.curve.single()
    figures = (difference, single.seconds, own)
    if difference > job.max_difference or labels != golden.labels:
        wrong = sum(one != other for one, other in zip(labels, golden.labels, strict=True))
        reason = f"scores differ by up to {difference:.2g} from ONNX Runtime's, {wrong} of {len(labels)} labels"
        return Judged(f"{reason}: at most {job.max_difference} and none are allowed", *figures)
    if single.seconds > own * job.max_latency_ratio:
        reason = f"a frame takes {single.seconds * 1e3:.3f} ms, ONNX Runtime {own * 1e3:.3f} ms"
        return Judged(f"{reason}: {job.max_latency_ratio} times that is allowed", *figures)
    return Judged(None, *figures)


def _judged(job: Job, key: Key) -> Judged:
    """Return what became of this key's engine, built and judged now where that was not done.

    Raises ServingError where it can't be built or run, and keeps nothing of that: it may be the moment's fault; OSError
    where the cache can't be used.
    """
    with enginecache.locked(job.cache):
        known = enginecache.find(job.cache, key)
        if known is not None:
            return known
        enginecache.drop_unused(job.cache)
        with tempfile.TemporaryDirectory(dir=job.cache) as scratch:
            judged = _build(job, key, Path(scratch))
            used = judged.reason is None
            if used:
                judged = Judged(**{**asdict(judged), "plan": enginecache.digest_file(Path(scratch) / PLAN)})
            enginecache.keep(job.cache, key, Path(scratch) / PLAN if used else None, judged)
            return judged


def _build(job: Job, key: Key, scratch: Path) -> Judged:
    release = open_package(job.package, job.digest)
    plan, onnx = scratch / PLAN, job.package / release.variants[SOURCE]
    model = load_model(job.package, package_digest(job.package), str(job.variant))
    golden, contract = read_golden(job.package, str(job.variant)), model.contract
    trtexec.build(onnx, plan, key.shapes, key.precision)
    answered = trtexec.run(plan, contract.input_name, golden.frames, contract.output_name, scratch)
    single = trtexec.run(plan, contract.input_name, golden.frames[:1], contract.output_name, scratch)
    return judge(model, golden, answered, single, job)


def _key(job: Job, machine: trtexec.Machine) -> Key:
    release = open_package(job.package, job.digest)
    if SOURCE not in release.variants:
        raise ServingError(f"{job.package}: holds no variant {SOURCE}, which engines are built from")
    onnx, own = (release.files[release.variants[variant]] for variant in (SOURCE, str(job.variant)))
    gate = digest_json([job.variant, own, release.files[GOLDEN_FILE], job.max_difference, job.max_latency_ratio])
    contract = json.loads((job.package / "contract.json").read_bytes())["input"]
    frame = read_golden(job.package, str(job.variant)).frames.shape[1:3]
    shapes = tuple(_shape(contract["name"], size, _sizes(contract["shape"], frame, which)) for size, which in PROFILE)
    return Key(machine.gpu, machine.architecture, machine.driver, machine.tensorrt, onnx, job.precision, shapes, gate)


def _sizes(shape: list[int], golden: tuple[int, ...], which: str) -> tuple[int, int]:
    """Return height and width of a profile's shape: what the contract fixes, else from small to a camera's."""
    ends = {
        "smallest": [min(size, SMALLEST_FRAME) for size in golden],
        "golden": list(golden),
        "largest": [max(sizes) for sizes in zip(golden, LARGEST_FRAME, strict=True)],
    }
    sizes = [end if fixed < 0 else fixed for end, fixed in zip(ends[which], shape[1:3], strict=True)]
    return sizes[0], sizes[1]


def _shape(name: str, batch: int, sizes: tuple[int, int]) -> str:
    return f"{name}:{batch}x{sizes[0]}x{sizes[1]}x3"


def read_golden(package: Path, variant: str) -> Golden:
    """Return the golden frames and what a variant says of them. Raises PackageError where they can't be read."""
    try:
        content = json.loads((package / GOLDEN_FILE).read_bytes())
        frames = np.frombuffer(base64.b64decode(content["frames_base64"]), np.uint8).reshape(content["shape"])
        said = content["variants"][variant]
        return Golden(frames[:BATCH], tuple(said["labels"][:BATCH]), np.array(said["scores"][:BATCH], np.float64))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PackageError(f"{package / GOLDEN_FILE}: cannot be used ({error!r}): evaluate the model again") from None


def _report(options: argparse.Namespace) -> None:
    judged = prepare(Job(**vars(options)))
    print(f"serving by {'TensorRT' if judged.reason is None else f'ONNX Runtime: {judged.reason}'}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Prepare Triton's model repository and return the exit code: 0, by whichever engine, or 1 on a bad package."""
    parser = argparse.ArgumentParser(prog="python -m serving.tensorrt", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--package", type=Path, required=True, help="a sealed model package")
    parser.add_argument("--version", type=int, required=True, help="the version's number in the registry")
    parser.add_argument(
        "--cache", type=Path, required=True, help="engines of this kind of node; should outlive the pod"
    )
    parser.add_argument("--out", type=Path, required=True, help="the model repository that Triton is given")
    parser.add_argument("--digest", help="the package's digest, to be checked")
    parser.add_argument(
        "--variant", help="the released one, which the engine stands in for; default: as serving.triton"
    )
    parser.add_argument("--precision", choices=("fp16", "fp32"), default="fp16")
    parser.add_argument("--max-difference", type=float, default=0.02, help="of a score, against golden.json")
    parser.add_argument(
        "--max-latency-ratio", type=float, default=1.0, help="of a frame's time, against ONNX Runtime's"
    )
    return exit_code(lambda: _report(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
