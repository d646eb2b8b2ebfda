"""Opens a foreign model and mends it, each repair held against the original on the same images before the next.

A repair that changes what the model says is refused, never kept: a model that answers otherwise is another model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from vision.intake.contract import Contract
from vision.intake.opening import open_model
from vision.intake.original import open_original, prepared, run
from vision.intake.refusal import Refused
from vision.intake.repairs import STRUCTURAL, widen_half
from vision.intake.signature import Signature, read_signature

CLOSE = 1e-3  # of the largest answer, at least 1: what float32 may differ by when operators are put otherwise
CLOSE_TO_HALF = 2e-2  # the same where the original itself rounds to float16
BATCHES = (1, 3)  # the answers must be the same whether frames come alone or together

Note = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Mended:
    """A model that takes any number of images. `answers` are the original's outputs on the probe images."""

    model: onnx.ModelProto
    signature: Signature
    answers: tuple[np.ndarray, ...]
    close: float


def mend(path: Path, contract: Contract, probe: np.ndarray, note: Note) -> tuple[Signature, Mended]:
    """Return the signature of the file as it came in, and the mended model.

    `probe` are frames, uint8 [3,height,width,3]; `note` is told each repair and the largest difference it made. Raises
    Refused where the model can't be taken or a repair changes its answers, VisionError where the file can't be read.
    """
    assert contract.input is not None
    model, files = open_model(path)
    came = read_signature(model, contract)
    fed = prepared(contract.input, probe)
    answers = tuple(run(open_original(path), came, fed))
    _check_finite(answers, came)
    if files:
        note(f"weights taken in from {', '.join(files)}", None)
    mended = Mended(model, came, answers, CLOSE_TO_HALF if came.dtype == "FLOAT16" else CLOSE)
    for repair in STRUCTURAL:
        repaired = repair(mended.model, mended.signature)
        if repaired is not None:
            close = CLOSE_TO_HALF if repair is widen_half else mended.close
            mended, difference = _checked(Mended(repaired[0], came, answers, close), contract, fed, repaired[1])
            note(repaired[1], difference)
    _check_batches(mended, fed)
    return came, mended


def largest_difference(expected: np.ndarray, actual: np.ndarray) -> float:
    """Return the largest difference as a share of the largest expected value, at least 1; infinity of other shapes."""
    if expected.shape != actual.shape:
        return float("inf")
    return float(np.abs(expected - actual).max(initial=0.0) / max(1.0, np.abs(expected).max(initial=0.0)))


def _check_finite(answers: tuple[np.ndarray, ...], signature: Signature) -> None:
    for name, values in zip(signature.outputs, answers, strict=True):
        if not np.isfinite(values).all():
            raise Refused(f"output {name} is NaN or infinity on the data's images: correct input.mean and std")


def _checked(mended: Mended, contract: Contract, fed: np.ndarray, what: str) -> tuple[Mended, float]:
    """Return the repaired model with its own signature, and how far its answers are off."""
    way = "export it so that this repair is not needed"
    try:
        mended = replace(mended, signature=read_signature(mended.model, contract))
        actual = run(open_original(mended.model.SerializeToString()), mended.signature, fed)
    except Refused as refusal:
        raise Refused(f"{what}: then {refusal}; {way}") from None
    difference = max(largest_difference(one, two) for one, two in zip(mended.answers, actual, strict=True))
    if not difference <= mended.close:
        reason = f"the answers then differ by {difference:.2g} of the largest, more than {mended.close}"
        raise Refused(f"{what}: {reason}: {way}")
    return mended, difference


def _check_batches(mended: Mended, fed: np.ndarray) -> None:
    session = open_original(mended.model.SerializeToString())
    for count in BATCHES:
        parts = [run(session, mended.signature, fed[start : start + count]) for start in range(0, len(fed), count)]
        for index, expected in enumerate(mended.answers):
            difference = largest_difference(expected, np.concatenate([part[index] for part in parts]))
            if not difference <= mended.close:
                raise Refused(
                    f"{count} frames at a time are answered otherwise than alone, by {difference:.2g} of the largest: "
                    "export it in evaluation mode with a dynamic batch"
                )
