"""The contract file: what it says is read as it is meant, and each mistake in it is named by file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from foreign_models import contract_of, write_contract

from vision.errors import VisionError
from vision.intake.contract import Input, Output, read_contract

GIVEN = contract_of()["input"]


def read(tmp_path: Path, **changes: Any) -> Any:
    return read_contract(write_contract(tmp_path / "contract.yaml", contract_of(**changes)))


def test_a_contract_says_what_the_model_is_given_and_answers(tmp_path: Path) -> None:
    contract = read(tmp_path, input={**GIVEN, "mean": [1, 2.5, 3]}, output={"kind": "logits", "name": "scores"})
    assert contract.input == Input("NCHW", "BGR", (8, 8), (1.0, 2.5, 3.0), (128.0, 128.0, 128.0))
    assert contract.output == Output("logits", "scores")
    assert (contract.labels, contract.mapping) == (("blue", "green", "red"), {})


def test_labels_may_stand_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\n\n dog \n", encoding="utf-8")
    assert read(tmp_path, labels="labels.txt").labels == ("cat", "dog")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"labels": None}, "labels: should be a list of names"),
        ({"labels": ["a"]}, "labels: a classifier has two or more"),
        ({"labels": ["a", "b", "a"]}, "labels: 'a' is there twice"),
        ({"labels": ["a\nb", "c"]}, "labels: 'a\\nb' holds a line break or a like sign"),
        ({"labels": ["a\x1b[2J", "c"]}, "labels: 'a\\x1b[2J' holds a line break or a like sign"),
        ({"mapping": {"blue": "sky\nsea"}}, "mapping: a name holds a line break"),
        ({"labels": ["yes", False]}, "quote numbers, yes and no"),
        ({"labels": "absent.txt"}, "absent.txt: cannot be read"),
        ({"mapping": ["a"]}, "mapping: should be pairs"),
        ({"mapping": {"a": 1}}, "mapping: should be pairs"),
        ({"rocket": 1}, "unknown key 'rocket'"),
        ({"input": []}, "input: should be a mapping"),
        ({"input": {**GIVEN, "layout": "CHW"}}, "input: layout: 'CHW' is unknown: use one of NCHW, NHWC"),
        ({"input": {**GIVEN, "channels": "RGBA"}}, "input: channels: 'RGBA' is unknown"),
        ({"input": {**GIVEN, "channels": []}}, "input: channels: [] is unknown"),
        ({"input": {**GIVEN, "size": 8}}, "input: size: should be [height, width]"),
        ({"input": {**GIVEN, "size": [8, 0]}}, "input: size: should be [height, width]"),
        ({"input": {**GIVEN, "size": [8, 99999]}}, "input: size: should be [height, width]"),
        (
            {"input": {**GIVEN, "mean": [1, 2]}},
            "input: mean: should be a number of pixel units, 0..255, or a list of 3",
        ),
        ({"input": {**GIVEN, "mean": float("nan")}}, "input: mean: should be a number"),
        ({"input": {**GIVEN, "std": 0}}, "input: std: 0 divides nothing"),
        ({"input": {key: GIVEN[key] for key in ("layout", "channels")}}, "input: size is missing"),
        ({"output": {}}, "output: kind is missing"),
        ({"output": {"kind": "scores"}}, "output: kind: 'scores' is unknown: use one of logits, probabilities"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(VisionError) as error:
        read(tmp_path, **changes)
    assert said in str(error.value) and str(tmp_path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"a: [", b"\xff\xfe", b"a: " + b"[" * 5000, b"- a", b"a: 2024-02-30", b"x" * (2 << 20)]
)
def test_what_is_no_contract_at_all_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "contract.yaml"
    path.write_bytes(content)
    with pytest.raises(VisionError, match="contract.yaml: ") as error:
        read_contract(path)
    assert "\n" not in str(error.value)


def test_an_absent_contract_is_named(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="absent.yaml: cannot be read"):
        read_contract(tmp_path / "absent.yaml")
