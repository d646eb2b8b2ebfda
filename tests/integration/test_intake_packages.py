"""What vision.intake leaves in its folder, run as a command: of a checkpoint of our own, of models it half takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_models import LABELS, Foreign, contract_of, make_foreign, make_images, write_contract

from mlops.evaluation import Evaluation
from mlops.loading import read_json
from modelpackage import digest_file
from vision import checkpoint, evaluate
from vision.checkpoint import ModelMeta
from vision.classifier import make_classifier
from vision.intake import making
from vision.intake.command import main
from vision.variants import precision

META = ModelMeta("cnn", 2, LABELS, 70.0, 90.0, 1, 7, "sha256:0")


def take(folder: Path, model: Path, **contract: Any) -> int:
    """Run the command on the images of a folder and return its exit code."""
    said = write_contract(folder / "contract.yaml", contract or contract_of())
    images = folder / "images" if (folder / "images").exists() else make_images(folder / "images")
    flags = {"--model": model, "--contract": said, "--data": images, "--out": folder / "out"}
    return main([str(one) for pair in flags.items() for one in pair])


def own(folder: Path, meta: ModelMeta = META) -> Path:
    """Write a checkpoint with fresh weights and return its folder."""
    torch.manual_seed(3)
    checkpoint.save(folder, make_classifier("cnn", 2, len(meta.labels), meta.mean, meta.std), meta)
    return folder


def test_a_checkpoint_of_our_own_is_exported_and_can_be_evaluated_on_images(tmp_path: Path) -> None:
    model = own(tmp_path / "checkpoint")
    assert take(tmp_path, model, labels=list(LABELS)) == 0
    package = tmp_path / "out" / "package"
    assert {path.name for path in package.iterdir()} == {
        *("contract.json", "labels.json", "parity.json", "reference.json", "intake.json"),
        *("model_fp32.onnx", "model_int8.onnx"),
    }
    assert json.loads((package / "parity.json").read_text())["variants"]["fp32"]["max_abs_diff"] < 1e-3
    flags = ["--data", str(tmp_path / "out" / "data"), "--data-version", "d1", "--package", str(package)]
    assert evaluate.main([*flags, "--out", str(tmp_path / "evaluation")]) == 0
    evaluation = read_json(Evaluation, tmp_path / "evaluation" / "evaluation.json")
    assert evaluation.challenger.labels == LABELS
    assert evaluation.challenger.checkpoint == digest_file(model / "model.pt")


def test_a_checkpoint_knows_its_own_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(tmp_path, own(tmp_path / "checkpoint"), **contract_of()) == 1
    assert "a checkpoint of vision.train knows its own: leave them out" in capsys.readouterr().err


def test_an_onnx_file_needs_its_input_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(tmp_path, make_foreign(tmp_path / "m.onnx"), labels=list(LABELS)) == 1
    assert "input, output: an ONNX file needs them: add them" in capsys.readouterr().err


def test_a_checkpoint_of_other_labels_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(tmp_path, own(tmp_path / "checkpoint"), labels=["red", "green", "blue"]) == 2
    assert "refused: " in capsys.readouterr().err


def test_a_folder_that_is_no_checkpoint_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert take(tmp_path, make_images(tmp_path / "images"), labels=list(LABELS)) == 1
    assert "model.pt: cannot be read" in capsys.readouterr().err


def test_a_refusal_leaves_its_reason_and_the_repairs_and_no_package(tmp_path: Path) -> None:
    assert take(tmp_path, make_foreign(tmp_path / "m.onnx", Foreign(opset=9))) == 0
    assert take(tmp_path, make_foreign(tmp_path / "m.onnx", Foreign(opset=9)), **contract_of(labels=["a", "b"])) == 2
    told = json.loads((tmp_path / "out" / "intake.json").read_text())
    assert "answers 3 numbers a frame" in told["refused"]
    assert [repair["what"] for repair in told["repairs"]] == ["opset 9 converted to 18"]
    assert not (tmp_path / "out" / "package").exists()


def test_a_model_that_is_quantized_already_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"layout": "NHWC", "channels": "RGB", "size": [12, 12], "mean": 0, "std": 1}
    assert take(tmp_path, make_foreign(tmp_path / "m.onnx")) == 0
    again = contract_of(input=given, output={"kind": "logits"})
    packaged = (tmp_path / "out" / "package" / "model_int8.onnx").read_bytes()
    (tmp_path / "int8.onnx").write_bytes(packaged)
    assert take(tmp_path, tmp_path / "int8.onnx", **again) == 2
    assert "is quantized already: hand in the model that it was made from" in capsys.readouterr().err


def test_what_the_quantizer_fails_on_goes_on_as_fp32_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(model: bytes, frames: object) -> bytes:
        raise RuntimeError("no such\nscale")

    monkeypatch.setattr(making, "quantize", fail)
    assert take(tmp_path, make_foreign(tmp_path / "m.onnx")) == 0
    assert "no int8 variant (no such scale): the package holds fp32 only" in capsys.readouterr().out
    package = tmp_path / "out" / "package"
    assert json.loads((package / "intake.json").read_text())["int8"] == "no such scale"
    assert list(json.loads((package / "parity.json").read_text())["variants"]) == ["fp32"]
    assert precision(package / "model_fp32.onnx") == "fp32"


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert take(tmp_path / name, make_foreign(tmp_path / name / "m.onnx", Foreign(opset=9, batch=1))) == 0
    files = sorted((tmp_path / "one" / "out" / "package").iterdir())
    assert files and all(digest_file(path) == digest_file(tmp_path / "two/out/package" / path.name) for path in files)
