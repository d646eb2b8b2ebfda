"""The engine openvino scores as ONNX Runtime does, on frames in any memory; its absence is told in one line."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from model_packages import make_package
from modelpackage import PackageError, package_digest
from serving.errors import ModelError, ServingError
from serving.model import Model, load_model


def load(package: Path, engine: str) -> Model:
    """Load the fp32 variant by an engine."""
    return load_model(package, package_digest(package), "fp32", engine)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package whose first class is favoured."""
    pytest.importorskip("openvino", reason="the option openvino is not installed")
    return make_package(tmp_path_factory.mktemp("openvino") / "package", version_bias=0.3)


@pytest.fixture(scope="module")
def model(package: Path) -> Model:
    """Return the model as OpenVINO runs it."""
    return load(package, "openvino")


def frames(count: int, height: int, width: int) -> np.ndarray:
    """Return frames that differ."""
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


def test_it_scores_as_onnx_runtime_does(package: Path, model: Model) -> None:
    expected = load(package, "onnxruntime")
    for size in ((1, 28, 28), (5, 17, 40), (2, 28, 28)):
        np.testing.assert_allclose(
            model.predict(frames(*size)).logits, expected.predict(frames(*size)).logits, rtol=1e-4
        )
    assert (model.engine, expected.engine) == ("openvino", "onnxruntime")


def test_a_later_call_leaves_an_earlier_answer_alone(model: Model) -> None:
    first = model.predict(frames(3, 28, 28)).logits
    kept = first.copy()
    model.predict(frames(3, 28, 28) // 2)
    np.testing.assert_array_equal(first, kept)


def test_callers_at_the_same_time_get_their_own_answers(model: Model) -> None:
    interval = sys.getswitchinterval()
    answers: dict[int, set[int]] = {1: set(), 2: set()}

    def score(count: int) -> None:
        for _ in range(200):
            answers[count].add(len(model.run(frames(count, 28, 28))))

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=score, args=(count,)) for count in answers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert answers == {1: {1}, 2: {2}}


def test_frames_may_be_read_only_or_a_part_of_others(model: Model) -> None:
    whole = frames(4, 28, 56)
    part = whole[::2, :, ::2]
    expected = model.predict(part.copy()).logits
    np.testing.assert_array_equal(model.predict(part).logits, expected)
    read_only = np.frombuffer(part.tobytes(), np.uint8).reshape(part.shape)
    np.testing.assert_array_equal(model.predict(read_only).logits, expected)


def test_a_size_that_the_model_does_not_take_is_the_models_fault(tmp_path: Path, package: Path) -> None:
    fixed = load(make_package(tmp_path / "fixed", frame_size=28), "openvino")
    with pytest.raises(ModelError, match=r"does not run on \[1, 64, 64, 3\]"):
        fixed.predict(frames(1, 64, 64))
    assert fixed.predict(frames(1, 28, 28)).logits.shape == (1, 3)


def test_a_model_that_answers_nan_is_refused(tmp_path: Path, package: Path) -> None:
    with pytest.raises(PackageError, match="finite"):
        load(make_package(tmp_path / "nan", version_bias=float("nan")), "openvino")


def test_where_it_is_not_installed_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ServingError, match="openvino is not installed: install openvino, or use engine onnxruntime"):
        load(make_package(tmp_path / "package"), "openvino")


def test_an_unknown_engine_is_refused_and_the_known_ones_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="engine tensorrt: unknown: use one of onnxruntime, openvino"):
        load(make_package(tmp_path / "package"), "tensorrt")
