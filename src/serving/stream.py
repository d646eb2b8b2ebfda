"""Scores the frames of a video through a model package, and, where the truth is known, says how often it was right.

It looks at one fixed region of each frame. The output folder appears whole: stream.json, predictions.jsonl and
annotated frames. Nothing is kept of a frame but its prediction, so length does not matter.

Run: python -m serving.stream --source clip.mp4 --package DIR --digest sha256:... --variant int8 --out DIR
     [--truth truth.json] [--region x,y,w,h]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.annotate import Album, draw, save
from serving.errors import ServingError, exit_code
from serving.figures import percentile
from serving.files import write_json
from serving.model import Model, load_model
from serving.progress import Progress
from serving.truth import Region, Seen, Truth, accuracy, item_accuracy, read_truth
from serving.video import count_frames, read_frames

BATCH = 8
PICTURES = 8


@dataclass
class Result:
    """What was seen: a line a frame, the ms that scoring each took, and the frames to draw on."""

    seen: list[Seen]
    milliseconds: list[float]
    album: Album


def score_stream(source: str, model: Model, region: Region | None, truth: Truth, progress: Progress) -> Result:
    """Score every frame of a video. Raises ServingError on a bad source, or a region that is not inside the frame."""
    result = Result([], [], Album(PICTURES))
    for frames in batches(read_frames(source)):
        crops = np.stack([crop(frame, region) for frame in frames])
        start = time.perf_counter()
        prediction = model.predict(crops)
        result.milliseconds += [(time.perf_counter() - start) * 1000 / len(frames)] * len(frames)
        for frame, label, scores in zip(frames, prediction.labels, prediction.probabilities, strict=True):
            number = len(result.seen)
            seen = Seen(number, label, float(scores.max()), truth.labels.get(number))
            result.seen.append(seen)
            if seen.truth is not None or not truth.labels:
                result.album.offer(frame, seen)
        progress.show(len(result.seen), result.seen[-1].label)
    return result


def batches(frames: Iterator[NDArray[np.uint8]]) -> Iterator[list[NDArray[np.uint8]]]:
    """Yield the frames in lists of BATCH, the last one shorter."""
    while batch := list(islice(frames, BATCH)):
        yield batch


def crop(frame: NDArray[np.uint8], region: Region | None) -> NDArray[np.uint8]:
    """Return the region of a frame, the whole of it for None. Raises ServingError where it is not inside."""
    if region is None:
        return frame
    x, y, width, height = region
    if min(x, y) < 0 or min(width, height) < 1 or x + width > frame.shape[1] or y + height > frame.shape[0]:
        size = f"{frame.shape[1]}x{frame.shape[0]}"
        raise ServingError(f"region {x},{y},{width},{height}: is not inside the frame of {size}: give another --region")
    return frame[y : y + height, x : x + width]


def summarise(result: Result, truth: Truth, model: Model, seconds: float) -> dict[str, object]:
    """Return the figures of stream.json: shares in 0..1, ms a frame (a batch's time shared by its frames)."""
    items, right = item_accuracy(result.seen, truth)
    latencies = sorted(result.milliseconds)
    return {
        "frames": len(result.seen),
        "scored": len(result.milliseconds),
        "accuracy": accuracy(result.seen),
        "items": items,
        "item_accuracy": right,
        "fps": len(result.seen) / seconds,
        "ms_p50": percentile(latencies, 50),
        "ms_p95": percentile(latencies, 95),
        "digest": model.digest,
        "variant": model.variant,
    }


def write_output(folder: Path, figures: dict[str, object], result: Result, region: Region | None) -> None:
    """Put the output folder in place of an older one, whole."""
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    (new / "frames").mkdir(parents=True)
    write_json(new / "stream.json", figures)
    lines = "".join(f"{json.dumps(asdict(seen))}\n" for seen in result.seen)
    (new / "predictions.jsonl").write_text(lines, encoding="utf-8")
    for frame, seen in result.album.pages():
        whole = (0, 0, frame.shape[1], frame.shape[0])
        save(draw(frame, region or whole, seen), new / "frames" / f"{seen.frame:04}.jpg")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def run(options: argparse.Namespace) -> None:
    """Score the stream and write the output folder. Raises ServingError and PackageError."""
    truth = read_truth(options.truth) if options.truth else Truth()
    region = options.region or truth.region
    model = load_model(options.package, options.digest, options.variant)
    start = time.perf_counter()
    result = score_stream(options.source, model, region, truth, Progress(sys.stdout, count_frames(options.source)))
    figures = summarise(result, truth, model, time.perf_counter() - start)
    write_output(options.out, figures, result, region)
    known = "" if figures["accuracy"] is None else f", accuracy {figures['accuracy']:.3f}"
    print(f"{figures['frames']} frames at {figures['fps']:.0f} a second{known}", flush=True)


def parse_region(text: str) -> Region:
    """Return x, y, width, height of "x,y,w,h". Raises ValueError."""
    x, y, width, height = (int(part) for part in text.split(","))
    return x, y, width, height


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving.stream", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", required=True, help="a video file")
    parser.add_argument("--package", type=Path, required=True, help="the model package's folder")
    parser.add_argument("--digest", required=True, help="sha256:... of the package")
    parser.add_argument("--variant", required=True, help="fp32 or int8")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--truth", type=Path, default=None, help="truth.json of the clip")
    parser.add_argument("--region", type=parse_region, default=None, help="x,y,w,h; default: the truth's, else all")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(_arguments())))
