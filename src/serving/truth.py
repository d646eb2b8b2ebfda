"""The truth of a clip, frame by frame, and how well a stream's labels agree with it. Pure but for reading the file.

truth.json: {"schema": 1, "region": [x, y, width, height],
"frames": [{"frame": 0, "item": 3 or null, "label": "Bag" or null, ...}, ...]}. A label is set while an item is in the
region; the frames of one item make one vote.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ServingError

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Truth:
    """The region to look at, and the item and label of each frame that has one. Empty where nothing is known."""

    region: Region | None = None
    labels: Mapping[int, str] = field(default_factory=dict)
    items: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the model said of one frame: label and score in 0..1; `truth` is None where no item is in the region."""

    frame: int
    label: str
    score: float
    truth: str | None


def read_truth(path: Path) -> Truth:
    """Read truth.json. Raises ServingError where it is absent or malformed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        labelled = [entry for entry in content["frames"] if entry["label"] is not None]
        labels = {int(entry["frame"]): str(entry["label"]) for entry in labelled}
        items = {int(entry["frame"]): int(entry["item"]) for entry in labelled}
        x, y, width, height = (int(value) for value in content["region"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(f"{path}: cannot be used ({type(error).__name__}: {error}): make the clip again") from None
    return Truth((x, y, width, height), labels, items)


def accuracy(seen: Sequence[Seen]) -> float | None:
    """Return the share of frames with a truth whose label is right; None where no frame has one."""
    judged = [one for one in seen if one.truth is not None]
    return sum(one.label == one.truth for one in judged) / len(judged) if judged else None


def item_accuracy(seen: Sequence[Seen], truth: Truth) -> tuple[int, float | None]:
    """Return the number of items seen, and the share whose frames, by majority, were labelled right."""
    votes: dict[int, Counter[str]] = {}
    names: dict[int, str] = {}
    for one in seen:
        if one.truth is not None:
            item = truth.items[one.frame]
            votes.setdefault(item, Counter())[one.label] += 1
            names[item] = one.truth
    right = sum(votes[item].most_common(1)[0][0] == name for item, name in names.items())
    return len(votes), right / len(votes) if votes else None
