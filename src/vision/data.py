"""The data set, in one file: its labels, its raw files and their digests, how they are read, the splits made of them.

To bring your own data, change LABELS, FILES, the DEBIAN constants, `read_raw` and `new_images`; nothing else knows
Fashion-MNIST (Xiao, Rasul, Vollgraf: arXiv:1708.07747; 60,000 training and 10,000 test images of 28 x 28 gray pixels).
numpy is imported where it is used: on agents `vision.fetch` and `vision.images` have only the standard library.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vision.errors import VisionError
from vision.files import read_json

if TYPE_CHECKING:
    import numpy as np

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# SHA-256 of each raw file as it is stored here: decompressed, so that any compression gives the same data version.
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
TEST_IMAGES = "t10k-images-idx3-ubyte"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

SPLIT_FILE = "split.json"
SPLITS = ("train", "validation", "test", "calibration")
_IDX_UNSIGNED_BYTE = 8


@dataclass(frozen=True)
class Split:
    """Images, uint8 [N,height,width] or, in RGB, [N,height,width,3]; their labels, int64 [N], as indices into names."""

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...] = LABELS

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def digest(self) -> str:
        """Return `sha256:<hex>` over images and labels: the same pixels give the same digest in any file format."""
        content = hashlib.sha256(f"{self.images.shape}".encode())
        content.update(self.images.astype("uint8").tobytes())
        content.update(self.labels.astype("<i8").tobytes())
        return f"sha256:{content.hexdigest()}"


def read_raw(raw: Path) -> tuple[Split, Split]:
    """Return the official training and test images from a folder of raw files (the keys of FILES).

    Raises VisionError, naming the file, where one is absent or is not what its header says.
    """
    train_images, train_labels, test_images, test_labels = (read_idx(raw / name) for name in FILES)
    return _pair(train_images, train_labels, raw), _pair(test_images, test_labels, raw)


def read_idx(path: Path) -> np.ndarray:
    """Return the uint8 array of an IDX file. Raises VisionError, naming it, where it is none."""
    import numpy as np

    shape, pixels = _idx(path)
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def new_images(raw: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield width, height and gray pixels of what stands for new images, to score: the official test images.

    It needs no numpy, as agents that only ask Azure ML to score have none. Raises VisionError, naming the file.
    """
    shape, pixels = _idx(raw / TEST_IMAGES)
    if len(shape) != 3:
        raise VisionError(f"{raw / TEST_IMAGES}: holds no images but {shape}: fetch it again")
    count, height, width = shape
    size = width * height
    return ((width, height, pixels[at * size : (at + 1) * size]) for at in range(count))


def load_split(data: Path, name: str) -> Split:
    """Return one of SPLITS from a folder that `vision.prepare` or `vision.intake` wrote.

    Raises VisionError, naming the file, where it is absent, cut, empty or holds labels that have no name.
    """
    import numpy as np

    path = Path(data) / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            split = Split(arrays["images"], arrays["labels"].astype(np.int64), _names(Path(data)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise VisionError(f"{path}: cannot be read ({error}): run vision.prepare again") from None
    if not len(split) or len(split.images) != len(split):
        raise VisionError(f"{path}: holds {len(split.images)} images and {len(split)} labels: run vision.prepare again")
    if split.labels.min() < 0 or split.labels.max() >= len(split.names):
        raise VisionError(f"{path}: a label is not in 0..{len(split.names) - 1}: run vision.prepare again")
    return split


def _names(data: Path) -> tuple[str, ...]:
    """Return the labels' names as the folder says them: images that a user brought have labels of their own."""
    path = data / SPLIT_FILE
    return tuple(read_json(path, "run vision.prepare again")["labels"]) if path.exists() else LABELS


def _idx(path: Path) -> tuple[tuple[int, ...], bytes]:
    """Return shape and bytes of an IDX file of unsigned bytes (format: Y. LeCun, the MNIST page)."""
    content = _read(path)
    if len(content) < 4 or content[:3] != bytes((0, 0, _IDX_UNSIGNED_BYTE)):
        raise VisionError(f"{path}: is not an IDX file of unsigned bytes: fetch it again")
    body = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, body, 4))
    pixels = content[body:]
    if len(pixels) != math.prod(shape):
        raise VisionError(f"{path}: holds {len(pixels)} bytes, its header says {shape}: fetch it again")
    return shape, pixels


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VisionError(f"{path}: cannot be read ({error.strerror}): run vision.fetch first") from None


def _pair(images: np.ndarray, labels: np.ndarray, raw: Path) -> Split:
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise VisionError(f"{raw}: images {images.shape} and labels {labels.shape} do not match: fetch them again")
    return Split(images, labels.astype("int64"))
