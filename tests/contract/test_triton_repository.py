"""Triton's model repository: its config.pbtxt is one by Triton's own schema, and true of the file that it is about."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tritonclient
from google.protobuf import text_format
from model_packages import CLASSES, MODEL, make_package

from modelpackage import PackageError, package_digest, seal_package
from serving import triton
from serving.curve import BatchCurve
from serving.errors import ServingError
from serving.model import Contract, load_model
from serving.tritonconfig import TritonModel, config_text
from serving.v2.metadata import model_metadata


def parsed(text: str) -> Any:
    """Return a config as Triton's protobuf schema reads it, which Triton's client brings along."""
    file = Path(tritonclient.__file__).parent / "grpc" / "model_config_pb2.py"
    schema = getattr(parsed, "schema", None)
    if schema is None:
        spec = importlib.util.spec_from_file_location("model_config_pb2", file)
        assert spec is not None and spec.loader is not None
        schema = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(schema)
        parsed.schema = schema  # type: ignore[attr-defined]
    return text_format.Parse(text, schema.ModelConfig())


def described(engine: str = "onnxruntime", cap: int = 8, **changes: Any) -> TritonModel:
    contract = Contract("frames", (-1, -1, -1, 3), "logits")
    curve = BatchCurve({1: 0.0004, 8: 0.002}, cap)
    return TritonModel(**{"name": MODEL, "version": 7, "engine": engine, **changes}, contract=contract, classes=3,
                       curve=curve, frame=(28, 28, 3))  # fmt: skip


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(tmp_path / "package")


def test_the_repository_serves_the_packages_own_file_under_the_same_names(package: Path, tmp_path: Path) -> None:
    folder = triton.write_repository(triton.Wanted(package, 7), tmp_path / "repository")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        *("7/model.onnx", "config.pbtxt", "labels.txt"),
    ]
    assert (folder / "7/model.onnx").read_bytes() == (package / "model_int8.onnx").read_bytes()
    assert (folder / "labels.txt").read_text().split() == list(CLASSES)
    config = parsed((folder / "config.pbtxt").read_text())
    assert (config.name, config.backend, list(config.version_policy.specific.versions)) == (MODEL, "onnxruntime", [7])
    (given,), (answered,) = config.input, config.output
    assert (given.name, given.data_type, list(given.dims)) == ("frames", 2, [-1, -1, 3])  # TYPE_UINT8
    assert (answered.name, answered.data_type, list(answered.dims)) == ("logits", 11, [3])  # TYPE_FP32
    assert answered.label_filename == "labels.txt" and config.max_batch_size >= 1
    assert config.parameters["intra_op_thread_count"].string_value == "1"


def test_a_client_sends_triton_the_tensor_that_it_sends_the_edge_runtime(package: Path, tmp_path: Path) -> None:
    folder = triton.write_repository(triton.Wanted(package, 7, engine="openvino"), tmp_path / "repository")
    config = parsed((folder / "config.pbtxt").read_text())
    model = load_model(package, package_digest(package), "int8")
    said = model_metadata(MODEL, ["7"], CLASSES, model.contract)
    (given,) = said["inputs"]
    assert (given["name"], given["shape"]) == (config.input[0].name, [-1, *config.input[0].dims])
    answered = {one["name"]: one["shape"] for one in said["outputs"]}
    assert answered[config.output[0].name] == [-1, *config.output[0].dims]
    assert config.backend == "openvino" and (folder / "7/model.onnx").exists()


def test_frames_wait_for_each_other_no_longer_than_one_takes_alone() -> None:
    config = parsed(config_text(described(cap=8)))
    assert list(config.dynamic_batching.preferred_batch_size) == [8]
    assert config.dynamic_batching.max_queue_delay_microseconds == 400
    assert [one.batch_size for one in config.model_warmup] == [1, 8]


def test_a_model_that_gains_nothing_by_a_batch_is_not_batched() -> None:
    config = parsed(config_text(described(cap=1)))
    assert config.max_batch_size == 1 and not config.HasField("dynamic_batching")
    assert [one.batch_size for one in config.model_warmup] == [1]


@pytest.mark.parametrize("engine, backend, file", [
    ("openvino", "openvino", "model.onnx"), ("tensorrt", "tensorrt", "model.plan"),
])  # fmt: skip
def test_each_engine_is_a_backend_of_triton(engine: str, backend: str, file: str) -> None:
    config = parsed(config_text(described(engine, kind="KIND_GPU", instances=2)))
    assert (config.backend, config.default_model_filename) == (backend, file)
    (group,) = config.instance_group
    assert (group.count, group.kind) == (2, group.KIND_GPU)


@pytest.mark.parametrize("spoil", [
    ("max_batch_size: 8", "max_batch: 8"), ("TYPE_UINT8", "TYPE_BYTE"), ("KIND_CPU", "KIND_TPU"), ("[7]", "[latest]"),
    ("input [", "input [["), ('"frames"', "frames"),
])  # fmt: skip
def test_a_config_that_triton_would_not_read_is_found(spoil: tuple[str, str]) -> None:
    text = config_text(described())
    assert spoil[0] in text
    with pytest.raises(text_format.ParseError):
        parsed(text.replace(*spoil))


@pytest.mark.parametrize("change", [
    lambda contract: contract["output"].update(name="scores"),
    lambda contract: contract["input"].update(name="pixels"),
    lambda contract: contract["input"].update(shape=[-1, 32, 32, 3]),
])  # fmt: skip
def test_a_contract_against_the_file_is_refused(tmp_path: Path, change: Any) -> None:
    package = make_package(tmp_path / "package", frame_size=28)
    contract = json.loads((package / "contract.json").read_text())
    change(contract)
    (package / "contract.json").write_text(json.dumps(contract))
    (package / "release.json").unlink()
    seal_package(package, MODEL, "0" * 40, "data", "sha256:0")
    with pytest.raises((ServingError, PackageError)):
        triton.write_repository(triton.Wanted(package, 7), tmp_path / "repository")
    assert not (tmp_path / "repository" / MODEL).exists()


def test_a_damaged_package_another_digest_and_an_unknown_variant_are_refused(package: Path, tmp_path: Path) -> None:
    for wanted in (triton.Wanted(package, 7, digest="sha256:0"), triton.Wanted(package, 7, variant="int4")):
        with pytest.raises(PackageError):
            triton.write_repository(wanted, tmp_path / "repository")
    (package / "labels.json").write_text("[]")
    with pytest.raises(PackageError, match="labels.json"):
        triton.write_repository(triton.Wanted(package, 7), tmp_path / "repository")


def test_an_engine_without_its_file_is_refused(package: Path, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="built where it runs"):
        triton.write_repository(triton.Wanted(package, 7, engine="tensorrt"), tmp_path / "repository")
    with pytest.raises(ServingError, match="unknown to Triton"):
        triton.write_repository(triton.Wanted(package, 7, engine="coreml"), tmp_path / "repository")


def test_the_command_line_replaces_what_was_there_and_says_where(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--package", str(package), "--out", str(tmp_path / "repository")]
    for version in ("6", "7"):
        assert triton.main([*flags, "--version", version, "--variant", "fp32"]) == 0
    assert (tmp_path / "repository" / MODEL / "7").is_dir() and not (tmp_path / "repository" / MODEL / "6").exists()
    assert MODEL in capsys.readouterr().out
    shutil.rmtree(package)
    assert triton.main([*flags, "--version", "8"]) == 1
    assert "error: " in capsys.readouterr().err
