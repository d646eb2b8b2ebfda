"""Golden frames as files: what a batch deployment decodes is what the evaluation saw, and what its rows say counts."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_packages import make_package

from mlops.errors import JobError, TargetError
from mlops.goldenfiles import best_only, png, predict_files, write_frames
from mlops.ports import Deployment, ScoredFile
from mlops.probe import Golden, Predictions, read_golden
from mlops.records import DataRecord
from mlops.scored import read_rows, rows_text
from mlops.verification import judge_golden
from serving.images import decode_image

DEPLOYMENT = Deployment("model", 7, "sha256:7", Path("package"), "int8")


class Store:
    """A data store that only counts files."""

    def publish(self, name: str, folder: Path) -> DataRecord:
        return DataRecord(name, str(len(list(folder.iterdir()))), str(folder))

    def fetch(self, name: str, version: str) -> DataRecord:
        raise AssertionError("nothing is to be fetched")


class Rows:
    """A scorer with rows of its own, or an error."""

    def __init__(self, *rows: ScoredFile, error: Exception | None = None) -> None:
        self.rows, self.error = list(rows), error

    def score(self, deployment: Deployment, data: DataRecord) -> list[ScoredFile]:
        if self.error:
            raise self.error
        return self.rows


def _row(file: str, label: str | None = "red", digest: str = "sha256:7", error: str | None = None) -> ScoredFile:
    return ScoredFile(file, label, 0.9 if label else None, error, "model", 7, digest)


@pytest.fixture
def golden() -> Golden:
    frames = base64.b64encode(np.arange(2 * 4 * 3 * 3, dtype=np.uint8).tobytes()).decode()
    expected = Predictions(("red", "red"), ((0.9, 0.1), (0.9, 0.1)))
    return Golden((2, 4, 3, 3), frames, {"int8": expected})


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_frame_comes_back_from_its_file_pixel_by_pixel(width: int, height: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(decode_image(png(frame.tobytes(), width, height)), frame)


def test_each_golden_frame_of_a_package_becomes_a_file(tmp_path: Path) -> None:
    golden = read_golden(make_package(tmp_path / "package"))
    (tmp_path / "out").mkdir()
    names = write_frames(golden, tmp_path / "out")
    frames = np.frombuffer(base64.b64decode(golden.frames_base64), np.uint8).reshape(golden.shape)
    for name, frame in zip(names, frames, strict=True):
        assert np.array_equal(decode_image((tmp_path / "out" / name).read_bytes()), frame)


def test_equal_rows_are_let_through_in_any_order(golden: Golden) -> None:
    seen = predict_files(Rows(_row("0001.png"), _row("0000.png")), Store(), DEPLOYMENT, golden)
    assert judge_golden(best_only(golden), "int8", seen, 0.02).outcome == "promote"


@pytest.mark.parametrize(
    "rows, reason",
    [
        ([_row("0000.png")], "0001.png: has no row"),
        ([_row("0000.png"), _row("0001.png", None, error="cut")], "0001.png: cut"),
        ([_row("0000.png"), _row("0001.png", digest="sha256:6")], "0001.png: was scored by sha256:6, not by sha256:7"),
        ([_row("0000.png"), _row("0001.png", "green")], "1 of 2 labels differ"),
    ],
)
def test_other_rows_are_held_back(rows: list[ScoredFile], reason: str, golden: Golden) -> None:
    seen = predict_files(Rows(*rows), Store(), DEPLOYMENT, golden)
    rule = judge_golden(best_only(golden), "int8", seen, 0.02)
    assert rule.outcome == "reject" and reason in rule.reason


def test_a_score_that_moved_is_held_back(golden: Golden) -> None:
    moved = Golden(golden.shape, golden.frames_base64, {"int8": Predictions(("red", "red"), ((0.8, 0.2),) * 2)})
    seen = predict_files(Rows(_row("0000.png"), _row("0001.png")), Store(), DEPLOYMENT, moved)
    assert judge_golden(best_only(moved), "int8", seen, 0.02).outcome == "reject"


def test_a_script_that_fails_is_the_versions_fault_and_nothing_else_is(golden: Golden) -> None:
    assert predict_files(Rows(error=JobError("its script failed")), Store(), DEPLOYMENT, golden) == "its script failed"
    with pytest.raises(TargetError, match="no quota"):
        predict_files(Rows(error=TargetError("no quota")), Store(), DEPLOYMENT, golden)


def _read(rows: list[ScoredFile], *names: str) -> list[ScoredFile]:
    return read_rows(rows_text(rows).encode(), "job 1", names, DEPLOYMENT)


def test_each_file_has_one_row_under_its_own_name_in_order() -> None:
    names = ["b/2.png", "a/1.png", "b/1\u2028.png", "1.png"]
    rows = [_row(f"/mnt/data/wd/{name}", label) for name, label in zip(names, "wxyz", strict=True)]
    seen = [(row.file, row.label) for row in _read(rows, *names)]
    assert seen == [("1.png", "z"), ("a/1.png", "x"), ("b/1\u2028.png", "y"), ("b/2.png", "w")]


def test_a_file_that_was_scored_again_has_its_last_row() -> None:
    rows = [_row("/a/1.png", None, error="cut"), _row("/a/1.png"), _row("/a/b/1.png")]
    assert [row.label for row in _read(rows, "a/1.png", "b/1.png")] == ["red", "red"]


def test_a_file_that_was_lost_with_its_mini_batch_has_a_row_that_says_so() -> None:
    kept, lost = _read([_row("/a/1.png")], "1.png", "2.png")
    assert kept.error is None
    assert (lost.file, lost.error) == ("2.png", "has no row: its mini-batch failed")
    assert (lost.model_version, lost.digest) == (7, "sha256:7")


def test_a_row_of_another_file_is_named() -> None:
    with pytest.raises(TargetError, match="job 1: row 1: /a/3.png: is no file of the data"):
        _read([_row("/a/3.png")], "1.png", "2.png")


@pytest.mark.parametrize("line", ["no JSON", "[]", "{}", '{"model_version": "7"}', '{"model_version": "seven"}'])
def test_what_is_no_row_is_named(line: str) -> None:
    good = rows_text([_row("a.png")])
    with pytest.raises(TargetError, match="^job 1: row 2: is no row"):
        read_rows(f"{good}{line}\n".encode(), "job 1", ["a.png"], DEPLOYMENT)
