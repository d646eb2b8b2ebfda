"""A folder of images, one folder a label, as the splits that evaluation reads: the frozen test set, and calibration.

The labels are the folders' names in alphabetical order, and all images get one size that the folder alone determines:
any two models are measured on the same pixels. Which images calibrate follows from their content; none of them is in
the test set. Nobody knows here what the model was trained on, so `train`, against which drift is measured, is
calibration again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from modelpackage import digest_bytes
from vision.data import SPLIT_FILE, Split
from vision.errors import VisionError
from vision.files import write_bytes, write_json

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
LARGEST_IMAGE = 1 << 26  # pixels, before anything is decoded
LARGEST_SIDE = 256  # pixels of an image as evaluated
LARGEST_SET = 1 << 31  # bytes of all images as evaluated
SHARE = 8  # one image in so many calibrates
MOST = 512  # images that calibrate


def write_folder_splits(folder: Path, out: Path) -> None:
    """Write test, calibration and train, and split.json last. Raises VisionError, naming the file, on what is wrong."""
    (out / SPLIT_FILE).unlink(missing_ok=True)
    files = labelled_files(folder)
    names = tuple(files)
    size = common_size([path for paths in files.values() for path in paths])
    splits = _split({name: _unique(paths, size) for name, paths in files.items()}, folder)
    for name, split in splits.items():
        write_bytes(out / f"{name}.npz", _npz(split))
    counts = {name: len(split) for name, split in splits.items()}
    digests = {name: split.digest for name, split in splits.items()}
    write_json(out / SPLIT_FILE, {"schema": 1, "labels": names, "counts": counts, "digests": digests})
    print(f"data: {counts['test']} test images of {size[0]} x {size[1]}, {counts['calibration']} calibrate", flush=True)


def labelled_files(folder: Path) -> dict[str, list[Path]]:
    """Return the images by label, both in alphabetical order. Raises VisionError where there are not two labels."""
    labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    broken = next((label.name for label in labels if not label.name.isprintable()), None)
    if broken is not None:
        raise VisionError(f"{folder}: the name {broken!r} holds a line break or a like sign: rename that folder")
    files = {label.name: sorted(path for path in label.rglob("*") if _is_visible(path, label)) for label in labels}
    few = next((name for name, paths in files.items() if len(paths) < 2), None)
    if len(labels) < 2 or few:
        problem = f"'{few}' has fewer than two images" if few else "it has no two folders of images, one a label"
        raise VisionError(f"{folder}: {problem}: add some, or take another folder for data.folder")
    return files


def common_size(paths: list[Path]) -> tuple[int, int]:
    """Return the height and width that all images get: the medians of theirs, neither above LARGEST_SIDE."""
    sizes = [_open(path).size for path in paths]
    width, height = (min(int(np.median([size[axis] for size in sizes])), LARGEST_SIDE) for axis in (0, 1))
    if len(paths) * width * height * 3 > LARGEST_SET:
        raise VisionError(f"{paths[0].parent.parent}: holds too many images to evaluate at once: take fewer")
    return height, width


def _split(images: Mapping[str, list[np.ndarray]], folder: Path) -> dict[str, Split]:
    _check_labels_agree(images, folder)
    names = tuple(images)
    chosen = {name: min(max(1, len(some) // SHARE), max(1, MOST // len(names))) for name, some in images.items()}
    calibration = {name: some[: chosen[name]] for name, some in images.items()}
    test = {name: some[chosen[name] :] for name, some in images.items()}
    few = next((name for name, some in test.items() if not some), None)
    if few:
        raise VisionError(f"{folder / few}: holds one image over and over: add others")
    return {"calibration": _joined(calibration), "train": _joined(calibration), "test": _joined(test)}


def _check_labels_agree(images: Mapping[str, list[np.ndarray]], folder: Path) -> None:
    seen: dict[bytes, str] = {}
    for name, some in images.items():
        for image in some:
            other = seen.setdefault(image.tobytes(), name)
            if other != name:
                raise VisionError(f"{folder}: the same image is under '{other}' and '{name}': keep one of them")


def _joined(images: Mapping[str, list[np.ndarray]]) -> Split:
    labels = [index for index, some in enumerate(images.values()) for _ in some]
    return Split(np.stack([one for some in images.values() for one in some]), np.array(labels, np.int64), tuple(images))


def _unique(paths: list[Path], size: tuple[int, int]) -> list[np.ndarray]:
    """Return the images, uint8 [height,width,3], each once, in the order of their digests."""
    images = (_read(path, size) for path in paths)
    found = {digest_bytes(image.tobytes()): image for image in images}
    return [found[digest] for digest in sorted(found)]


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        image = _open(path).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:  # SyntaxError: what Pillow says of a broken PNG
        raise VisionError(f"{path}: is cut or damaged ({' '.join(str(error).split())}): replace or remove it") from None
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _open(path: Path) -> Image.Image:
    try:
        image: Image.Image = Image.open(path, formats=FORMATS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise VisionError(f"{path}: is no image of {', '.join(FORMATS)}: convert or remove it") from None
    if image.width * image.height > LARGEST_IMAGE:
        raise VisionError(f"{path}: has {image.width} x {image.height} pixels, too many: make it smaller or remove it")
    return image


def _is_visible(path: Path, label: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(label).parts)


def _npz(split: Split) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, images=split.images, labels=split.labels)
    return stream.getvalue()
