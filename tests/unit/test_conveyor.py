"""The conveyor's truth is true: labels where an item is wholly inside the window, and frames that show it there."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from vision import conveyor
from vision.belt import CYCLE, FPS, HEIGHT, MOVING, PITCH, WIDTH, travelled
from vision.conveyor import FRAMES, REGION, draw_frames, load_items, make_clip, truth
from vision.data import LABELS, Split
from vision.errors import VisionError


def white_items(classes: int = 10) -> Split:
    return Split(np.full((40, 28, 28), 255, np.uint8), np.arange(40) % classes)


def test_the_belt_halts_under_the_camera() -> None:
    positions = [travelled(frame) for frame in range(CYCLE + 1)]
    assert positions == sorted(positions)
    assert set(positions[MOVING:CYCLE]) == {float(PITCH)}


def test_a_label_is_set_only_where_the_item_is_wholly_inside_the_window() -> None:
    told = truth(load_items(white_items(), seed=1))
    left, _, width, _ = REGION
    labelled = [one for one in told["frames"] if one["label"]]
    assert len(labelled) > FRAMES / 2
    assert all(left <= one["box"][0] and one["box"][0] + one["box"][2] <= left + width for one in labelled)


def test_every_class_is_shown_equally_often() -> None:
    labels = [item.label for item in load_items(white_items(), seed=1)]
    assert {labels.count(label) for label in LABELS} == {FRAMES // CYCLE // len(LABELS)}


def test_the_frame_shows_the_item_where_the_truth_says() -> None:
    items = load_items(white_items(), seed=1)
    told = truth(items)["frames"]
    frames = draw_frames(items, seed=1)
    frame = next(picture for number, picture in enumerate(frames) if number == MOVING + 2)
    x, y, width, height = told[MOVING + 2]["box"]
    assert frame[y + 5 : y + height - 5, x + 5 : x + width - 5].mean() > 200
    assert frame[y : y + height, x - 60 : x - 10].mean() < 80


def test_the_same_seed_gives_the_same_frames_and_another_gives_others() -> None:
    first, again, other = (next(draw_frames(load_items(white_items(), seed), seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_test_set_without_a_class_is_refused_in_one_line() -> None:
    with pytest.raises(VisionError, match="lacks a class"):
        load_items(white_items(classes=9), seed=1)


def test_the_clip_is_h264_with_a_truth_a_frame_and_samples_of_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conveyor, "FRAMES", 2 * CYCLE)
    make_clip(white_items(), tmp_path, seed=1)
    told = json.loads((tmp_path / "truth.json").read_text())
    with av.open(str(tmp_path / "clip.mp4")) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.average_rate) == ("h264", FPS)
        shapes = [frame.to_ndarray(format="rgb24").shape for frame in container.decode(video)]
    assert shapes == [(HEIGHT, WIDTH, 3)] * len(told["frames"]) == [(HEIGHT, WIDTH, 3)] * 2 * CYCLE
    samples = [Image.open(path) for path in sorted((tmp_path / "samples").iterdir())]
    assert len(samples) == conveyor.SAMPLES
    assert {image.size for image in samples} == {REGION[2:]}
    assert all(np.asarray(image).mean() > 128 for image in samples)  # each shows an item, and the item is white


def test_where_making_the_clip_is_cut_short_no_truth_of_an_older_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "truth.json").write_text("{}")
    monkeypatch.setattr(conveyor, "encode", lambda frames: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_clip(white_items(), tmp_path, seed=1)
    assert not (tmp_path / "truth.json").exists()
