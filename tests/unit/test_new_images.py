"""`vision.images` writes what stands for new images as files that anything can read, always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_stripes import stripes, write_raw

from vision.data import TEST_IMAGES
from vision.images import main, write_images

COUNT = 12


def test_each_file_is_a_test_image_pixel_by_pixel(tmp_path: Path) -> None:
    assert write_images(write_raw(tmp_path / "raw"), tmp_path / "out", COUNT) == COUNT
    files = sorted((tmp_path / "out").iterdir())
    read = [np.asarray(Image.open(path)) for path in files]
    assert [path.name for path in files] == [f"{number:05}.png" for number in range(COUNT)]
    assert np.array_equal(np.stack(read), stripes(1000, 2)[0][:COUNT])


def test_the_same_raw_files_give_the_same_bytes(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw")
    for name in ("one", "other"):
        write_images(raw, tmp_path / name, COUNT)
    contents = [[path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("one", "other")]
    assert contents[0] == contents[1]


def test_no_more_are_written_than_there_are(tmp_path: Path) -> None:
    assert write_images(write_raw(tmp_path / "raw"), tmp_path / "out", 5000) == 1000


@pytest.mark.parametrize(
    "content, count, words",
    [
        (None, "9", "cannot be read"),
        (b"nothing", "9", "is not an IDX file"),
        (bytes((0, 0, 8, 3, *(0, 0, 0, 1) * 3)), "9", "holds 0 bytes"),
        (bytes((0, 0, 8, 1, 0, 0, 0, 1, 7)), "9", "holds no images"),
        (bytes((0, 0, 8, 3, *(0, 0, 0, 1) * 3, 7)), "0", "there is no image to write"),
    ],
)
def test_what_holds_no_images_is_one_line(
    content: bytes | None, count: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / TEST_IMAGES).write_bytes(content)
    assert main(["--raw", str(tmp_path), "--out", str(tmp_path / "out"), "--count", count]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
