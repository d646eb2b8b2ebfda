"""Processes share a model's weights through a mapped file, and score the same by it; without it they serve as well."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from model_packages import make_package
from modelpackage import package_digest
from serving import weights
from serving.model import load_model
from serving.onnx_engine import open_run

CLASSES = 512
FRAMES = np.random.default_rng(5).integers(0, 256, (3, 28, 28, 3), np.uint8)


@pytest.fixture(scope="module")
def content() -> bytes:
    """Return a model of 1.2 MB, the most of it a convolution's: what is multiplied otherwise each process repacks."""
    random = np.random.default_rng(3)
    small, large = (random.standard_normal(shape).astype(np.float32) for shape in ((64, 3, 3, 3), (CLASSES, 64, 3, 3)))
    nodes = [
        helper.make_node("Cast", ["frames"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "small"], ["features"], strides=[4, 4]),
        helper.make_node("Conv", ["features", "large"], ["maps"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["maps"], ["means"]),
        helper.make_node("Flatten", ["means"], ["logits"]),
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["n", 28, 28, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])
    weights = [numpy_helper.from_array(small, "small"), numpy_helper.from_array(large, "large")]
    graph = helper.make_graph(nodes, "large", [frames], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return a folder to share weights in, which is not there yet."""
    if not weights.BOOT.exists():
        pytest.skip("this system does not say when it started, so weights are not shared")
    return tmp_path / "endpoint" / "weights"


def scores(content: bytes, shared: Path | None) -> np.ndarray:
    """Return the logits of FRAMES."""
    return open_run(content, "frames", "logits", shared)(FRAMES)


def mapped_files() -> set[str]:
    """Return the files that this process maps."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return {parts[5] for line in lines if len(parts := line.split(maxsplit=5)) == 6}


def test_the_weights_are_mapped_and_score_the_same(content: bytes, shared: Path) -> None:
    run = open_run(content, "frames", "logits", shared)
    (folder,) = shared.iterdir()
    assert str(folder / "weights.bin") in mapped_files()
    np.testing.assert_array_equal(run(FRAMES), scores(content, None))


def test_the_file_is_made_once_and_by_what_is_in_the_model(content: bytes, shared: Path) -> None:
    scores(content, shared)
    (folder,) = shared.iterdir()
    before = (folder / "weights.bin").stat()
    scores(content, shared)
    assert [(folder / "weights.bin").stat().st_ino, list(shared.iterdir())] == [before.st_ino, [folder]]
    other = onnx.load_from_string(content)
    other.graph.name = "other"
    scores(other.SerializeToString(), shared)
    assert len(list(shared.iterdir())) == 2


def test_of_many_at_once_one_makes_it_and_all_score(content: bytes, shared: Path) -> None:
    expected, seen = scores(content, None), []
    threads = [threading.Thread(target=lambda: seen.append(scores(content, shared))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 6 and all(np.array_equal(one, expected) for one in seen)
    assert [path.name[0] != "." for path in shared.iterdir()] == [True]


def test_where_it_cannot_be_made_the_bytes_serve_and_that_is_said(
    content: bytes, shared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shared.parent.mkdir()
    shared.write_text("no folder", encoding="utf-8")
    np.testing.assert_array_equal(scores(content, shared), scores(content, None))
    assert "the weights are not shared" in capfd.readouterr().err


def test_only_the_newest_are_kept_and_who_uses_an_old_one_still_does(content: bytes, shared: Path) -> None:
    expected = scores(content, None)
    run = open_run(content, "frames", "logits", shared)
    (used,) = shared.iterdir()
    os.utime(used, (1, 1))
    for number in range(weights.KEPT):
        (shared / f".killed{number}").mkdir()
    other = onnx.load_from_string(content)
    other.graph.name = "other"
    scores(other.SerializeToString(), shared)
    assert not used.exists() and len(list(shared.iterdir())) == weights.KEPT
    np.testing.assert_array_equal(run(FRAMES), expected)


def test_a_small_model_is_not_written(shared: Path, tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    model = load_model(package, package_digest(package), "int8", shared=shared)
    assert model.predict(FRAMES).logits.shape == (3, 3)
    assert not shared.exists()


def test_a_new_start_of_the_machine_makes_it_anew(
    content: bytes, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores(content, shared)
    shutil.copy(weights.BOOT, tmp_path / "boot")
    monkeypatch.setattr(weights, "BOOT", tmp_path / "boot")
    scores(content, shared)
    assert len(list(shared.iterdir())) == 1
    (tmp_path / "boot").write_text("another start", encoding="ascii")
    scores(content, shared)
    assert len(list(shared.iterdir())) == 2
