"""desired.json is changed by many at once, and none of their changes is lost."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from serving.declare import declare, declare_file, only_model, read_desired
from serving.desired import Declared, Desired, DesiredModel
from serving.errors import ServingError


def model(version: str) -> DesiredModel:
    """Return a model of one version, with a shadow."""
    declared = Declared(f"/packages/{version}", "sha256:0", "int8", "openvino")
    return DesiredModel({version: declared, "9": declared}, {version: 100}, "9")


def test_the_first_declaration_is_generation_one_and_is_read_back(tmp_path: Path) -> None:
    directory = tmp_path / "endpoint"
    assert read_desired(directory) == Desired(0, {})
    assert declare(directory, lambda models: {**models, "m": model("1")}) == 1
    assert read_desired(directory) == Desired(1, {"m": model("1")})


def test_what_changes_nothing_is_no_generation(tmp_path: Path) -> None:
    declare(tmp_path, lambda models: {"m": model("1")})
    content = (tmp_path / "desired.json").read_bytes()
    assert declare(tmp_path, lambda models: {"m": model("1")}) == 1
    assert (tmp_path / "desired.json").read_bytes() == content


def test_of_changes_at_once_none_is_lost(tmp_path: Path) -> None:
    def add(name: str) -> None:
        for number in range(20):
            declare(tmp_path, lambda models: {**models, f"{name}{number}": model("1")})

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    desired = read_desired(tmp_path)
    assert (desired.generation, len(desired.models)) == (80, 80)


def test_a_change_that_fails_changes_nothing_and_lets_others_go_on(tmp_path: Path) -> None:
    def fail(models: object) -> dict[str, DesiredModel]:
        raise ServingError("no")

    with pytest.raises(ServingError, match="no"):
        declare(tmp_path, fail)
    assert declare(tmp_path, lambda models: {"m": model("1")}) == 1


def test_a_file_that_cannot_be_read_is_named_and_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "desired.json").write_text(json.dumps({"generation": 5}), encoding="utf-8")
    with pytest.raises(ServingError, match=r"desired.json: it should have the keys .*: mend it or remove it"):
        declare(tmp_path, lambda models: {"m": model("1")})
    assert json.loads((tmp_path / "desired.json").read_text(encoding="utf-8")) == {"generation": 5}


def written(path: Path, models: dict[str, DesiredModel]) -> Path:
    """Return a file like desired.json that declares these models."""
    path.write_text(json.dumps(asdict(Desired(1, models))), encoding="utf-8")
    return path


def test_a_file_is_declared_beside_what_is_declared_already_and_again_is_no_generation(tmp_path: Path) -> None:
    declare(tmp_path, lambda models: {"other": model("1"), "m": model("1")})
    file = written(tmp_path / "given.json", {"m": model("2")})
    assert [declare_file(tmp_path, file), declare_file(tmp_path, file)] == [2, 2]
    assert read_desired(tmp_path) == Desired(2, {"other": model("1"), "m": model("2")})


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_given_file_that_cannot_be_read_is_named_and_nothing_is_declared(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "given.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ServingError, match="given.json: .*mend it or remove it"):
        declare_file(tmp_path / "endpoint", file)
    assert not (tmp_path / "endpoint").exists()


def test_a_stream_is_given_the_one_deployment_and_no_choice(tmp_path: Path) -> None:
    one = DesiredModel({"7": Declared("/models/7", "sha256:7", "int8")}, {"7": 100})
    assert only_model(written(tmp_path / "one.json", {"m": one}))["package"] == "/models/7"
    with pytest.raises(ServingError, match="two.json: declares 2 deployments"):
        only_model(written(tmp_path / "two.json", {"m": model("1")}))
