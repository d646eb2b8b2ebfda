"""Makes small model packages for tests: a real ONNX model that names the strongest colour, sealed like any other.

The model: uint8 frames -> mean of each channel -> logits, one class a channel; so a red frame is "red". It needs no
torch and takes milliseconds to make. Import it as `from model_packages import make_package`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from mlops.evaluation import Evaluation, ModelReport, Parity, TestSet, VariantReport
from modelpackage import digest_bytes, digest_file, package_digest, read_release, seal_package

MODEL = "fashion-classifier"
CLASSES = ("red", "green", "blue")
SLICES = ("blur", "noise", "dark", "shifted", "low_resolution")
DATA_VERSION = "00112233445566aa"
CHECKPOINT = digest_bytes(b"checkpoint")
GOLDEN_SHAPE = (16, 28, 28, 3)
SCALE = 1 / 32


def make_package(
    folder: Path,
    version_bias: float = 0.0,
    classes: tuple[str, ...] = CLASSES,
    accuracy: float = 0.92,
    frame_size: int | None = None,
) -> Path:
    """Make a sealed package at `folder` and return it.

    `version_bias` is added to the first class's logit, so that two packages differ in digest and scores; `frame_size`
    fixes the height and width that the model takes, against its contract.
    """
    make_unsealed(folder, version_bias, classes, accuracy, frame_size)
    (folder / "MODEL_CARD.md").write_text(f"# {MODEL}\n", encoding="utf-8")
    seal_package(folder, MODEL, "0" * 40, DATA_VERSION, CHECKPOINT)
    return folder


def spoil_golden(package: Path, variant: str = "int8") -> None:
    """Seal a package anew, whose golden predictions of a variant are not those that its model makes."""
    golden = json.loads((package / "golden.json").read_text())
    golden["variants"][variant]["labels"].reverse()
    (package / "golden.json").write_text(json.dumps(golden))
    release = read_release(package)
    seal_package(package, release.model, release.git_commit, release.data_version, release.checkpoint)


def declared(package: Path, variant: str = "int8") -> dict[str, str]:
    """Return the deployment of desired.json that serves a package."""
    return {"package": str(package), "digest": package_digest(package), "variant": variant}


def make_unsealed(
    folder: Path,
    version_bias: float = 0.0,
    classes: tuple[str, ...] = CLASSES,
    accuracy: float = 0.92,
    frame_size: int | None = None,
) -> None:
    """Write what a package holds before registration: all but the model card and release.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for variant in ("fp32", "int8"):
        _write_model(folder / f"model_{variant}.onnx", version_bias, len(classes), frame_size, variant)
    _write(folder / "contract.json", _contract(len(classes)))
    _write(folder / "labels.json", list(classes))
    _write(
        folder / "reference.json", {"schema": 1, "images": 48, "classes": {name: 1 / len(classes) for name in classes}}
    )
    parity = {variant: Parity(1e-6, 1.0, 0.0, {name: 0.0 for name in classes}) for variant in ("fp32", "int8")}
    variants = {variant: asdict(one) for variant, one in parity.items()}
    _write(folder / "parity.json", {"schema": 1, "checkpoint": CHECKPOINT, "images": 48, "variants": variants})
    reports = {v: _variant_report(folder / f"model_{v}.onnx", v, classes, accuracy) for v in ("fp32", "int8")}
    report = ModelReport(None, None, CHECKPOINT, classes, reports, parity)
    test_set = TestSet(digest_bytes(b"test set"), 10000, DATA_VERSION)
    _write(folder / "evaluation.json", asdict(Evaluation(test_set, "cpu", report, None)))
    _write(folder / "golden.json", _golden(folder, classes, frame_size))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_model(path: Path, bias: float, classes: int, size: int | None, variant: str) -> None:
    weights = np.zeros((3, classes), np.float32)
    np.fill_diagonal(weights, SCALE)
    offsets = np.zeros(classes, np.float32)
    offsets[0] = bias
    constants: dict[str, Any] = {"weights": weights, "offsets": offsets, "axes": np.array([1, 2], np.int64)}
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["products"]),
        helper.make_node("Add", ["products", "offsets"], ["logits"]),
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", size or "height", size or "width", 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, f"colour_{variant}", [frames], [logits], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _contract(classes: int) -> dict[str, Any]:
    given = {"name": "frames", "dtype": "UINT8", "layout": "NHWC", "channels": "RGB", "shape": [-1, -1, -1, 3]}
    answered = {"name": "logits", "dtype": "FP32", "shape": [-1, classes], "activation": "softmax"}
    return {"schema": 1, "input": given, "preprocessing": {"where": "inside the graph"}, "output": answered}


def _variant_report(path: Path, precision: str, classes: tuple[str, ...], accuracy: float) -> VariantReport:
    return VariantReport(
        sha256=digest_file(path),
        precision=precision,
        bytes=path.stat().st_size,
        accuracy=accuracy,
        accuracy_interval=(accuracy - 0.006, accuracy + 0.005),
        per_class={name: accuracy for name in classes},
        confusion=tuple(tuple(1000 if i == j else 0 for j in range(len(classes))) for i in range(len(classes))),
        calibration_error=0.02,
        slices={name: accuracy - 0.05 for name in SLICES},
        latency_ms_p50=0.2,
        latency_ms_p95=0.3,
        memory_mb=40.0,
    )


def _golden(folder: Path, classes: tuple[str, ...], size: int | None) -> dict[str, Any]:
    shape = GOLDEN_SHAPE if size is None else (GOLDEN_SHAPE[0], size, size, 3)
    frames = np.random.default_rng(7).integers(0, 256, shape, np.uint8)
    frames[np.arange(16), :, :, np.arange(16) % 3] |= 192  # each frame leans to one colour
    variants = {variant: _predict(folder / f"model_{variant}.onnx", frames, classes) for variant in ("fp32", "int8")}
    encoded = base64.b64encode(frames.tobytes()).decode()
    return {"schema": 1, "shape": list(shape), "frames_base64": encoded, "variants": variants}


def _predict(path: Path, frames: Any, classes: tuple[str, ...]) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"frames": frames})
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = powers / powers.sum(axis=1, keepdims=True)
    return {"labels": [classes[index] for index in logits.argmax(axis=1)], "scores": scores.tolist()}
