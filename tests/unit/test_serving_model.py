"""A package becomes a model that predicts, or is refused with the file that is wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packages import CHECKPOINT, DATA_VERSION, MODEL, make_package
from modelpackage import PackageError, package_digest, seal_package
from serving import onnx_engine
from serving.curve import Run
from serving.errors import ModelError
from serving.model import ENGINES, Model, Prediction, load_model, predict


def load(package: Path, variant: str = "int8") -> Model:
    """Load a package by its own digest."""
    return load_model(package, package_digest(package), variant)


def reseal(package: Path) -> Path:
    """Seal a package again, as its maker would after a change."""
    seal_package(package, MODEL, "0" * 40, DATA_VERSION, CHECKPOINT)
    return package


def test_frames_of_any_size_and_number_are_named_by_their_colour(tmp_path: Path) -> None:
    model = load(make_package(tmp_path / "package"))
    frames = np.zeros((3, 17, 5, 3), np.uint8)
    for index in range(3):
        frames[index, :, :, index] = 255
    prediction = model.predict(frames)
    assert prediction.labels == ("red", "green", "blue")
    assert prediction.logits.shape == prediction.probabilities.shape == (3, 3)
    np.testing.assert_allclose(prediction.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_the_golden_set_of_a_package_is_reproduced(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package", version_bias=0.3)
    golden = json.loads((package / "golden.json").read_text(encoding="utf-8"))
    frames = np.frombuffer(base64.b64decode(golden["frames_base64"]), np.uint8).reshape(golden["shape"])
    for variant, expected in golden["variants"].items():
        prediction = load(package, variant).predict(frames)
        assert list(prediction.labels) == expected["labels"]
        np.testing.assert_allclose(prediction.probabilities, expected["scores"], rtol=1e-5)


def test_another_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="expected sha256:0"):
        load_model(make_package(tmp_path / "package"), "sha256:0", "int8")


def test_a_changed_file_is_refused_and_named(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    with (package / "model_int8.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(PackageError, match="model_int8.onnx"):
        load(package)


def test_an_unknown_variant_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no variant fp16: it has fp32, int8"):
        load(make_package(tmp_path / "package"), "fp16")


def test_what_is_no_onnx_model_is_refused_and_named(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    (package / "model_int8.onnx").write_bytes(b"no model")
    with pytest.raises(PackageError, match="model_int8.onnx: cannot be served"):
        load(reseal(package))


def test_labels_that_do_not_fit_the_model_are_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    (package / "labels.json").write_text('["red", "green"]', encoding="utf-8")
    with pytest.raises(PackageError, match="are not 1 rows of 2"):
        load(reseal(package))


@pytest.mark.parametrize("name", ["contract.json", "labels.json"])
def test_a_package_without_its_contract_or_labels_is_refused(tmp_path: Path, name: str) -> None:
    package = make_package(tmp_path / "package")
    (package / name).unlink()
    with pytest.raises(PackageError, match=f"{name}: is missing"):
        load(reseal(package))


@pytest.mark.parametrize(
    ("part", "key", "value", "reason"),
    [
        ("input", "layout", "NCHW", "serves UINT8 NHWC RGB"),
        ("input", "dtype", "FP32", "serves UINT8 NHWC RGB"),
        ("input", "name", "pixels", "cannot be served"),
        ("output", "activation", "none", "serves UINT8 NHWC RGB"),
        ("output", "name", "boxes", "cannot be served"),
    ],
)
def test_a_contract_that_is_not_kept_is_refused(tmp_path: Path, part: str, key: str, value: Any, reason: str) -> None:
    package = make_package(tmp_path / "package")
    contract = json.loads((package / "contract.json").read_text(encoding="utf-8"))
    contract[part][key] = value
    (package / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    with pytest.raises(PackageError, match=reason):
        load(reseal(package))


def test_a_model_that_takes_one_size_only_fails_on_another_by_its_own_fault(tmp_path: Path) -> None:
    model = load(make_package(tmp_path / "package", frame_size=28))
    assert model.predict(np.zeros((2, 28, 28, 3), np.uint8)).logits.shape == (2, 3)
    with pytest.raises(ModelError, match=r"does not run on \[1, 64, 64, 3\]"):
        model.predict(np.zeros((1, 64, 64, 3), np.uint8))


def test_a_model_that_answers_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="finite"):
        load(make_package(tmp_path / "package", version_bias=float("nan")))


@pytest.mark.filterwarnings("ignore:overflow")
def test_only_what_is_not_finite_is_refused_however_large_it_is() -> None:
    labels = ("red", "green")
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    huge = np.array([[3e38, -3e38]], np.float32)
    assert predict(lambda frames: huge, labels, frames).labels == ("red",)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ModelError, match="finite"):
            predict(lambda frames, bad=bad: np.array([[1.0, bad]], np.float32), labels, frames)


def test_rows_of_a_prediction_are_those_of_the_frames() -> None:
    prediction = Prediction(np.eye(3, dtype=np.float32), ("red", "green", "blue"))
    part = prediction.rows(1, 3)
    assert part.labels == prediction.labels[1:3] == ("green", "blue")
    np.testing.assert_array_equal(part.probabilities, prediction.probabilities[1:3])


def test_a_model_bears_its_curve_and_its_reference(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    model = load(package)
    assert model.curve.cap in model.curve.seconds and model.curve.single() > 0
    assert model.reference == json.loads((package / "reference.json").read_text(encoding="utf-8"))
    (package / "reference.json").unlink()
    assert load(reseal(package)).reference == {}


@pytest.mark.parametrize(("golden", "height", "width"), [(True, 28, 28), (False, 28, 20)])
def test_a_model_is_tried_at_the_golden_size_or_else_the_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: bool, height: int, width: int
) -> None:
    shapes = set()
    package = make_package(tmp_path / "package")
    contract = json.loads((package / "contract.json").read_text(encoding="utf-8"))
    contract["input"]["shape"] = [-1, -1, 20, 3]
    (package / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    if not golden:
        (package / "golden.json").unlink()
    monkeypatch.setitem(ENGINES, "onnxruntime", lambda *given: seen(shapes, onnx_engine.open_run(*given)))
    load(reseal(package))
    assert shapes == {(height, width, 3)}


def seen(shapes: set[tuple[int, ...]], run: Run) -> Run:
    """Return an engine's function that notes the shapes of frames."""

    def noted(frames: Any) -> Any:
        shapes.add(frames.shape[1:])
        return run(frames)

    return noted


def test_a_golden_set_without_a_shape_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    (package / "golden.json").write_text("{}", encoding="utf-8")
    with pytest.raises(PackageError, match="a shape is not n, height, width, 3"):
        load(reseal(package))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_slow_model_is_there_on_two_threads_too_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    package, threads = make_package(tmp_path / "package"), list[int]()
    open_run = ENGINES[engine]
    monkeypatch.setitem(ENGINES, engine, lambda *given: (threads.append(given[-1]), open_run(*given))[1])
    digest, frames = package_digest(package), np.full((1, 28, 28, 3), 200, np.uint8)
    assert load_model(package, digest, "int8", engine, lone=2).wide is None, "it is quick"
    monkeypatch.setattr("serving.model.QUICK_SECONDS", 0.0)
    assert load_model(package, digest, "int8", engine).wide is None, "nobody wants it"
    model = load_model(package, digest, "int8", engine, lone=2)
    assert threads == [1, 1, 1, 2] and model.wide is not None and model.wide.wide is None
    assert np.allclose(model.wide.predict(frames).logits, model.predict(frames).logits, atol=1e-5)
