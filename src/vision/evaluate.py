"""Measures challenger and champion on the same frozen test set in one run, as ONNX on one thread. Needs no PyTorch.

    python -m vision.evaluate --data DIR --data-version V --package DIR [--champion DIR [--champion-version N]]
        --device-class CLASS --out DIR

Writes golden.json and, last, evaluation.json. It judges nothing: `python -m mlops gate` does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from modelpackage import PackageError, digest_file, open_package, package_digest
from vision.data import Split, load_split
from vision.errors import VisionError, exit_code
from vision.files import read_json, write_json
from vision.footprint import memory_mb
from vision.frames import to_frames
from vision.golden import choose, golden
from vision.metrics import accuracy, calibration_error, confusion_matrix, recall_by_class, wilson_interval
from vision.session import Session, open_session, run_frames, softmax
from vision.slices import SLICES, subset
from vision.variants import latencies, precision

VARIANTS = ("fp32", "int8")
EVALUATION_FILE, CHAMPION_FILE = "evaluation.json", "champion.json"


@dataclass(frozen=True)
class Candidate:
    """A model package to measure. `version` and `digest` are None for a challenger, which is not registered yet."""

    role: str
    folder: Path
    version: int | None = None
    digest: str | None = None

    @property
    def variants(self) -> list[str]:
        """Return the variants that are there, fp32 always; the gates refuse a model that lacks one they ask for."""
        return [name for name in VARIANTS if name == VARIANTS[0] or self.file(name).exists()]

    def file(self, variant: str) -> Path:
        """Return the path of a variant."""
        return self.folder / f"model_{variant}.onnx"


@dataclass(frozen=True)
class Measured:
    """One variant's outputs: probabilities on the test set [N,classes], accuracy by slice, milliseconds a frame [M]."""

    probabilities: np.ndarray
    slices: dict[str, float]
    milliseconds: np.ndarray


def evaluate(candidates: list[Candidate], test: Split, out: Path, context: dict[str, Any]) -> None:
    """Measure all candidates, the challenger first, and write golden.json and evaluation.json.

    `context` holds data_version and device_class. Raises VisionError where a package lacks or breaks something.
    """
    (out / EVALUATION_FILE).unlink(missing_ok=True)
    sessions = {(one.role, v): open_session(one.file(v)) for one in candidates for v in one.variants}
    timed = latencies({" ".join(key): one for key, one in sessions.items()}, to_frames(test.images[:1]))
    spoiled = _spoiled(test)
    with ThreadPoolExecutor() as pool:  # ONNX Runtime lets go of Python's lock: each model takes a core of its own
        results = pool.map(lambda key: _measure(key, sessions[key], test, spoiled, timed), sessions)
        measured = dict(zip(sessions, results, strict=True))
    challenger = {variant: one.probabilities for (role, variant), one in measured.items() if role == "challenger"}
    write_json(out / "golden.json", golden(test, choose(test, challenger), challenger))
    reports = {one.role: _model_report(one, test, measured) for one in candidates}
    write_json(
        out / EVALUATION_FILE,
        {
            "schema": 1,
            "test_set": {"digest": test.digest, "images": len(test), "data_version": context["data_version"]},
            "device_class": context["device_class"],
            "challenger": reports["challenger"],
            "champion": reports.get("champion"),
        },
    )


def _spoiled(test: Split) -> dict[str, Split]:
    part = subset(test)
    return {name: replace(part, images=spoil(part.images)) for name, spoil in SLICES.items()}


def _measure(
    key: tuple[str, str],
    session: Session,
    test: Split,
    spoiled: Mapping[str, Split],
    timed: Mapping[str, np.ndarray],
) -> Measured:
    name = " ".join(key)
    probabilities = softmax(run_frames(session, to_frames(test.images)))
    slices = {label: _accuracy(session, split) for label, split in spoiled.items()}
    right = accuracy(test.labels, probabilities.argmax(axis=1))
    print(f"{name}: accuracy {right:.4f}, {np.median(timed[name]):.3f} ms a frame", flush=True)
    return Measured(probabilities, slices, timed[name])


def _accuracy(session: Session, split: Split) -> float:
    return accuracy(split.labels, run_frames(session, to_frames(split.images)).argmax(axis=1))


def _model_report(one: Candidate, test: Split, measured: Mapping[tuple[str, str], Measured]) -> dict[str, Any]:
    parity = read_json(one.folder / "parity.json", "run vision.export again")
    return {
        "version": one.version,
        "release_digest": one.digest,
        "checkpoint": parity["checkpoint"],
        "labels": read_json(one.folder / "labels.json", "run vision.export again"),
        "variants": {v: _variant_report(one.file(v), test, measured[one.role, v]) for v in one.variants},
        "parity": parity["variants"],
    }


def _variant_report(path: Path, test: Split, measured: Measured) -> dict[str, Any]:
    decisions = measured.probabilities.argmax(axis=1)
    share = accuracy(test.labels, decisions)
    recalls = recall_by_class(test.labels, decisions, len(test.names))
    return {
        "sha256": digest_file(path),
        "precision": precision(path),
        "bytes": path.stat().st_size,
        "accuracy": share,
        "accuracy_interval": list(wilson_interval(share, len(test))),
        "per_class": dict(zip(test.names, recalls, strict=True)),
        "confusion": confusion_matrix(test.labels, decisions, len(test.names)).tolist(),
        "calibration_error": calibration_error(test.labels, measured.probabilities),
        "slices": measured.slices,
        "latency_ms_p50": float(np.median(measured.milliseconds)),
        "latency_ms_p95": float(np.quantile(measured.milliseconds, 0.95)),
        "memory_mb": memory_mb(path),
    }


def read_champion(folder: Path, version: int, labels: tuple[str, ...]) -> Candidate:
    """Return the champion of a sealed package, checked. Raises VisionError where it is damaged or has other labels."""
    try:
        open_package(folder)
        digest = package_digest(folder)
    except PackageError as error:
        raise VisionError(f"--champion {folder}: {error}") from None
    _check_labels(folder, labels, "evaluate without it, or on the data that it was trained for")
    return Candidate("champion", folder, version, digest)


def read_challenger(folder: Path, labels: tuple[str, ...]) -> Candidate:
    """Return the challenger of an export. Raises VisionError where it has other labels than the data."""
    _check_labels(folder, labels, "export the model again")
    return Candidate("challenger", folder)


def _check_labels(folder: Path, wanted: tuple[str, ...], remedy: str) -> None:
    labels = read_json(folder / "labels.json", "run vision.export first")
    if labels != list(wanted):
        raise VisionError(f"{folder / 'labels.json'}: is {labels}, the data has {list(wanted)}: {remedy}")


def main(arguments: list[str] | None = None) -> int:
    """Evaluate and return the exit code: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m vision.evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that vision.prepare or vision.intake wrote")
    parser.add_argument("--data-version", required=True, help="the data version that the folder was made from")
    parser.add_argument("--package", type=Path, required=True, help="the challenger: folder that vision.export wrote")
    parser.add_argument("--champion", type=Path, help="what `mlops champion` fetched, or a sealed package")
    parser.add_argument("--champion-version", type=int, help="of a sealed package: its number in the registry")
    parser.add_argument("--device-class", default="cpu", help="of this machine (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for evaluation.json and golden.json")
    return exit_code(lambda: _evaluate(parser.parse_args(arguments)))


def _evaluate(options: argparse.Namespace) -> None:
    if options.champion is None and options.champion_version is not None:
        raise VisionError("--champion-version: give --champion, too")
    test = load_split(options.data, "test")
    candidates = [read_challenger(options.package, test.names)]
    folder, version = _champion(options.champion, options.champion_version)
    if folder is not None and version is not None:
        candidates.append(read_champion(folder, version, test.names))
    context = {"data_version": options.data_version, "device_class": options.device_class}
    evaluate(candidates, test, options.out, context)


def _champion(folder: Path | None, version: int | None) -> tuple[Path | None, int | None]:
    """Return the champion's package and its number; of a folder that was fetched, its champion.json says which."""
    if folder is None or version is not None:
        return folder, version
    remedy = "fetch it by `python -m mlops champion`, or give the package's --champion-version"
    known = read_json(folder / CHAMPION_FILE, remedy)
    if not isinstance(known, dict) or "version" not in known:
        raise VisionError(f"{folder / CHAMPION_FILE}: tells no version: {remedy}")
    return folder / "package", known["version"]


if __name__ == "__main__":
    sys.exit(main())
