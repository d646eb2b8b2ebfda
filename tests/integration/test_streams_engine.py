"""All streams in one process: files to their end, cameras through what befalls them, and nothing lost unseen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_packages import make_package
from modelpackage import package_digest
from running_endpoint import wait_for
from serving.curve import BatchCurve
from serving.model import Model, load_model
from serving.streams.config import StreamSource
from serving.streams.engine import Engine
from serving.streams.outlets import Outlets
from serving.streams.overview import Overview
from serving.streams.scorer import Models
from serving.streams.source import Opened, open_source
from stream_clips import BLACK, BLUE, GREEN, RED, Lines, make_clip, plain_clip, scene, web_camera


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return a model that names the strongest colour."""
    package = make_package(tmp_path_factory.mktemp("engine") / "package")
    return load_model(package, package_digest(package), "fp32")


def make_engine(model: Model, *streams: StreamSource, scorers: int = 2, **outlets: Any) -> tuple[Engine, Lines]:
    """Return an engine and the outbox that all its messages go to."""
    lines = Lines()
    return Engine(streams, [Models(model)] * scorers, Outlets("sha256:d", "fp32", [lines], **outlets)), lines


def run(engine: Engine) -> Overview:
    """Run an engine to its end and return the last overview."""
    engine.run(lambda overview: None)
    return engine.overview()


@contextmanager
def running(engine: Engine) -> Iterator[Engine]:
    """Run an engine beside the test, and stop it as SIGTERM does."""
    thread = threading.Thread(target=engine.run, args=(lambda overview: None,))
    thread.start()
    try:
        yield engine
    finally:
        engine.stop()
        thread.join()


def assert_nothing_is_lost(overview: Overview) -> None:
    """Hold, for each stream, that each decoded frame is in exactly one of the numbers."""
    for stream in overview.streams:
        counts = stream.shelf.counts
        assert counts.decoded == counts.skipped + counts.shed.total() + counts.scored + stream.shelf.waiting
        assert stream.shelf.waiting == 0 or stream.state == "live"


def camera(name: str, url: str, **fields: Any) -> StreamSource:
    """Return a camera's stream, which is short of patience."""
    return StreamSource(name, url, **{"timeout_seconds": 1.0, **fields})


def test_files_are_scored_frame_by_frame_in_order_and_lose_nothing(model: Model, tmp_path: Path) -> None:
    clips = {name: plain_clip(tmp_path / f"{name}.mp4", colour, 60) for name, colour in (("a", RED), ("b", BLUE))}
    engine, lines = make_engine(model, *(StreamSource(name, str(clip), pace="none") for name, clip in clips.items()))
    overview = run(engine)
    assert_nothing_is_lost(overview)
    assert engine.failures() == {}
    for name, label in (("a", "red"), ("b", "blue")):
        results = lines.messages("result", name)
        assert [one["sequence"] for one in results] == list(range(60))
        assert {one["label"] for one in results} == {label}
        assert lines.events(name) == ["connected", "ended"]
    assert set(results[0]) == {
        *("kind", "stream", "sequence", "captured", "age_ms", "label", "score"),
        *("digest", "variant"),
    }


def test_a_file_thins_out_to_the_rate_that_is_asked_for(model: Model, tmp_path: Path) -> None:
    clip = plain_clip(tmp_path / "a.mp4", RED, 50)
    engine, lines = make_engine(model, StreamSource("a", str(clip), pace="none", fps=5))
    overview = run(engine)
    assert [one["sequence"] for one in lines.messages("result")] == list(range(0, 50, 5))
    assert overview.streams[0].shelf.counts.skipped == 40
    assert_nothing_is_lost(overview)


def test_only_the_region_is_scored(model: Model, tmp_path: Path) -> None:
    frame = scene(RED)
    frame[20:40, 30:60] = GREEN
    clip = make_clip(tmp_path / "a.mp4", [frame] * 10)
    engine, lines = make_engine(model, StreamSource("a", str(clip), pace="none", region=(30, 20, 30, 20)))
    run(engine)
    assert {one["label"] for one in lines.messages("result")} == {"green"}


def test_streams_of_several_sizes_run_side_by_side(model: Model, tmp_path: Path) -> None:
    sizes = ((96, 64), (64, 48), (160, 96))
    clips = [make_clip(tmp_path / f"{w}.mp4", [scene(BLUE, (w, h), seed=n) for n in range(20)]) for w, h in sizes]
    engine, lines = make_engine(model, *(StreamSource(clip.stem, str(clip), pace="none") for clip in clips))
    assert_nothing_is_lost(run(engine))
    assert len(lines.messages("result")) == 60


def test_what_a_file_lacks_is_said_and_the_other_streams_run_to_their_end(model: Model, tmp_path: Path) -> None:
    clip = plain_clip(tmp_path / "good.mp4", RED, 30)
    (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    bad = [StreamSource(name, str(tmp_path / f"{name}.mp4"), pace="none") for name in ("nothing", "text", "cut")]
    outside = StreamSource("outside", str(clip), pace="none", region=(90, 0, 20, 20))
    engine, lines = make_engine(model, StreamSource("good", str(clip), pace="none"), *bad, outside)
    assert_nothing_is_lost(run(engine))
    assert len(lines.messages("result", "good")) == 30
    failures = engine.failures()
    assert set(failures) == {"nothing", "text", "cut", "outside"}
    assert all("cannot be read" in failures[one.name] for one in bad)
    assert "is not inside the frame of 96x64" in failures["outside"]
    assert lines.events("nothing") == ["failed"]


def test_whatever_a_source_raises_is_its_own_trouble(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_or_raise(stream: StreamSource) -> Opened:
        if stream.name == "odd":
            raise MemoryError("no room for\na frame")
        return open_source(stream)

    monkeypatch.setattr("serving.streams.camera.open_source", open_or_raise)
    clip = plain_clip(tmp_path / "a.mp4", RED, 30)
    engine, lines = make_engine(model, *(StreamSource(name, str(clip), pace="none") for name in ("odd", "even")))
    run(engine)
    assert engine.failures() == {"odd": "MemoryError: no room for a frame"}
    assert len(lines.messages("result", "even")) == 30


def test_a_frame_that_the_model_cannot_score_is_counted_and_the_stream_is_named(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package", frame_size=28)
    narrow = load_model(package, package_digest(package), "fp32")
    good = make_clip(tmp_path / "good.mp4", [scene(RED, (28, 28), seed=n) for n in range(10)])
    wide = plain_clip(tmp_path / "wide.mp4", RED, 10)
    engine, lines = make_engine(narrow, *(StreamSource(one.stem, str(one), pace="none") for one in (good, wide)))
    overview = run(engine)
    assert_nothing_is_lost(overview)
    assert {one.shelf.name: one.shelf.counts.shed["failed"] for one in overview.streams} == {"good": 0, "wide": 10}
    assert list(engine.failures()) == ["wide"]
    assert "does not run on [1, 64, 96, 3]" in engine.failures()["wide"]
    assert lines.events("wide").count("failed") == 1


def test_a_defect_in_a_thread_ends_the_run_with_the_defect(model: Model, tmp_path: Path) -> None:
    class Broken(Lines):
        def put(self, line: bytes) -> None:
            if b'"result"' in line:
                raise ZeroDivisionError

    clip = plain_clip(tmp_path / "a.mp4", RED, 30)
    engine = Engine([StreamSource("a", str(clip), pace="none")], [Models(model)], Outlets("d", "fp32", [Broken()]))
    with pytest.raises(ZeroDivisionError):
        run(engine)


def test_under_overload_frames_are_shed_by_priority_and_each_is_counted(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.streams.capacity.measure", lambda *_: BatchCurve({1: 0.02}, 1))
    slowed = slow(model)
    clip = plain_clip(tmp_path / "a.mp4", RED, 100, fps=100)
    streams = [StreamSource(name, str(clip), priority=priority) for name, priority in (("low", 1), ("high", 3))]
    engine, lines = make_engine(slowed, *streams, scorers=1)
    overview = run(engine)
    assert_nothing_is_lost(overview)
    counts = {stream.shelf.name: stream.shelf.counts for stream in overview.streams}
    assert counts["low"].shed.total() > counts["high"].shed.total()
    assert set(counts["low"].shed) <= {"overload", "stale"}
    assert counts["high"].scored > 1.5 * counts["low"].scored


def test_frames_are_shown_to_capture_and_drift_and_a_shadow_is_compared(model: Model, tmp_path: Path) -> None:
    class Shown:
        def __init__(self) -> None:
            self.offered: list[tuple[str, tuple[int, ...], int, bool]] = []
            self.updated: list[tuple[str, tuple[int, ...], int]] = []

        def offer(self, stream: str, frame: Any, probabilities: Any, disagrees: bool = False) -> None:
            self.offered.append((stream, frame.shape, int(probabilities.argmax()), disagrees))

        def update(self, stream: str, frame: Any, logits: Any) -> None:
            self.updated.append((stream, frame.shape, int(logits.argmax())))

        def summary(self) -> list[dict[str, Any]]:
            return [{"stream": "a", "brightness": 1.5}]

        def counters(self) -> dict[str, int]:
            return {"random": len(self.offered)}

        def close(self) -> None:
            pass

    package = make_package(tmp_path / "shadow", version_bias=99.0)
    shadow = load_model(package, package_digest(package), "fp32")
    clip = make_clip(tmp_path / "a.mp4", [scene(colour, seed=n) for n in range(10) for colour in (RED, BLUE)])
    shown, lines = Shown(), Lines()
    outlets = Outlets("sha256:d", "fp32", [lines], shown, shown)  # type: ignore[arg-type, list-item]
    engine = Engine([StreamSource("a", str(clip), pace="none")], [Models(model, shadow)] * 2, outlets)
    view = run(engine).outlets
    outlets.close(1.0)
    assert sorted(shown.offered) == [("a", (64, 96, 3), 0, False)] * 10 + [("a", (64, 96, 3), 2, True)] * 10
    assert 0 < len(shown.updated) <= 20 and set(shown.updated) <= {one[:3] for one in shown.offered}
    assert (view.disagreements, view.capture) == (10, {"random": 20})
    assert [one["brightness"] for one in lines.messages("drift")] == [1.5]
    assert lines.is_closed


def slow(model: Model) -> Model:
    """Return a model that takes 20 ms for each frame."""
    wait = threading.Event()

    def run_slowly(frames: np.ndarray) -> Any:
        wait.wait(0.02 * len(frames))
        return model.run(frames)

    fields = {name: getattr(model, name) for name in model.__dataclass_fields__}
    return Model(**{**fields, "run": run_slowly})


def test_a_stop_scores_what_waits_and_ends(model: Model, tmp_path: Path) -> None:
    clip = plain_clip(tmp_path / "a.mp4", RED, 250)
    engine, lines = make_engine(model, StreamSource("a", str(clip)))
    with running(engine):
        wait_for(lambda: lines.messages("result"))
    assert_nothing_is_lost(engine.overview())
    assert lines.events("a") == ["connected", "stopped"]
    assert 0 < len(lines.messages("result")) < 250


@pytest.mark.parametrize("fault", ["is_dead", "is_silent"])
def test_a_camera_that_drops_comes_back_and_the_others_do_not_notice(model: Model, fault: str) -> None:
    with web_camera() as bad, web_camera() as good:
        engine, lines = make_engine(model, camera("bad", bad.url), camera("good", good.url))
        with running(engine):
            wait_for(lambda: lines.messages("result", "bad") and lines.messages("result", "good"))
            setattr(bad, fault, True)
            wait_for(lambda: "dropped" in lines.events("bad"))
            seen, last = len(lines.messages("result", "good")), len(lines.messages("result", "bad"))
            wait_for(lambda: len(lines.messages("result", "good")) > seen + 20)
            setattr(bad, fault, False)
            wait_for(lambda: "recovered" in lines.events("bad"))
            wait_for(lambda: len(lines.messages("result", "bad")) > last)
        assert lines.events("good") == ["connected", "stopped"]
        assert lines.events("bad")[:2] == ["connected", "dropped"]
        sequence = [one["sequence"] for one in lines.messages("result", "bad")]
        assert sequence == sorted(set(sequence))
        assert_nothing_is_lost(engine.overview())


@pytest.mark.parametrize(
    "kind, harm, cure",
    [
        ("frozen", {"is_frozen": True}, {"is_frozen": False}),
        ("black", {"colour": BLACK}, {"colour": RED}),
    ],
)
def test_a_bad_picture_is_reported_and_the_source_opened_again(
    model: Model, kind: str, harm: dict[str, Any], cure: dict[str, Any]
) -> None:
    with web_camera() as web:
        engine, lines = make_engine(model, camera("a", web.url, frozen_seconds=1, black_seconds=1))
        with running(engine):
            wait_for(lambda: lines.messages("result"))
            vars(web).update(harm)
            wait_for(lambda: kind in lines.events("a") and web.connections > 1)
            assert engine.overview().streams[0].state in (kind, "dropped")
            vars(web).update(cure)
            wait_for(lambda: "recovered" in lines.events("a"))
            assert engine.overview().streams[0].state == "live"
        assert lines.events("a").count(kind) == 1


def test_a_change_of_size_is_reported_and_scored_on(model: Model) -> None:
    with web_camera() as web:
        engine, lines = make_engine(model, camera("a", web.url))
        with running(engine):
            wait_for(lambda: lines.messages("result"))
            web.size, web.colour = (64, 48), BLUE
            wait_for(lambda: [one for one in lines.messages("result") if one["label"] == "blue"])
            wait_for(lambda: "resized" in lines.events("a"))
        (event,) = [one for one in lines.messages("event") if one["event"] == "resized"]
        assert event["detail"] == "from 96x64 to 64x48"


@pytest.mark.parametrize("is_there", [True, False])
def test_while_a_new_size_is_measured_the_other_streams_go_on(
    model: Model, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    measured: list[tuple[int, ...]] = []

    def measure(run: Any, frame_shape: tuple[int, ...], *_: Any) -> BatchCurve:
        if frame_shape == (48, 64, 3):
            seen = len(lines.messages("result", "steady"))
            wait_for(lambda: len(lines.messages("result", "steady")) > seen + 10)
        measured.append(frame_shape)
        return BatchCurve({1: 0.001}, 1)

    monkeypatch.setattr("serving.streams.capacity.measure", measure)
    with web_camera() as steady, web_camera() as other:
        other.is_dead = not is_there  # it comes later, or is there and changes its size
        cameras = camera("steady", steady.url), camera("other", other.url)
        engine, lines = make_engine(model, *cameras, scorers=1)
        with running(engine):
            wait_for(lambda: lines.messages("result", "steady"))
            wait_for(lambda: lines.messages("result", "other") if is_there else lines.events("other"))
            other.size, other.colour, other.is_dead = (64, 48), BLUE, False
            wait_for(lambda: [one for one in lines.messages("result", "other") if one["label"] == "blue"])
    assert measured == [(64, 96, 3), (48, 64, 3)]


def test_capacity_counts_what_decoding_costs(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.streams.capacity.measure", lambda *_: BatchCurve({1: 1e-9}, 1))
    engine, _ = make_engine(model, StreamSource("a", str(plain_clip(tmp_path / "a.mp4", RED, 30)), pace="none"))
    capacity = run(engine).capacity_fps
    assert capacity is not None and capacity < 2 / 1e-6, "a model that costs nothing leaves what the decoder costs"


def test_a_camera_that_is_not_there_at_the_start_is_waited_for(model: Model) -> None:
    with web_camera() as web:
        web.is_dead = True
        engine, lines = make_engine(model, camera("a", web.url))
        with running(engine):
            wait_for(lambda: "dropped" in lines.events("a"))
            web.is_dead = False
            wait_for(lambda: lines.messages("result"))
        assert lines.events("a")[:3] == ["dropped", "connected", "recovered"]


def test_a_camera_that_is_slower_than_its_stream_says_is_not_taken_for_late(model: Model) -> None:
    with web_camera() as web:
        web.interval = 0.2  # MJPEG has no times: FFmpeg takes it for 25 frames a second
        engine, lines = make_engine(model, camera("a", web.url))
        with running(engine):
            wait_for(lambda: len(lines.messages("result")) > 15)
        (view,) = engine.overview().streams
        assert view.late == 0
        assert lines.events("a") == ["connected", "stopped"]
