"""The parts of Azure ML's scoring scripts: the package is found and checked, each file gets a row, whatever it is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azureml_servers import variables
from model_packages import MODEL, make_package
from running_endpoint import picture

from modelpackage import PackageError, package_digest
from serving.azureml import batch, folder
from serving.azureml.answering import answer
from serving.azureml.loading import find_package, load_served
from serving.deployments import ServedModel
from serving.errors import ServingError
from serving.http.message import Request

RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "deep" / "er" / "package")


@pytest.fixture(scope="module")
def served(package: Path) -> ServedModel:
    return load_served({**variables(package), "AZUREML_MODEL_DIR": str(package.parents[2])})


@pytest.fixture(autouse=True)
def deployment(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment variables of a deployment."""
    for name, value in {**variables(package), "AZUREML_MODEL_DIR": str(package.parents[2])}.items():
        monkeypatch.setenv(name, value)


def _rows(files: list[str]) -> list[dict[str, Any]]:
    return [json.loads(row) for row in batch.run(files)]


def _write(path: Path, content: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def test_what_is_served_is_named_by_model_version_and_digest(served: ServedModel, package: Path) -> None:
    (one,) = served.deployments
    assert (served.name, one.version, one.state) == (MODEL, "7", "ready")
    assert one.declared.digest == package_digest(package)


def test_a_package_may_be_the_model_folder_itself_and_is_told_from_others_by_its_digest(tmp_path: Path) -> None:
    one, other = make_package(tmp_path / "one"), make_package(tmp_path / "other", version_bias=1.0)
    assert find_package(one, package_digest(one)) == one
    assert find_package(tmp_path, package_digest(other)) == other


@pytest.mark.parametrize("name", ["VISIONLINE_VERSION", "VISIONLINE_DIGEST", "VISIONLINE_VARIANT", "AZUREML_MODEL_DIR"])
def test_each_variable_is_needed(name: str, package: Path) -> None:
    given = {**variables(package), "AZUREML_MODEL_DIR": str(package)}
    with pytest.raises(ServingError, match=f"{name}: is not set"):
        load_served({**given, name: ""})


def test_a_folder_without_a_package_is_named(tmp_path: Path, package: Path) -> None:
    with pytest.raises(ServingError, match="holds no release.json"):
        find_package(tmp_path, package_digest(package))


def test_another_package_is_named_with_its_digest(package: Path) -> None:
    with pytest.raises(ServingError, match=f"holds no package sha256:0, but .*{package_digest(package)}"):
        find_package(package, "sha256:0")


def test_a_file_that_was_added_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package")
    (package / "more.txt").write_text("", encoding="utf-8")
    with pytest.raises(PackageError, match="more.txt"):
        load_served({**variables(package), "AZUREML_MODEL_DIR": str(package)})


def test_bytes_of_json_without_a_content_type_are_an_infer_request(served: ServedModel) -> None:
    asked = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [0, 255, 0]}]}
    response = answer(Request("POST", "/score", "", {}, b"\n " + json.dumps(asked).encode(), time.monotonic()), served)
    outputs = {output["name"]: output["data"] for output in json.loads(response.body)["outputs"]}
    assert (response.status, outputs["label"]) == (200, ["green"])


def test_each_file_gets_a_row_in_order(tmp_path: Path, package: Path) -> None:
    batch.init()
    files = [_write(tmp_path / f"{n}.png", picture(colour)) for n, colour in enumerate([BLUE, RED, GREEN] * 13)]
    rows = _rows(files)
    assert [row["file"] for row in rows] == files
    assert [row["label"] for row in rows] == ["blue", "red", "green"] * 13
    assert {(row["model"], row["model_version"], row["digest"], row["error"]) for row in rows} == {
        (MODEL, "7", package_digest(package), None)
    }
    assert all(0.9 < row["score"] <= 1 for row in rows)


def test_a_row_says_the_same_as_an_answer(tmp_path: Path, served: ServedModel) -> None:
    batch.init()
    image = picture(RED, kind="JPEG")
    (row,) = _rows([_write(tmp_path / "a.jpg", image)])
    said = json.loads(answer(Request("POST", "/score", "", {}, image, time.monotonic()), served).body)
    assert (row["label"], row["model_version"], row["digest"]) == (said["label"], said["model_version"], said["digest"])
    assert row["score"] == pytest.approx(said["score"])


def test_bad_files_are_named_with_their_reasons_and_cost_the_others_nothing(tmp_path: Path) -> None:
    batch.init()
    good = picture(RED)
    large = tmp_path / "large.png"
    large.touch()
    os.truncate(large, batch.MOST_BYTES + 1)
    files = {
        _write(tmp_path / "cut.png", good[:60]): "cut or damaged",
        _write(tmp_path / "a.png", good): None,
        _write(tmp_path / "empty.png", b""): "",
        _write(tmp_path / "notes.txt", b"no image"): "",
        str(tmp_path / "absent.png"): "cannot be read: No such file",
        str(tmp_path): "cannot be read: Is a directory",
        str(large): f"the file has {batch.MOST_BYTES + 1} bytes",
        _write(tmp_path / "b.png", picture(BLUE, (7, 5))): None,
    }
    rows = _rows(list(files))
    assert [row["file"] for row in rows] == list(files)
    assert [row["label"] for row in rows] == [None, "red", None, None, None, None, None, "blue"]
    for row, reason in zip(rows, files.values(), strict=True):
        assert (row["error"] is None) == (reason is None)
        assert (row["score"] is None) == (reason is not None)
        assert reason is None or reason in row["error"]


def test_a_frame_that_the_model_fails_on_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path / "package", frame_size=28)
    for name, value in {**variables(package), "AZUREML_MODEL_DIR": str(package)}.items():
        monkeypatch.setenv(name, value)
    batch.init()
    sizes = [(28, 28), (30, 28), (28, 28)]
    rows = _rows([_write(tmp_path / f"{n}.png", picture(RED, size)) for n, size in enumerate(sizes)])
    assert [row["label"] for row in rows] == ["red", None, "red"]
    assert rows[1]["error"].startswith("ModelError: ")


def test_an_empty_mini_batch_has_no_rows() -> None:
    batch.init()
    assert batch.run([]) == []


def test_a_row_is_one_line_whatever_the_file_is_called(tmp_path: Path) -> None:
    batch.init()
    names = ['a b, "c".png', "new\nline.png", os.fsdecode(b"\xff.png"), "ü.png"]
    rows = batch.run([_write(tmp_path / name, picture(GREEN)) for name in names])
    assert all("\n" not in row for row in rows)
    assert [json.loads(row)["label"] for row in rows] == ["green"] * 4
    assert [Path(json.loads(row)["file"]).name for row in rows] == [*names[:2], "\ufffd.png", names[3]]


def test_a_folder_is_scored_in_mini_batches_without_its_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", ".hidden.png", "b/.git/x.png"):
        _write(tmp_path / name, picture(BLUE))
    rows = [json.loads(row) for row in folder.score_folder(tmp_path, 1)]
    assert [row["file"] for row in rows] == [str(tmp_path / "a/1.png"), str(tmp_path / "b/2.png")]


def test_a_folder_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="holds no files"):
        list(folder.score_folder(tmp_path, 8))


def test_frames_of_one_mini_batch_are_scored_as_they_would_be_alone(tmp_path: Path) -> None:
    batch.init()
    random = np.random.default_rng(5).integers(0, 256, (20, 3))
    files = [_write(tmp_path / f"{n}.png", picture(tuple(colour), (9, 9))) for n, colour in enumerate(random.tolist())]
    together, alone = _rows(files), [_rows([file])[0] for file in files]
    assert [row["label"] for row in together] == [row["label"] for row in alone]
    assert [row["score"] for row in together] == pytest.approx([row["score"] for row in alone])
