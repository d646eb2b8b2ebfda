"""Capture keeps the frames worth a look, within its budget, redacted or not at all, each whole."""

from __future__ import annotations

import errno
import json
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from model_packages import declared, make_package
from running_endpoint import wait_for
from serving.errors import ServingError
from serving.model import Model, load_model
from serving.streams.budget import HOUR_SECONDS, Account, Budget
from serving.streams.capture import REASONS, Capture, Folder, file_name, load_function
from serving.streams.config import CaptureConfig, ModelSource, StreamsConfig
from serving.streams.ledger import resume, write_account
from serving.streams.outlets import open_outlets

SURE = np.array([0.98, 0.01, 0.01], np.float32)
UNSURE = np.array([0.3, 0.45, 0.25], np.float32)
FRAME = np.full((48, 64, 3), (200, 30, 30), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return a small model."""
    package = make_package(tmp_path_factory.mktemp("capture") / "package")
    return load_model(package, declared(package)["digest"], "int8")


def capture(folder: Path, model: Model, account: Path | None = None, **options: Any) -> Capture:
    """Return a capture into a folder; nothing by chance where a test does not ask for it."""
    return Capture(CaptureConfig(str(folder), **{"random": 0.0, **options}), model, account)


def sidecars(folder: Path) -> list[dict[str, Any]]:
    """Return what the JSON beside each picture says; every picture has one, and each one's picture can be read."""
    jsons, jpegs = (sorted(folder.rglob(f"*.{suffix}")) for suffix in ("json", "jpg"))
    assert [path.with_suffix("") for path in jsons] == [path.with_suffix("") for path in jpegs]
    assert all(simplejpeg.decode_jpeg(path.read_bytes()).ndim == 3 for path in jpegs)
    return [json.loads(path.read_text(encoding="utf-8")) for path in jsons]


def hide(frame: np.ndarray) -> np.ndarray:
    """Paint all of a frame black."""
    return np.zeros_like(frame)


def fail(frame: np.ndarray) -> np.ndarray:
    """Fail as a hook may."""
    raise RuntimeError("no face detector")


def narrow(frame: np.ndarray) -> np.ndarray:
    """Return what is no frame."""
    return frame[..., 0]


def test_an_unsure_frame_is_kept_with_what_the_model_said_and_a_sure_one_is_not(tmp_path: Path, model: Model) -> None:
    keeper = capture(tmp_path, model)
    keeper.offer("gate-1", FRAME, SURE)
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    (told,) = sidecars(tmp_path)
    assert (told["stream"], told["label"], told["reason"]) == ("gate-1", "green", "low_confidence")
    assert (told["digest"], told["variant"]) == (model.digest, "int8")
    assert told["scores"] == pytest.approx({"red": 0.3, "green": 0.45, "blue": 0.25})
    assert keeper.counters()["low_confidence"] == 1
    picture = simplejpeg.decode_jpeg(next(tmp_path.rglob("*.jpg")).read_bytes())
    assert np.abs(picture.astype(int) - FRAME).max() < 12


def test_disagreement_and_chance_are_reasons_too(tmp_path: Path, model: Model) -> None:
    keeper = capture(tmp_path, model, random=1.0)
    keeper.offer("gate-1", FRAME, SURE, disagrees=True)
    keeper.offer("gate-1", FRAME, SURE)
    keeper.close()
    assert sorted(told["reason"] for told in sidecars(tmp_path)) == ["disagreement", "random"]


def test_a_frame_that_changes_after_it_was_offered_is_kept_as_it_was(tmp_path: Path, model: Model) -> None:
    frame = FRAME.copy()
    keeper = capture(tmp_path, model)
    keeper.offer("gate-1", frame, UNSURE)
    frame[:] = 0
    keeper.close()
    assert simplejpeg.decode_jpeg(next(tmp_path.rglob("*.jpg")).read_bytes()).mean() > 50


def test_over_its_budget_frames_are_counted_and_not_kept(tmp_path: Path, model: Model) -> None:
    keeper = capture(tmp_path, model, per_hour=5)
    for _ in range(100):
        keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    told = keeper.counters()
    assert told["low_confidence"] == len(sidecars(tmp_path)) <= 5
    assert told["low_confidence"] + told["over_budget"] + told["dropped"] == 100


def test_a_redacted_frame_is_what_is_kept(tmp_path: Path, model: Model) -> None:
    keeper = capture(tmp_path, model, redact="test_streams_capture:hide")
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    assert len(sidecars(tmp_path)) == 1
    assert simplejpeg.decode_jpeg(next(tmp_path.rglob("*.jpg")).read_bytes()).max() < 8


@pytest.mark.parametrize("hook", ["fail", "narrow"])
def test_a_frame_that_cannot_be_redacted_is_not_kept_and_counted(tmp_path: Path, model: Model, hook: str) -> None:
    keeper = capture(tmp_path, model, redact=f"test_streams_capture:{hook}")
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert keeper.counters()["redact_failures"] == 1


def test_a_writer_that_is_behind_keeps_nobody_waiting(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_free = threading.Event()
    monkeypatch.setattr("test_streams_capture.hide", lambda frame: frame if is_free.wait(60) else frame)
    keeper = capture(tmp_path, model, per_hour=100_000, redact="test_streams_capture:hide")
    for _ in range(200):
        keeper.offer("gate-1", FRAME, UNSURE)
    assert keeper.counters()["dropped"] > 100
    is_free.set()
    keeper.close()
    told = keeper.counters()
    assert told["low_confidence"] == len(sidecars(tmp_path)) == 200 - told["dropped"]


def test_a_folder_that_cannot_be_written_is_counted_and_capture_goes_on(tmp_path: Path, model: Model) -> None:
    keeper = capture(tmp_path / "to", model, per_hour=10_000)
    (tmp_path / "to").rename(tmp_path / "aside")
    (tmp_path / "to").touch()
    keeper.offer("gate-1", FRAME, UNSURE)
    wait_for(lambda: keeper.counters()["write_failures"] == 1)
    (tmp_path / "to").unlink()
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    assert len(sidecars(tmp_path / "to")) == 1


def test_a_disk_that_is_full_halfway_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "no space left")

    Folder(tmp_path).write("gate-1/a.json", b"as it was")
    monkeypatch.setattr(Path, "write_bytes", write_half)
    for name in ("gate-1/a.json", "gate-1/a.jpg"):
        with pytest.raises(OSError, match="no space left"):
            Folder(tmp_path).write(name, b"as it will be")
    assert {path.name: path.read_bytes() for path in (tmp_path / "gate-1").iterdir()} == {"a.json": b"as it was"}


@pytest.mark.parametrize("suffix, there", [("jpg", []), ("json", ["jpg"])])
def test_a_store_that_fails_halfway_has_no_json_without_its_picture(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch, suffix: str, there: list[str]
) -> None:
    class Failing:
        def write(self, name: str, content: bytes) -> None:
            if name.endswith(suffix):
                raise OSError("gone")
            Folder(tmp_path).write(name, content)

    monkeypatch.setattr("serving.streams.capture.open_store", lambda to: Failing())
    keeper = capture(tmp_path, model)
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    assert [path.name.rpartition(".")[2] for path in tmp_path.rglob("*.*") if path.is_file()] == there
    assert (keeper.counters()["write_failures"], keeper.counters()["low_confidence"]) == (1, 0)


def test_a_process_that_starts_again_goes_on_with_the_hour(tmp_path: Path, model: Model) -> None:
    for _ in range(10):
        keeper = capture(tmp_path / "to", model, tmp_path / "capture.json", per_hour=12, below=1.0, random=1.0)
        for _ in range(5):
            keeper.offer("gate-1", FRAME, UNSURE, disagrees=True)
        keeper.close()
    assert 0 < len(sidecars(tmp_path / "to")) <= 12


def test_the_account_lies_beside_the_status(tmp_path: Path, model: Model) -> None:
    source = ModelSource(tmp_path / "package", model.digest, "int8")
    config = StreamsConfig(source, tmp_path, (), capture=CaptureConfig(str(tmp_path / "to")))
    outlets = open_outlets(config, model)
    assert outlets.capture is not None
    outlets.capture.offer("gate-1", FRAME, UNSURE)
    outlets.close(1.0)
    assert len(json.loads((tmp_path / "capture.json").read_text(encoding="utf-8"))["taken"]) == 1


def test_an_account_that_cannot_be_written_keeps_no_frame(tmp_path: Path, model: Model) -> None:
    keeper = capture(tmp_path / "to", model, tmp_path / "nowhere" / "capture.json")
    keeper.offer("gate-1", FRAME, UNSURE)
    keeper.close()
    assert sidecars(tmp_path / "to") == [] and keeper.counters()["write_failures"] == 1


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"time": 1}', '{"time": 1, "saved": {"random": "x"}, "taken": []}', '{"time": 1, "saved": []}'],
)
def test_an_account_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "capture.json").write_text(content, encoding="utf-8")
    budget = Budget(60, REASONS, 100.0)
    resume(budget, tmp_path / "capture.json", 100.0)
    assert budget.account(100.0) == Budget(60, REASONS, 100.0).account(100.0)


def test_an_account_is_as_old_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def resumed(seconds: float) -> list[float]:
        monkeypatch.setattr("time.time", lambda: 1e9 + seconds)
        budget = Budget(2, REASONS, 0.0)
        resume(budget, tmp_path / "capture.json", 50.0)
        return list(budget.account(50.0).taken)

    monkeypatch.setattr("time.time", lambda: 1e9)
    write_account(tmp_path / "capture.json", Account({}, [1800.0, 60.0]))
    assert resumed(600.0) == [2400.0, 660.0]
    assert resumed(-600.0) == [1800.0, 60.0], "a clock that was set back"
    assert resumed(1800.0) == [1860.0]


@pytest.mark.parametrize(
    "name", ["no.such.module:f", "json:no_such", "json", "json:__name__", "test_streams_capture:REASONS"]
)
def test_a_hook_that_is_not_there_is_told_at_the_start(name: str) -> None:
    with pytest.raises(ServingError, match=f"capture: redact: {name}"):
        load_function(name)


@pytest.mark.parametrize("wrong", [{"per_hour": -1}, {"below": 1.5}, {"below": -0.1}, {"random": 5.0}])
def test_a_number_out_of_its_range_is_told_at_the_start(tmp_path: Path, model: Model, wrong: dict[str, float]) -> None:
    with pytest.raises(ServingError, match=f"capture: {next(iter(wrong))}: .* is not between 0 and"):
        capture(tmp_path, model, **wrong)


def test_a_folder_that_is_a_file_is_told_at_the_start(tmp_path: Path, model: Model) -> None:
    (tmp_path / "to").touch()
    with pytest.raises(ServingError, match="give a folder that can be written"):
        capture(tmp_path / "to", model)


def test_a_name_of_a_stream_stays_within_the_folder() -> None:
    assert file_name("../../etc/x", 0.0) == "_.._etc_x/19700101T000000.000000Z"
    assert file_name("..", 1.5) == "_/19700101T000001.500000Z"


def spend(budget: Budget, per_second: dict[str, float], hours: int) -> list[tuple[float, str]]:
    """Ask for each reason as often as given, at random, and return what was granted, with its time."""
    chance, granted = random.Random(1), []
    for second in range(int(hours * HOUR_SECONDS)):
        for reason, rate in per_second.items():
            if chance.random() < rate and budget.take(reason, float(second)):
                granted.append((float(second), reason))
    return granted


@pytest.mark.parametrize("per_hour", [0, 1, 6, 60])
def test_no_hour_has_more_than_its_budget_however_often_the_process_starts(per_hour: int) -> None:
    chance, times = random.Random(1), []
    budget = Budget(per_hour, REASONS, 0.0)
    for second in range(int(3 * HOUR_SECONDS)):
        if chance.random() < 0.01:
            account, budget = budget.account(second), Budget(per_hour, REASONS, -7.0)
            budget.resume(account, 0.0, second)
        times += [second for reason in REASONS if budget.take(reason, float(second))]
    assert len(times) >= per_hour
    for index, time in enumerate(times):
        assert sum(time <= other < time + HOUR_SECONDS for other in times[index : index + per_hour + 1]) <= per_hour


@pytest.mark.parametrize("per_hour", [0, 1, 2, 6, 60, 1000])
def test_no_hour_has_more_than_its_budget(per_hour: int) -> None:
    times = [time for time, _ in spend(Budget(per_hour, REASONS, 0.0), dict.fromkeys(REASONS, 1.0), 3)]
    assert len(times) >= per_hour
    for index, time in enumerate(times):
        assert sum(time <= other < time + HOUR_SECONDS for other in times[index : index + per_hour + 1]) <= per_hour


def test_reasons_that_are_all_frequent_have_equal_parts() -> None:
    reasons = [reason for _, reason in spend(Budget(60, REASONS, 0.0), dict.fromkeys(REASONS, 1.0), 4)]
    for reason in REASONS:
        assert reasons.count(reason) == pytest.approx(len(reasons) / 3, abs=4)


def test_a_frequent_reason_leaves_room_for_a_rare_one_and_takes_what_the_rare_one_leaves() -> None:
    rates = {"low_confidence": 1.0, "disagreement": 1 / 900}
    reasons = [reason for _, reason in spend(Budget(60, REASONS, 0.0), rates, 4)]
    asked = [reason for _, reason in spend(Budget(10**6, REASONS, 0.0), rates, 4)]
    assert reasons.count("disagreement") >= 0.8 * asked.count("disagreement") > 0
    assert len(reasons) > 0.8 * 60 * 4
