"""A video is scored from file to figures, with the truth known; what can't be scored leaves the last output alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from model_packages import CLASSES, make_package
from modelpackage import package_digest
from running_endpoint import run_serving

COLOURS = [(220, 20, 20), (20, 220, 20), (20, 20, 220)]
REGION = (60, 20, 40, 40)
FRAMES = 45  # three items of 15 frames; an item is in the region for the last ten


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a package, an H.264 clip and its truth: the second item is called by a wrong name."""
    folder = tmp_path_factory.mktemp("stage")
    make_package(folder / "package")
    make_package(folder / "narrow", frame_size=28)
    with av.open(str(folder / "clip.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        for number in range(FRAMES):
            container.mux(video.encode(av.VideoFrame.from_ndarray(scene(number), format="rgb24")))
        container.mux(video.encode())
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


def run(stage: Path, out: Path, *flags: str | Path, package: str = "package") -> Any:
    """Run the command on the clip; later flags win."""
    digest = package_digest(stage / package)
    given = ("--source", stage / "clip.mp4", "--package", stage / package, "--digest", digest, "--variant", "int8")
    return run_serving("stream", *given, "--out", out, *flags)


def test_a_stream_is_scored_against_its_truth(stage: Path, tmp_path: Path) -> None:
    out = tmp_path / "stream"
    result = run(stage, out, "--truth", stage / "truth.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{FRAMES}/{FRAMES} frames" in result.stdout
    figures = json.loads((out / "stream.json").read_text(encoding="utf-8"))
    assert (figures["frames"], figures["scored"], figures["items"]) == (FRAMES, FRAMES, 3)
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["item_accuracy"] == pytest.approx(2 / 3)
    assert (figures["digest"], figures["variant"]) == (package_digest(stage / "package"), "int8")
    assert figures["fps"] > 0 and 0 < figures["ms_p50"] <= figures["ms_p95"]
    seen = [json.loads(line) for line in (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [one["frame"] for one in seen] == list(range(FRAMES))
    assert [one["label"] for one in seen] == [CLASSES[number // 15] for number in range(FRAMES)]
    assert [one["truth"] for one in seen[15:22]] == [None] * 5 + ["blue"] * 2
    pictures = sorted((out / "frames").iterdir())
    assert len(pictures) == 8
    assert all(Image.open(picture).size == (160, 96) for picture in pictures)
    assert all(int(picture.stem) % 15 >= 5 for picture in pictures), "frames that show an item are drawn"


def test_without_a_truth_a_region_is_scored_and_accuracy_is_unknown(stage: Path, tmp_path: Path) -> None:
    assert run(stage, tmp_path / "stream", "--region", "60,20,40,40").returncode == 0
    figures = json.loads((tmp_path / "stream" / "stream.json").read_text(encoding="utf-8"))
    assert (figures["frames"], figures["items"], figures["accuracy"], figures["item_accuracy"]) == (
        FRAMES,
        0,
        None,
        None,
    )
    assert len(list((tmp_path / "stream" / "frames").iterdir())) == 8


def test_a_second_run_replaces_the_first_and_leaves_nothing_else(stage: Path, tmp_path: Path) -> None:
    for leftover in (".stream.new", ".stream.old", "stream"):
        (tmp_path / leftover / "frames").mkdir(parents=True)
        (tmp_path / leftover / "frames" / "9999.jpg").write_bytes(b"of a run that was killed")
    assert run(stage, tmp_path / "stream").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["stream"]
    assert not (tmp_path / "stream" / "frames" / "9999.jpg").exists()


def test_what_can_not_be_scored_is_said_in_one_line_and_the_last_output_stays(stage: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
    (tmp_path / "cut.mp4").write_bytes((stage / "clip.mp4").read_bytes()[:1500])
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "stream.json").write_text("{}", encoding="utf-8")
    bad: list[tuple[tuple[str | Path, ...], str]] = [
        (("--source", tmp_path / "nothing.mp4"), "nothing.mp4: cannot be read"),
        (("--source", tmp_path / "text.mp4"), "text.mp4: cannot be read"),
        (("--source", tmp_path / "cut.mp4"), "cut.mp4: cannot be read"),
        (("--region", "150,0,20,20"), "is not inside the frame of 160x96"),
        (("--digest", "sha256:0"), "expected sha256:0"),
        (("--variant", "fp16"), "holds no variant fp16"),
        (("--truth", stage / "clip.mp4"), "clip.mp4: cannot be used"),
    ]
    for flags, reason in bad:
        result = run(stage, tmp_path / "stream", *flags)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
        assert reason in result.stderr
    assert (tmp_path / "stream" / "stream.json").read_text(encoding="utf-8") == "{}"


def test_a_model_that_does_not_take_the_frames_is_named_in_one_line(stage: Path, tmp_path: Path) -> None:
    result = run(stage, tmp_path / "stream", package="narrow")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "the model does not run on [8, 96, 160, 3]" in result.stderr
