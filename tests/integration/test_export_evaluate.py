"""Export and evaluation of a real, tiny network: parity at any size, true INT8, an evaluation that can be judged."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from mlops.loading import read_json
from mlops.probe import read_golden
from mlops.evaluation import Evaluation
from modelpackage import digest_file, package_digest, seal_package
from vision import checkpoint, evaluate, export
from vision.checkpoint import ModelMeta
from vision.classifier import make_classifier
from vision.data import LABELS
from vision.errors import VisionError
from vision.session import open_session, run_frames
from vision.variants import precision

META = ModelMeta("cnn", 2, LABELS, 70.0, 90.0, 1, 7, "sha256:0")


def write_data(folder: Path) -> Path:
    """Write splits of images whose upper rows light up by class, a different set each."""
    folder.mkdir()
    for number, (name, count) in enumerate((("train", 200), ("validation", 20), ("test", 200), ("calibration", 64))):
        random = np.random.default_rng(number)
        labels = np.arange(count) % 10
        images = random.integers(0, 80, (count, 28, 28), dtype=np.uint8)
        for label in range(10):
            images[labels == label, 2 * label : 2 * label + 4] += 150
        np.savez(folder / f"{name}.npz", images=images, labels=labels.astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data/, checkpoint/ and package/ of a network with fresh weights."""
    root = tmp_path_factory.mktemp("export")
    torch.manual_seed(3)
    checkpoint.save(root / "checkpoint", make_classifier("cnn", 2, len(LABELS), META.mean, META.std), META)
    arguments = ["--data", str(write_data(root / "data")), "--checkpoint", str(root / "checkpoint")]
    assert export.main([*arguments, "--out", str(root / "package")]) == 0
    return root


def run_evaluate(root: Path, out: str, *more: str) -> int:
    arguments = ["--data", str(root / "data"), "--data-version", "d1", "--package", str(root / "package")]
    return evaluate.main([*arguments, "--out", str(root / out), *more])


@pytest.mark.parametrize("height,width", [(28, 28), (48, 64), (21, 200)])
def test_the_graph_decides_as_pytorch_does_on_frames_of_any_size(exported: Path, height: int, width: int) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    model = checkpoint.load(exported / "checkpoint").model
    with torch.inference_mode():
        expected = model(torch.from_numpy(frames)).numpy()
    actual = run_frames(open_session(exported / "package" / "model_fp32.onnx"), frames)
    assert np.abs(expected - actual).max() < 1e-4


def test_int8_holds_int8_weights_and_leaves_the_preprocessing_in_float(exported: Path) -> None:
    path = exported / "package" / "model_int8.onnx"
    graph = onnx.load(path).graph
    quantized = {name for node in graph.node if node.op_type == "QuantizeLinear" for name in node.input[:1]}
    resized = {name for node in graph.node if node.op_type == "Resize" for name in node.input[:1]}
    assert precision(path) == "int8"
    assert resized and not resized & quantized


def test_int8_weights_are_small_enough_for_processors_that_add_in_16_bits(exported: Path) -> None:
    graph = onnx.load(exported / "package" / "model_int8.onnx").graph
    weights = [numpy_helper.to_array(one) for one in graph.initializer if one.data_type == onnx.TensorProto.INT8]
    weights = [one for one in weights if one.ndim > 1]
    assert len(weights) == 3  # two convolutions and the head: the convolution over one channel stays in float
    assert all(np.abs(one.astype(int)).max() <= 64 for one in weights)


def test_the_second_network_is_exported_as_the_first(exported: Path, tmp_path: Path) -> None:
    meta = replace(META, network="vit", width=8)
    torch.manual_seed(3)
    checkpoint.save(tmp_path / "vit", make_classifier("vit", 8, len(LABELS), META.mean, META.std), meta)
    arguments = ["--data", str(exported / "data"), "--checkpoint", str(tmp_path / "vit")]
    assert export.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    parity = json.loads((tmp_path / "out" / "parity.json").read_text())["variants"]
    assert parity["fp32"]["max_abs_diff"] < 1e-4
    assert precision(tmp_path / "out" / "model_int8.onnx") == "int8"


def test_weights_that_are_no_numbers_are_refused_in_one_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_classifier("cnn", 2, len(LABELS), META.mean, META.std)
    torch.nn.init.constant_(model.network.head.bias, float("nan"))
    checkpoint.save(tmp_path / "broken", model, META)
    arguments = ["--data", str(exported / "data"), "--checkpoint", str(tmp_path / "broken")]
    assert export.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "model_fp32.onnx: answers NaN or infinity for 200 of 200 frames" in error and error.count("\n") == 1
    assert not (tmp_path / "out" / "parity.json").exists()


def test_a_file_under_anothers_name_is_recognised(exported: Path, tmp_path: Path) -> None:
    swapped = shutil.copy(exported / "package" / "model_fp32.onnx", tmp_path / "model_int8.onnx")
    assert precision(Path(swapped)) == "fp32"


def test_the_same_checkpoint_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(exported / "data"), "--checkpoint", str(exported / "checkpoint")]
    assert export.main([*arguments, "--out", str(tmp_path)]) == 0
    for name in ("model_fp32.onnx", "model_int8.onnx", "parity.json", "contract.json", "reference.json"):
        assert digest_file(tmp_path / name) == digest_file(exported / "package" / name), name


def test_int8_is_calibrated_on_the_calibration_images_alone(exported: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(exported / "data", tmp_path / "data"))
    dark = np.load(data / "calibration.npz")["images"] // 8
    np.savez(data / "calibration.npz", images=dark, labels=np.load(exported / "data/calibration.npz")["labels"])
    arguments = ["--data", str(data), "--checkpoint", str(exported / "checkpoint"), "--out", str(tmp_path / "out")]
    assert export.main(arguments) == 0
    assert digest_file(tmp_path / "out/model_fp32.onnx") == digest_file(exported / "package/model_fp32.onnx")
    assert digest_file(tmp_path / "out/model_int8.onnx") != digest_file(exported / "package/model_int8.onnx")


def test_a_model_for_one_frame_size_takes_no_other(exported: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(exported / "data"), "--checkpoint", str(exported / "checkpoint")]
    assert export.main([*arguments, "--out", str(tmp_path), "--frame-size", "28"]) == 0
    session = open_session(tmp_path / "model_int8.onnx")
    assert run_frames(session, np.zeros((5, 28, 28, 3), np.uint8)).shape == (5, 10)
    with pytest.raises(VisionError, match="model_int8.onnx: does not run on frames of 40x40x3 .*[Ii]nvalid dimensions"):
        run_frames(session, np.zeros((1, 40, 40, 3), np.uint8))
    assert json.loads((tmp_path / "contract.json").read_text())["input"]["shape"] == [-1, 28, 28, 3]


def test_the_evaluation_can_be_judged_and_its_golden_set_probed(exported: Path) -> None:
    assert run_evaluate(exported, "evaluation") == 0
    evaluation = read_json(Evaluation, exported / "evaluation" / "evaluation.json")
    assert (evaluation.champion, evaluation.test_set.images, evaluation.test_set.data_version) == (None, 200, "d1")
    report = evaluation.challenger.variants["int8"]
    assert report.sha256 == digest_file(exported / "package" / "model_int8.onnx")
    assert sum(map(sum, report.confusion)) == 200
    assert set(report.slices) == {"blur", "noise", "dark", "shifted", "low_resolution"}
    assert read_golden(exported / "evaluation").shape == (16, 28, 28, 3)


def test_challenger_and_champion_are_measured_on_the_same_test_set(exported: Path, tmp_path: Path) -> None:
    champion = Path(shutil.copytree(exported / "package", tmp_path / "champion"))
    seal_package(champion, "m", "0" * 40, "d1", "sha256:1")
    assert run_evaluate(exported, "both", "--champion", str(champion), "--champion-version", "9") == 0
    evaluation = read_json(Evaluation, exported / "both" / "evaluation.json")
    assert evaluation.champion is not None
    assert (evaluation.champion.version, evaluation.champion.release_digest) == (9, package_digest(champion))
    assert evaluation.champion.variants["fp32"].accuracy == evaluation.challenger.variants["fp32"].accuracy


def test_a_champion_that_was_fetched_says_itself_which_it_is(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched = tmp_path / "champion"
    shutil.copytree(exported / "package", fetched / "package")
    seal_package(fetched / "package", "m", "0" * 40, "d1", "sha256:1")
    for known, version in (({"version": 9}, 9), ({"version": None}, None)):
        (fetched / "champion.json").write_text(json.dumps(known))
        assert run_evaluate(exported, "fetched", "--champion", str(fetched)) == 0
        champion = read_json(Evaluation, exported / "fetched" / "evaluation.json").champion
        assert (champion.version if champion else None) == version
    (fetched / "champion.json").write_text("[]")
    capsys.readouterr()
    assert run_evaluate(exported, "fetched", "--champion", str(fetched)) == 1
    assert "champion.json: tells no version: fetch it by `python -m mlops champion`" in capsys.readouterr().err


def test_a_damaged_champion_is_refused_in_one_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    champion = Path(shutil.copytree(exported / "package", tmp_path / "champion"))
    seal_package(champion, "m", "0" * 40, "d1", "sha256:1")
    (champion / "model_int8.onnx").write_bytes(b"cut")
    assert run_evaluate(exported, "damaged", "--champion", str(champion), "--champion-version", "9") == 1
    error = capsys.readouterr().err
    assert "model_int8.onnx" in error and error.count("\n") == 1
    assert not (exported / "damaged" / "evaluation.json").exists()


def test_a_champion_with_another_order_of_labels_is_refused_in_one_line(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    champion = Path(shutil.copytree(exported / "package", tmp_path / "champion"))
    (champion / "labels.json").write_text(json.dumps(LABELS[::-1]))
    seal_package(champion, "m", "0" * 40, "d1", "sha256:1")
    assert run_evaluate(exported, "labels", "--champion", str(champion), "--champion-version", "9") == 1
    error = capsys.readouterr().err
    assert "champion/labels.json: is ['Ankle boot'," in error and error.count("\n") == 1
