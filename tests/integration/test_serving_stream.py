"""The stream's commands, each in a process of its own: from a configuration to results, figures and pictures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import yaml
from PIL import Image

from model_packages import CLASSES, make_package
from modelpackage import package_digest
from running_endpoint import environment, run_serving, wait_for
from stream_clips import BLUE, GREEN, RED, make_clip

COLOURS = (RED, GREEN, BLUE)
REGION = [60, 20, 40, 40]
FRAMES = 45  # three items of 15 frames; an item is in the region for the last ten


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a package, a clip and its truth: the second item is called by a wrong name."""
    folder = tmp_path_factory.mktemp("stage")
    make_package(folder / "package")
    make_package(folder / "narrow", frame_size=28)
    make_clip(folder / "clip.mp4", map(scene, range(FRAMES)))
    make_clip(folder / "long.mp4", map(scene, [*range(FRAMES)] * 20))
    frames = [
        {"frame": n, "item": n // 15, "label": CLASSES[n // 15] if n % 15 >= 5 else None, "box": None}
        for n in range(FRAMES)
    ]
    for frame in frames[15:30]:
        frame["label"] = frame["label"] and "blue"
    truth = {"schema": 1, "fps": 25, "width": 160, "height": 96, "region": REGION, "frames": frames}
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return folder


def scene(number: int) -> np.ndarray:
    """Return a frame: grey, with an item of one colour in the region."""
    frame = np.full((96, 160, 3), 90, np.uint8)
    x, y, width, height = REGION
    frame[y : y + height, x : x + width] = COLOURS[number // 15]
    return frame


def configure(stage: Path, out: Path, package: str = "package", **fields: Any) -> Path:
    """Write a configuration and return it: the clip's region, lossless, and results in a file."""
    clip = {"name": "clip", "source": str(stage / "clip.mp4"), "pace": "none", "region": REGION}
    config = {
        "model": {"package": str(stage / package), "digest": package_digest(stage / package), "variant": "int8"},
        "out": str(out),
        "streams": [clip],
        "sinks": [{"kind": "jsonl", "path": str(out / "results.jsonl")}],
        **fields,
    }
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def results(out: Path) -> list[dict[str, Any]]:
    """Return what the sink wrote of frames."""
    path = out / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [one for one in map(json.loads, lines) if one["kind"] == "result"]


def status(out: Path) -> dict[str, Any]:
    """Return status.json; empty where there is none yet."""
    path = out / "status.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the streams for the length of a test; the process is killed at the end, however the test ends."""
    line = [sys.executable, "-m", "serving.stream", "--config", str(config)]
    process = subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def judge(stage: Path, out: Path, *flags: str | Path) -> subprocess.CompletedProcess[str]:
    """Hold the results against the truth; later flags win."""
    seen = ("--results", out / "results.jsonl", "--status", out / "status.json", "--stream", "clip")
    return run_serving("clip", "--source", stage / "clip.mp4", *seen, "--out", out / "stream", *flags)


@pytest.fixture(scope="module")
def scored(stage: Path) -> Path:
    """Return the output folder of the clip, scored once."""
    out = stage / "out"
    result = run_serving("stream", "--config", configure(stage, out))
    assert (result.returncode, result.stderr) == (0, "")
    first, *_, last = result.stdout.splitlines()
    assert first.startswith("clip connected: h264 160x96") and last.endswith("1 of 1 streams well")
    return out


def test_a_clip_is_scored_whole_and_held_against_its_truth(stage: Path, scored: Path) -> None:
    result = judge(stage, scored, "--truth", stage / "truth.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{FRAMES} of {FRAMES} frames scored, accuracy 0.667\n"
    out = scored / "stream"
    figures = json.loads((out / "stream.json").read_text(encoding="utf-8"))
    assert (figures["frames"], figures["scored"], figures["items"]) == (FRAMES, FRAMES, 3)
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["item_accuracy"] == pytest.approx(2 / 3)
    assert (figures["digest"], figures["variant"]) == (package_digest(stage / "package"), "int8")
    assert figures["fps"] > 0 and 0 < figures["ms_p50"] <= figures["ms_p95"]
    assert (figures["streams"], figures["shed"], figures["age_ms_p99"]) == (1, {}, None)
    seen = [json.loads(line) for line in (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["frame"] for one in seen] == list(range(FRAMES))
    assert [one["label"] for one in seen] == [CLASSES[number // 15] for number in range(FRAMES)]
    assert [one["truth"] for one in seen[15:22]] == [None] * 5 + ["blue"] * 2
    pictures = sorted((out / "frames").iterdir())
    assert len(pictures) == 8
    assert all(Image.open(picture).size == (160, 96) for picture in pictures)
    assert all(int(picture.stem) % 15 >= 5 for picture in pictures), "frames that show an item are drawn"


def test_without_a_truth_accuracy_is_unknown(stage: Path, scored: Path, tmp_path: Path) -> None:
    assert judge(stage, scored, "--out", tmp_path / "stream").returncode == 0
    figures = json.loads((tmp_path / "stream" / "stream.json").read_text(encoding="utf-8"))
    assert (figures["frames"], figures["items"], figures["accuracy"], figures["item_accuracy"]) == (
        FRAMES,
        0,
        None,
        None,
    )
    assert len(list((tmp_path / "stream" / "frames").iterdir())) == 8


def test_a_second_judgement_replaces_the_first_and_leaves_nothing_else(
    stage: Path, scored: Path, tmp_path: Path
) -> None:
    for leftover in (".stream.new", ".stream.old", "stream"):
        (tmp_path / leftover / "frames").mkdir(parents=True)
        (tmp_path / leftover / "frames" / "9999.jpg").write_bytes(b"of a run that was killed")
    assert judge(stage, scored, "--out", tmp_path / "stream").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["stream"]
    assert not (tmp_path / "stream" / "frames" / "9999.jpg").exists()


def test_a_line_that_arrived_twice_counts_once(stage: Path, scored: Path, tmp_path: Path) -> None:
    twice = tmp_path / "results.jsonl"
    twice.write_bytes((scored / "results.jsonl").read_bytes() * 2)
    result = judge(stage, scored, "--results", twice, "--out", tmp_path / "stream")
    assert result.stdout == f"{FRAMES} of {FRAMES} frames scored\n"


def test_what_can_not_be_judged_is_said_in_one_line_and_the_last_output_stays(
    stage: Path, scored: Path, tmp_path: Path
) -> None:
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "stream.json").write_text("{}", encoding="utf-8")
    bad: list[tuple[tuple[str | Path, ...], str]] = [
        (("--source", tmp_path / "nothing.mp4"), "nothing.mp4: cannot be read"),
        (("--truth", stage / "clip.mp4"), "clip.mp4: cannot be used"),
        (("--results", stage / "clip.mp4"), "clip.mp4: cannot be used"),
        (("--results", tmp_path / "nothing"), "nothing: cannot be used"),
        (("--status", stage / "truth.json"), "truth.json: cannot be used"),
        (("--stream", "other"), "holds no result of stream other"),
    ]
    for flags, reason in bad:
        result = judge(stage, scored, "--out", tmp_path / "stream", *flags)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
        assert reason in result.stderr
    assert (tmp_path / "stream" / "stream.json").read_text(encoding="utf-8") == "{}"


def test_what_can_not_be_scored_is_said_in_one_line(stage: Path, tmp_path: Path) -> None:
    def stream(**fields: Any) -> dict[str, Any]:
        return {"streams": [{"name": "a", "source": str(stage / "clip.mp4"), "pace": "none", **fields}]}

    model = {"package": str(stage / "package"), "digest": package_digest(stage / "package"), "variant": "int8"}
    bad: list[tuple[dict[str, Any], str]] = [
        (stream(source="nothing.mp4"), "stream a: nothing.mp4: cannot be read"),
        (stream(region=[150, 0, 20, 20]), "is not inside the frame of 160x96"),
        ({"package": "narrow", **stream()}, "the model does not run on [1, 96, 160, 3]"),
        ({"model": {**model, "digest": "sha256:0"}}, "expected sha256:0"),
        ({"model": {**model, "variant": "fp16"}}, "holds no variant fp16"),
        ({"sinks": [{"kind": "pigeon"}]}, "unknown kind 'pigeon'"),
        ({"stream": []}, "unknown key 'stream'"),
    ]
    for number, (fields, reason) in enumerate(bad):
        result = run_serving("stream", "--config", configure(stage, tmp_path / str(number), **fields))
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
        assert reason in result.stderr


def test_it_stops_as_it_is_told_to_and_delivers_what_it_scored(stage: Path, tmp_path: Path) -> None:
    cameras = [{"name": f"camera-{n}", "source": str(stage / "long.mp4")} for n in range(3)]
    out = tmp_path / "out"
    with running(configure(stage, out, streams=cameras, metrics={"port": 0})) as process:
        wait_for(lambda: len(results(out)) > 20)
        with urlopen(wait_for(lambda: status(out).get("metrics"))) as answer:
            metrics = answer.read().decode()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    last = status(out)
    assert last["state"] == "stopped" and last["model"]["variant"] == "int8"
    assert 'visionline_stream_up{stream="camera-2"} 1.0' in metrics
    for name, one in last["streams"].items():
        own = [result for result in results(out) if result["stream"] == name]
        assert one["scored"] == len(own) > 0 and one["waiting"] == 0
        assert one["decoded"] == one["scored"] + one["skipped"] + sum(one["shed"].values())
        assert [result["sequence"] for result in own] == sorted({result["sequence"] for result in own})


def test_killed_at_any_moment_it_starts_again(stage: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = configure(stage, out, streams=[{"name": "camera", "source": str(stage / "long.mp4")}])
    for count in (1, 5, 30):
        before = len(results(out))
        with running(config) as process:
            wait_for(lambda: len(results(out)) >= before + count)
            process.kill()
        assert status(out).get("state", "running") == "running"
    assert run_serving("stream", "--config", config, "--seconds", "1").returncode == 0
    assert status(out)["state"] == "stopped"


def test_capture_drift_and_a_shadow_work_beside_the_results(stage: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_package(tmp_path / "shadow", version_bias=99.0)
    folder = tmp_path / "shadow"
    shadow = {"package": str(folder), "digest": package_digest(folder), "variant": "int8"}
    kept = {"to": str(tmp_path / "kept"), "per_hour": 60, "below": 0.0, "random": 0.0}
    config = configure(stage, out, shadow=shadow, capture=kept, drift={"every_seconds": 1})
    assert run_serving("stream", "--config", config).returncode == 0
    last = status(out)
    assert last["disagreements"] == 30, "the shadow calls all of them red"
    assert last["capture"]["disagreement"] == len(list((tmp_path / "kept").rglob("*.jpg"))) > 0
    assert last["sinks"]["jsonl"]["sent"] >= FRAMES


def test_two_processes_do_not_share_an_output_folder(stage: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = configure(stage, out, streams=[{"name": "camera", "source": str(stage / "long.mp4")}])
    with running(config):
        wait_for(lambda: results(out))
        second = run_serving("stream", "--config", config)
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert "another process writes here" in second.stderr
