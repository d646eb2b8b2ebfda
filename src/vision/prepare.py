"""Makes the splits from the raw files: train, validation, the frozen test set, and calibration (taken from train).

    python -m vision.prepare --raw DIR --out DIR --seed N [--validation-share X] [--limit-train N] [--limit-test N]

Every image that also occurs in the test set is dropped from training first, so no test image is in train, validation or
calibration. The same raw files, seed and limits give the same bytes. split.json is written last: where it stands, all
is there. It knows no network and no training.
"""

from __future__ import annotations

import argparse
import io
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vision.data import LABELS, SPLIT_FILE, Split, read_raw
from vision.errors import VisionError, exit_code
from vision.files import write_bytes, write_json


@dataclass(frozen=True)
class Recipe:
    """How the splits are made. `validation_share` is of the training images, 0..1; a limit of None keeps all."""

    seed: int
    validation_share: float = 1 / 12
    calibration: int = 512
    limit_train: int | None = None
    limit_test: int | None = None


@dataclass(frozen=True)
class Splits:
    """The splits, and how many images training lost because they occur in the test set too."""

    train: Split
    validation: Split
    test: Split
    calibration: Split
    dropped: int

    def by_name(self) -> dict[str, Split]:
        """Return the four splits by the names that `vision.data.load_split` knows."""
        names = ("train", "validation", "test", "calibration")
        return {name: getattr(self, name) for name in names}


def make_splits(official_train: Split, official_test: Split, recipe: Recipe) -> Splits:
    """Split the official training images; take the calibration images from what is left for training.

    Raises VisionError where the recipe leaves a split empty.
    """
    _check(recipe)
    clean = _without(official_train, official_test)
    train = _limit(clean, recipe.limit_train, recipe.seed)
    held_out = _stratified(train.labels, round(len(train) * recipe.validation_share), recipe.seed)
    kept = np.setdiff1d(np.arange(len(train)), held_out)
    learned = _select(train, kept)
    calibration = _limit(learned, min(recipe.calibration, len(learned)), recipe.seed)
    test = _limit(official_test, recipe.limit_test, recipe.seed)
    splits = Splits(learned, _select(train, held_out), test, calibration, len(official_train) - len(clean))
    for name, split in splits.by_name().items():
        if not len(split):
            raise VisionError(f"prepare: split '{name}' would be empty: raise --validation-share or the limits")
    return splits


def write_splits(splits: Splits, recipe: Recipe, out: Path) -> None:
    """Write one .npz a split, uncompressed and with equal bytes for equal arrays, and split.json last."""
    (out / SPLIT_FILE).unlink(missing_ok=True)
    for name, split in splits.by_name().items():
        write_bytes(out / f"{name}.npz", _npz_bytes(split))
    named = splits.by_name().items()
    description = {
        "schema": 1,
        "recipe": asdict(recipe),
        "labels": LABELS,
        "counts": {name: len(split) for name, split in named},
        "dropped": {"train_images_in_test": splits.dropped},
        "digests": {name: split.digest for name, split in named},
    }
    write_json(out / SPLIT_FILE, description)


def _check(recipe: Recipe) -> None:
    if not 0 < recipe.validation_share < 1:
        raise VisionError(f"--validation-share {recipe.validation_share}: should be between 0 and 1")
    for option in ("limit_train", "limit_test", "calibration"):
        value = getattr(recipe, option)
        if value is not None and value < len(LABELS):
            raise VisionError(f"--{option.replace('_', '-')} {value}: should be at least {len(LABELS)}, one a class")


def _without(split: Split, other: Split) -> Split:
    """Return the images of `split` whose pixels occur nowhere in `other`."""
    unwanted = {image.tobytes() for image in other.images}
    return _select(split, np.array([image.tobytes() not in unwanted for image in split.images], bool))


def _limit(split: Split, limit: int | None, seed: int) -> Split:
    if limit is None or limit >= len(split):
        return split
    return _select(split, _stratified(split.labels, limit, seed))


def _stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` indices, drawn with the seed so that each class has its share of them, to within one image."""
    # RandomState, because its stream is frozen for good (NEP 19): the same seed gives the same split on any machine.
    order = np.random.RandomState(seed).permutation(len(labels))
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(order[np.argsort(rank[order], kind="stable")][:count])


def _select(split: Split, which: np.ndarray) -> Split:
    return Split(split.images[which], split.labels[which])


def _npz_bytes(split: Split) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, images=split.images, labels=split.labels.astype(np.uint8))
    return stream.getvalue()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vision.prepare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder of raw files that vision.fetch wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the splits")
    parser.add_argument("--seed", type=int, required=True, help="of the draw of validation and calibration images")
    parser.add_argument("--validation-share", type=float, default=Recipe.validation_share, help="default: 1/12")
    parser.add_argument("--calibration", type=int, default=Recipe.calibration, help="images (default: %(default)s)")
    parser.add_argument("--limit-train", type=int, help="use only so many training images, validation among them")
    parser.add_argument("--limit-test", type=int, help="use only so many test images")
    return parser


def _prepare(raw: Path, out: Path, recipe: Recipe) -> None:
    splits = make_splits(*read_raw(raw), recipe)
    write_splits(splits, recipe, out)
    counts = ", ".join(f"{name} {len(split)}" for name, split in splits.by_name().items())
    print(f"prepare: {counts}; {splits.dropped} training images dropped that occur in the test set", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Make the splits and return the exit code: 0, or 1 after one line on stderr."""
    options = vars(_parser().parse_args(arguments))
    raw, out = options.pop("raw"), options.pop("out")
    return exit_code(lambda: _prepare(raw, out, Recipe(**options)))


if __name__ == "__main__":
    sys.exit(main())
