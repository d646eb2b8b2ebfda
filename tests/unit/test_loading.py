"""What JSON and YAML hold becomes a dataclass, or an error that names the file and the key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evaluations import duel
from mlops.errors import ConfigError
from mlops.loading import build, read_json, write_json, write_text
from mlops.evaluation import Evaluation


@dataclass(frozen=True)
class Inner:
    share: float


@dataclass(frozen=True)
class Outer:
    name: str
    count: int
    inner: Inner
    many: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = field(default_factory=dict)
    maybe: int | None = None


WHOLE = {"name": "a", "count": 2, "inner": {"share": 1}}


def test_nested_values_are_built_and_defaults_stand() -> None:
    built = build(Outer, {**WHOLE, "many": [{"share": 0.5}], "by_name": {"x": {"share": 0.25}}}, "file")
    assert built == Outer("a", 2, Inner(1.0), (Inner(0.5),), {"x": Inner(0.25)}, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": 1}, "file: unknown key 'colour': known keys are name, count"),
        ({"inner": {}}, "file: inner: share is missing"),
        ({"inner": {"share": 1, "shares": 1}}, "file: inner: unknown key 'shares'"),
        ({"inner": 3}, "file: inner: should be a mapping of share, is 3"),
        ({"inner": None}, "file: inner: should be a mapping"),
        ({"count": "9"}, "file: count: should be int, is '9'"),
        ({"count": 2.0}, "file: count: should be int, is 2.0"),
        ({"count": True}, "file: count: should be int, is True"),
        ({"maybe": "10"}, "file: maybe: should be int, is '10'"),
        ({"inner": {"share": True}}, "file: inner: share: should be float, is True"),
        ({"inner": {"share": None}}, "file: inner: share: should be float, is None"),
        ({"name": None}, "file: name: should be str, is None"),
        ({"many": [{"share": 1}, {"share": "x"}]}, r"file: many\[1\]: share: should be float"),
        ({"many": {"share": 1}}, "file: many: should be list"),
        ({"by_name": {"x": {}}}, "file: by_name.x: share is missing"),
        ({"by_name": []}, "file: by_name: should be dict"),
    ],
)
def test_a_wrong_value_is_refused_with_file_and_key(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(Outer, {**WHOLE, **change}, "file")


@pytest.mark.parametrize("absent", ["name", "count", "inner"])
def test_an_absent_key_is_named(absent: str) -> None:
    with pytest.raises(ConfigError, match=f"file: {absent} is missing"):
        build(Outer, {key: value for key, value in WHOLE.items() if key != absent}, "file")


@pytest.mark.parametrize(
    ("content", "words"), [("{", "is not JSON"), ("[]", "should be a mapping"), (None, "cannot be read")]
)
def test_a_file_that_cannot_be_read_is_named(content: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=f"record.json: {words}") as caught:
        read_json(Inner, path)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_back_the_same(tmp_path: Path) -> None:
    write_json(tmp_path / "new" / "evaluation.json", duel())
    assert read_json(Evaluation, tmp_path / "new" / "evaluation.json") == duel()


def test_a_version_that_is_text_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "evaluation.json", duel())
    plain = json.loads((tmp_path / "evaluation.json").read_text())
    plain["champion"]["version"] = "9"
    write_json(tmp_path / "evaluation.json", plain)
    with pytest.raises(ConfigError, match="champion: version: should be int, is '9'"):
        read_json(Evaluation, tmp_path / "evaluation.json")


def test_writing_leaves_nothing_beside_the_file(tmp_path: Path) -> None:
    write_text(tmp_path / "card.md", "old")
    write_text(tmp_path / "card.md", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["card.md"]
    assert (tmp_path / "card.md").read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "record.json", "{}")
    with pytest.raises(TypeError):
        write_json(tmp_path / "record.json", {"path": Path("x")})
    assert (tmp_path / "record.json").read_text() == "{}"
