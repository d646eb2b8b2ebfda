"""Makes a video of test images on a conveyor, with the truth of each frame, to score a model end to end.

    python -m vision.conveyor --data DIR --out DIR --seed N

Writes clip.mp4 (H.264), samples/*.png (what the camera's window showed, to send to an endpoint) and, last, truth.json.
An item's label is set on the frames where it is wholly inside the window. Items are of several sizes, belts of
several kinds; the same data and seed give the same frames.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from vision.belt import BELTS, CYCLE, FPS, HEIGHT, PITCH, WIDTH, background, lay, travelled
from vision.data import LABELS, Split, load_split
from vision.errors import VisionError, exit_code
from vision.files import write_bytes, write_json

FRAMES = 500
REGION = (236, 96, 168, 168)  # x, y, width, height of the inspection window
SMALLEST, LARGEST = 0.85, 1.0  # of the window's side
SAMPLES = 24
GRAIN = 1.5  # the camera's noise, as a standard deviation of gray values
BELT_FRAMES = 175  # frames until the next belt
TRUTH_FILE = "truth.json"


@dataclass(frozen=True)
class Item:
    """One test image on the belt: its place on it (pixels from the belt's start), its height, side and tint."""

    image: np.ndarray
    label: str
    place: int
    y: int
    side: int
    tint: np.ndarray

    def box(self, frame: int) -> tuple[int, int, int, int]:
        """Return x, y, width, height in the picture of a frame; it may lie outside of it."""
        return round(travelled(frame)) - self.place, self.y, self.side, self.side


def load_items(test: Split, seed: int) -> list[Item]:
    """Return as many items as the clip has halts, each class in turn, drawn from the test images."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(test))
    by_class = [[index for index in order if test.labels[index] == label] for label in range(len(LABELS))]
    if not all(by_class):
        raise VisionError("the test set lacks a class: the clip shows each: run vision.prepare without --limit-test")
    halts = FRAMES // CYCLE
    classes = np.concatenate([random.permutation(len(LABELS)) for _ in range(-(-halts // len(LABELS)))])[:halts]
    return [
        _item(test, by_class[label][turn % len(by_class[label])], turn, random) for turn, label in enumerate(classes)
    ]


def _item(test: Split, index: int, turn: int, random: np.random.Generator) -> Item:
    left, top, window, _ = REGION
    side = round(window * random.uniform(SMALLEST, LARGEST))
    slack = window - side
    # Where the item halts: inside the window, not quite in its middle.
    x, y = left + random.integers(0, slack + 1), top + random.integers(0, slack + 1)
    tint = 1 + random.uniform(-0.12, 0.12, 3)
    return Item(test.images[index], LABELS[test.labels[index]], PITCH * (turn + 1) - int(x), int(y), side, tint)


def draw_frames(items: list[Item], seed: int) -> Iterator[np.ndarray]:
    """Yield the frames, uint8 [H,W,3]."""
    random = np.random.default_rng(seed)
    grains = random.normal(0, GRAIN, (8, HEIGHT, WIDTH, 3)).astype(np.float32)
    for frame in range(FRAMES):
        belt = BELTS[frame // BELT_FRAMES % len(BELTS)]
        scene = background(belt, travelled(frame), grains[frame % len(grains)])
        for item in items:
            lay(scene, item.image, item.box(frame), item.tint)
        yield np.clip(scene, 0, 255, out=scene).astype(np.uint8)


def truth(items: list[Item]) -> dict[str, Any]:
    """Return truth.json: per frame, the item nearest the window, its box, and its label where it is wholly inside."""
    return {
        "schema": 1,
        "fps": FPS,
        "width": WIDTH,
        "height": HEIGHT,
        "region": list(REGION),
        "frames": [_truth_of(items, frame) for frame in range(FRAMES)],
    }


def _truth_of(items: list[Item], frame: int) -> dict[str, Any]:
    centre = REGION[0] + REGION[2] / 2
    boxes = [(item.box(frame), number) for number, item in enumerate(items)]
    box, number = min(boxes, key=lambda pair: abs(pair[0][0] + pair[0][2] / 2 - centre))
    if box[0] + box[2] <= 0 or box[0] >= WIDTH:
        return {"frame": frame, "item": None, "label": None, "box": None}
    inside = REGION[0] <= box[0] and box[0] + box[2] <= REGION[0] + REGION[2]
    return {"frame": frame, "item": number, "label": items[number].label if inside else None, "box": list(box)}


def make_clip(test: Split, out: Path, seed: int) -> None:
    """Write samples, the clip and, last, the truth."""
    (out / TRUTH_FILE).unlink(missing_ok=True)
    items = load_items(test, seed)
    told = truth(items)
    labelled = [one["frame"] for one in told["frames"] if one["label"] is not None]
    shown = labelled[:: max(1, len(labelled) // SAMPLES)][:SAMPLES]
    write_bytes(out / "clip.mp4", encode(_sampled(draw_frames(items, seed), shown, out / "samples")))
    write_json(out / TRUTH_FILE, told)
    print(f"clip of {FRAMES} frames, {len(items)} items, {len(labelled)} frames with a label", flush=True)


def encode(frames: Iterable[np.ndarray]) -> bytes:
    """Return an MP4 with the frames, uint8 [H,W,3], in H.264. One thread, so that the bytes do not depend on timing."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt, video.thread_count = WIDTH, HEIGHT, "yuv420p", 1
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
    return stream.getvalue()


def _sampled(frames: Iterable[np.ndarray], numbers: list[int], folder: Path) -> Iterator[np.ndarray]:
    """Yield the frames; write what the window shows on those with the numbers as they go by."""
    for number, frame in enumerate(frames):
        if number in numbers:
            write_bytes(folder / f"{numbers.index(number):03}.png", _png(_window(frame)))
        yield frame


def _window(frame: np.ndarray) -> np.ndarray:
    x, y, width, height = REGION
    return frame[y : y + height, x : x + width]


def _png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Make the clip and return the exit code: 0, or 1 after one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m vision.conveyor", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that vision.prepare wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for clip.mp4, truth.json and samples/")
    parser.add_argument("--seed", type=int, default=7, help="of items and places (default: %(default)s)")
    options = parser.parse_args(arguments)
    return exit_code(lambda: make_clip(load_split(options.data, "test"), options.out, options.seed))


if __name__ == "__main__":
    sys.exit(main())
