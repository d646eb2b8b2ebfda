"""Makes a model package's content of a foreign model: the same files as vision.export writes, and intake.json.

Parity is against the file as it came in, run as its contract says by vision.intake.original, on the whole test set.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vision.data import Split, load_split
from vision.files import write_bytes, write_json
from vision.frames import to_frames
from vision.intake.answers import check_classifier, label_groups
from vision.intake.contract import Contract
from vision.intake.graph import Ending, whole, with_log_softmax
from vision.intake.mending import Mended, Note, largest_difference, mend
from vision.intake.opening import one_line
from vision.intake.original import SECONDS_A_FRAME, Original, open_original, prepared, run, run_within
from vision.intake.refusal import Refused
from vision.parity import answers, compare, other_frames
from vision.quantize import quantize
from vision.reference import reference
from vision.session import open_session, run_frames, softmax
from vision.variants import precision

REFERENCE_IMAGES = 2000
PROBES = 3  # images that a repair is tried on


@dataclass(frozen=True)
class Made:
    """What was made of a foreign model: its variants, and why there is no int8 (None where there is)."""

    variants: tuple[str, ...]
    int8: str | None


def make_package(path: Path, digest: str, contract: Contract, data: Path, out: Path, note: Note) -> Made:
    """Write all of the package but intake.json. Raises Refused where the model can't be taken."""
    test, calibration = load_split(data, "test"), load_split(data, "calibration")
    probe = to_frames(calibration.images[:: max(1, len(calibration) // PROBES)][:PROBES])
    original, fp32 = whole_model(path, contract, test.names, probe, note)
    write_bytes(out / "model_fp32.onnx", fp32)
    if precision(out / "model_fp32.onnx") != "fp32":
        raise Refused(f"{path}: is quantized already: hand in the model that it was made from; int8 is made here")
    write_json(out / "labels.json", list(test.names))
    write_json(out / "contract.json", package_contract(contract, len(test.names)))
    train = load_split(data, "train")
    frames = to_frames(train.images[:REFERENCE_IMAGES])
    write_json(
        out / "reference.json", reference(train, softmax(run_frames(open_session(out / "model_fp32.onnx"), frames)))
    )
    made = _quantized(out, fp32, to_frames(calibration.images))
    write_json(out / "parity.json", _parity(original, digest, test, out, made))
    return made


def whole_model(
    path: Path, contract: Contract, names: tuple[str, ...], probe: np.ndarray, note: Note
) -> tuple[Original, bytes]:
    """Return the model as it came in, and the whole one made of it. `probe` are frames, uint8 [N,height,width,3]."""
    assert contract.input is not None and contract.output is not None
    came, mended = mend(path, contract, probe, note)
    check_classifier(mended.signature, mended.answers, contract)
    groups = label_groups(contract, names)
    original = Original(path, contract, came, groups)
    mended, ending = _to_logits(mended, contract, probe, note)
    made = whole(mended.model, mended.signature, contract.input, groups, ending)
    used = sum(map(len, groups))
    if used < len(contract.labels):
        note(
            f"{len(contract.labels) - used} of {len(contract.labels)} labels left out, which mean none of the data's",
            None,
        )
    difference = _check_whole(made, original, probe, mended.close)
    note("preprocessing put in front: uint8 RGB frames of any size", difference)
    return original, made


def package_contract(contract: Contract, classes: int) -> dict[str, Any]:
    """Return contract.json: what a client must send, what the graph does with it, what comes back."""
    given = contract.input
    assert given is not None
    frames = {"name": "frames", "dtype": "UINT8", "layout": "NHWC", "channels": "RGB", "shape": [-1, -1, -1, 3]}
    return {
        "schema": 1,
        "input": frames,
        "preprocessing": {
            "where": "inside the graph",
            "channels": given.channels,
            "layout": given.layout,
            "resize": list(given.size),
            "interpolation": "bilinear, antialiased",
            "mean": list(given.mean),
            "std": list(given.std),
        },
        "output": {"name": "logits", "dtype": "FP32", "shape": [-1, classes], "activation": "softmax"},
    }


def _to_logits(mended: Mended, contract: Contract, probe: np.ndarray, note: Note) -> tuple[Mended, Ending]:
    """Return the model with its last Softmax made LogSoftmax where it has one, and what comes out of it then."""
    assert contract.input is not None and contract.output is not None
    if contract.output.kind == "logits":
        return mended, "logits"
    changed = with_log_softmax(mended.model, mended.signature.outputs[0])
    if changed is not None:
        session = open_original(changed.SerializeToString())
        logarithms = run(session, mended.signature, prepared(contract.input, probe))[0]
        difference = largest_difference(mended.answers[0], np.exp(logarithms))
        if difference <= mended.close:
            note("softmax at the end made a logarithm of it, which are logits", difference)
            return replace(mended, model=changed), "logarithms"
    note("logarithm taken of the probabilities, which are logits", None)
    return mended, "probabilities"


def _check_whole(made: bytes, original: Original, probe: np.ndarray, close: float) -> float:
    (rows,) = run_within(open_original(made), ["logits"], {"frames": probe}, SECONDS_A_FRAME * len(probe))
    difference = largest_difference(original.logits(probe), rows)
    if not difference <= close:
        reason = f"the answers then differ by {difference:.2g} of the largest, more than {close}"
        raise Refused(f"preprocessing put in front: {reason}: report this with the model's contract")
    return difference


def _quantized(out: Path, fp32: bytes, calibration: np.ndarray) -> Made:
    """Write the int8 variant where it can be made and is int8 inside; else leave none, and say why."""
    path = out / "model_int8.onnx"
    path.unlink(missing_ok=True)
    try:
        content = quantize(fp32, calibration)
        reason = _fault_of_int8(content, calibration[:PROBES])
    except Exception as error:  # the quantizer raises whatever it meets in a graph that it does not know
        reason = one_line(error)
    if reason is not None:
        return Made(("fp32",), reason)
    write_bytes(path, content)
    return Made(("fp32", "int8"), None)


def _fault_of_int8(content: bytes, frames: np.ndarray) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model_int8.onnx"
        path.write_bytes(content)
        if precision(path) != "int8":
            return "no Conv, Gemm or MatMul with constant weights to quantize"
        run_frames(open_session(path), frames)
    return None


def _parity(original: Original, digest: str, test: Split, out: Path, made: Made) -> dict[str, Any]:
    others = other_frames(test)
    expected = answers(original.logits, test, others)
    variants = {
        name: compare(expected, open_session(out / f"model_{name}.onnx"), test, others) for name in made.variants
    }
    for name, figures in variants.items():
        print(f"parity {name}: logits within {figures['max_abs_diff']:.2g}, {figures['agreement']:.2%} equal decisions")
    images = len(test) + sum(len(batch) for batch in others)
    return {"schema": 1, "checkpoint": digest, "images": images, "variants": variants}
