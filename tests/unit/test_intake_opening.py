"""What a stranger's file may be: each kind that can't be taken is refused in one line, and nothing in it is run."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from foreign_models import Foreign, make_foreign
from onnx import TensorProto, helper

from vision.errors import VisionError
from vision.intake import opening
from vision.intake.opening import open_model
from vision.intake.refusal import Refused


class Trap:
    """What a hostile pickle does where somebody loads it."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("sprung"),)  # type: ignore[return-value]


def pickled() -> bytes:
    return pickle.dumps(Trap())


def zipped_torch() -> bytes:
    stream = io.BytesIO()
    torch.save({"weights": torch.zeros(2)}, stream)
    return stream.getvalue()


def zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", bytes(1 << 24))
    return stream.getvalue()


def model_bytes(tmp_path: Path, **changes: object) -> bytes:
    return make_foreign(tmp_path / "good.onnx", **changes).read_bytes()


def refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(Refused) as refusal:
        open_model(path)
    assert str(refusal.value).startswith(str(path)) and "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    "content, said",
    [
        (pickled(), "a pickle, mostly a PyTorch checkpoint or TorchScript: such files hold code that runs"),
        (zipped_torch(), "a zip archive, mostly a PyTorch checkpoint or TorchScript"),
        (zip_bomb(), "so it is never opened: export it by torch.onnx.export"),
        (b"\x89HDF\r\n\x1a\n", "a Keras file: convert it by tf2onnx"),
        (b"\x1c\0\0\0TFL3", "a TensorFlow Lite file"),
        (b"\x1f\x8b\x08", "compressed: unpack it first"),
        ((60).to_bytes(8, "little") + b'{"weights":', "a safetensors file"),
        (b"", "holds no network, or only a part of one"),
        (b"not a model at all", "is no ONNX file, or only a part of one"),
    ],
)
def test_another_format_is_refused_with_a_way_to_onnx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(tmp_path, content)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    content = model_bytes(tmp_path)
    assert "copy it again" in refused(tmp_path, content[: int(len(content) * share)])


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGEST_MODEL", 1 << 20)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("was read"))
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(5 << 20)  # a hole: it takes no space
    with pytest.raises(Refused, match="has 5 MiB, 1 are allowed"):
        open_model(path)


def test_a_file_that_is_absent_is_an_error_and_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="cannot be read") as error:
        open_model(tmp_path / "absent.onnx")
    assert not isinstance(error.value, Refused)


def test_an_opset_newer_than_the_runtime_names_the_one_to_export_with(tmp_path: Path) -> None:
    path = make_foreign(tmp_path / "model.onnx", Foreign(opset=onnx.defs.onnx_opset_version() + 1))
    with pytest.raises(Refused, match=r"opset \d+ is newer than ONNX Runtime .* export it with opset_version=\d+$"):
        open_model(path)


def test_a_newer_version_of_the_format_is_refused(tmp_path: Path) -> None:
    path = make_foreign(tmp_path / "model.onnx", ir_version=99)
    with pytest.raises(Refused, match="IR version 99 is not one that ONNX Runtime"):
        open_model(path)


def test_operators_of_no_standard_are_named(tmp_path: Path) -> None:
    model = onnx.load(make_foreign(tmp_path / "good.onnx"))
    model.graph.node[0].domain, model.graph.node[0].op_type = "com.acme", "FastConv"
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    assert "(com.acme.FastConv): export it without them" in refused(tmp_path, model.SerializeToString())


def test_operators_inside_a_branch_are_named_too(tmp_path: Path) -> None:
    model = onnx.load(make_foreign(tmp_path / "good.onnx"))
    inner = helper.make_node("Hidden", [], ["inner"], domain="com.acme")
    value = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])
    branch = helper.make_graph([inner], "branch", [], [value])
    model.graph.node.append(helper.make_node("If", ["c"], ["unused"], then_branch=branch, else_branch=branch))
    assert "com.acme.Hidden" in refused(tmp_path, model.SerializeToString())


def test_a_graph_that_is_not_valid_is_refused(tmp_path: Path) -> None:
    model = onnx.load(make_foreign(tmp_path / "good.onnx"))
    model.graph.node[1].input[0] = "nothing"
    assert "is not valid ONNX" in refused(tmp_path, model.SerializeToString())


def external(tmp_path: Path, location: str = "weights.bin") -> Path:
    path = make_foreign(tmp_path / "model.onnx")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_a_file_beside_the_model_are_taken_in(tmp_path: Path) -> None:
    model, files = open_model(external(tmp_path))
    assert files == ["weights.bin"]
    expected = onnx.load(make_foreign(tmp_path / "other" / "model.onnx"))
    for one, two in zip(model.graph.initializer, expected.graph.initializer, strict=True):
        assert np.array_equal(onnx.numpy_helper.to_array(one), onnx.numpy_helper.to_array(two))


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "linked.bin", "absent.bin"])
def test_weights_outside_the_models_folder_are_not_read(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    path = external(folder, location)
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    (folder / "linked.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(Refused, match="stand outside its folder|is missing"):
        open_model(path)


def test_a_small_file_named_many_times_over_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = external(tmp_path)
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer.extend([model.graph.initializer[0]] * 1000)
    for tensor in model.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "length").value = str(1 << 20)
    path.write_bytes(model.SerializeToString())
    monkeypatch.setattr(opening, "LARGEST_MODEL", path.stat().st_size)
    with pytest.raises(Refused, match="its weights have .* MiB"):
        open_model(path)


def test_a_cut_file_of_weights_is_refused(tmp_path: Path) -> None:
    path = external(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"cut")
    with pytest.raises(Refused, match="copy all its files again"):
        open_model(path)
