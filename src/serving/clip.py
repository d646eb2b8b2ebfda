"""Holds what a stream said of a clip against the clip's truth, and draws some of its frames.

It reads what serving.stream left: the results as JSON lines and status.json. The output folder appears whole:
stream.json, predictions.jsonl and frames/*.jpg. It scores nothing.

Run: python -m serving.clip --source clip.mp4 --truth truth.json --stream NAME --results results.jsonl
     --status status.json --out DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.annotate import draw, pick, save
from serving.errors import ServingError, exit_code
from serving.files import write_json
from serving.truth import Region, Seen, Truth, accuracy, item_accuracy, read_truth
from serving.video import read_frames

PICTURES = 8


def read_results(path: Path, stream: str, truth: Truth) -> list[Seen]:
    """Return what was said of a stream's frames, by frame. Raises ServingError where the file can't be used.

    A line that was sent twice, as at-least-once delivery may do, counts once.
    """
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        own = [line for line in lines if line["kind"] == "result" and line["stream"] == stream]
        seen = {one["sequence"]: (str(one["label"]), float(one["score"])) for one in own}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(f"{path}: cannot be used ({type(error).__name__}: {error}): run the stream again") from None
    if not seen:
        raise ServingError(f"{path}: holds no result of stream {stream}: name another --stream")
    return [Seen(frame, label, score, truth.labels.get(frame)) for frame, (label, score) in sorted(seen.items())]


def read_status(path: Path, stream: str) -> dict[str, Any]:
    """Return status.json, which knows the stream. Raises ServingError."""
    try:
        status: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        status["streams"][stream]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(f"{path}: cannot be used ({type(error).__name__}: {error}): run the stream again") from None
    return status


def summarise(seen: Sequence[Seen], truth: Truth, status: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """Return the figures of stream.json: shares in 0..1, ms, frames a second.

    Accuracy is that of one stream; rates, ages and what was shed are those of all that ran beside it.
    """
    items, right = item_accuracy(seen, truth)
    streams = status["streams"].values()
    shed: Counter[str] = sum((Counter(one["shed"]) for one in streams), Counter())
    ages = [one["age_ms_p99"] for one in streams if one["age_bound_ms"] is not None]
    return {
        "frames": status["streams"][stream]["decoded"],
        "scored": len(seen),
        "accuracy": accuracy(seen),
        "items": items,
        "item_accuracy": right,
        "fps": status["fps"],
        "ms_p50": status["score_ms_p50"],
        "ms_p95": status["score_ms_p95"],
        "digest": status["model"]["digest"],
        "variant": status["model"]["variant"],
        "streams": len(status["streams"]),
        "age_ms_p99": max((age for age in ages if age is not None), default=None),
        "age_bound_ms": min((one["age_bound_ms"] for one in streams if one["age_bound_ms"]), default=None),
        "shed": dict(shed),
        "capacity_fps": status["capacity_fps"],
        "busy": status["busy"],
    }


def write_output(
    folder: Path, figures: Mapping[str, Any], seen: Sequence[Seen], source: str, region: Region | None
) -> None:
    """Put the output folder in place of an older one, whole. Raises ServingError where the clip can't be read."""
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    (new / "frames").mkdir(parents=True)
    write_json(new / "stream.json", figures)
    lines = "".join(f"{json.dumps(asdict(one))}\n" for one in seen)
    (new / "predictions.jsonl").write_text(lines, encoding="utf-8")
    draw_frames(source, pick(seen, PICTURES), region, new / "frames")
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def draw_frames(source: str, seen: Sequence[Seen], region: Region | None, folder: Path) -> None:
    """Draw on a clip's frames what was said of them. Raises ServingError where the clip can't be read."""
    said = {one.frame: one for one in seen}
    for number, frame in enumerate(read_frames(source)):
        if number in said:
            whole = (0, 0, frame.shape[1], frame.shape[0])
            save(draw(frame, region or whole, said[number]), folder / f"{number:04}.jpg")


def main() -> None:
    """Write the output folder that the command line asks for. Raises ServingError."""
    options = _arguments()
    truth = read_truth(options.truth) if options.truth else Truth()
    seen = read_results(options.results, options.stream, truth)
    figures = summarise(seen, truth, read_status(options.status, options.stream), options.stream)
    write_output(options.out, figures, seen, options.source, truth.region)
    known = "" if figures["accuracy"] is None else f", accuracy {figures['accuracy']:.3f}"
    print(f"{figures['scored']} of {figures['frames']} frames scored{known}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving.clip", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", required=True, help="the video file")
    parser.add_argument("--truth", type=Path, default=None, help="truth.json of the clip")
    parser.add_argument("--stream", required=True, help="the stream's name in the configuration")
    parser.add_argument("--results", type=Path, required=True, help="what the jsonl sink wrote")
    parser.add_argument("--status", type=Path, required=True, help="status.json that serving.stream wrote")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(exit_code(main))
