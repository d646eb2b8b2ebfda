"""desired.json is changed by many at once, and none of their changes is lost."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from serving.declare import declare, read_desired
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
