"""A folder of images as a data version: the same splits for any model, and each image that cannot serve is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from foreign_models import LABELS, make_images
from PIL import Image

from vision.data import load_split
from vision.errors import VisionError
from vision.intake import imagefolder
from vision.intake.command import prepare_data
from vision.reference import reference


def test_images_become_a_frozen_test_set_with_the_folders_names(tmp_path: Path) -> None:
    prepare_data(make_images(tmp_path / "images"), tmp_path / "data")
    test, calibration = load_split(tmp_path / "data", "test"), load_split(tmp_path / "data", "calibration")
    assert (test.names, test.images.shape, calibration.images.shape) == (LABELS, (63, 12, 12, 3), (9, 12, 12, 3))
    pixels = {image.tobytes() for image in test.images}
    assert not any(image.tobytes() in pixels for image in calibration.images)
    assert np.bincount(test.labels).tolist() == [21, 21, 21]


def test_the_same_images_under_other_names_give_the_same_test_set(tmp_path: Path) -> None:
    prepare_data(make_images(tmp_path / "images"), tmp_path / "one")
    for index, path in enumerate(sorted((tmp_path / "images").rglob("*.png"))):
        path.rename(path.with_name(f"{7919 * index % 1000:04}-{path.name}"))
    prepare_data(tmp_path / "images", tmp_path / "two")
    assert load_split(tmp_path / "one", "test").digest == load_split(tmp_path / "two", "test").digest


def test_an_image_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    (images / "red" / "copy.png").write_bytes((images / "red" / "000.png").read_bytes())
    prepare_data(images, tmp_path / "data")
    assert len(load_split(tmp_path / "data", "test")) == 63


def test_images_of_several_sizes_get_the_median_and_no_side_is_large(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    Image.new("RGB", (3000, 20)).save(images / "red" / "wide.png")
    assert imagefolder.common_size(sorted(images.rglob("*.png"))) == (12, 12)
    for label in LABELS:
        for path in (images / label).iterdir():
            Image.new("L", (400, 300)).save(path)
    assert imagefolder.common_size(sorted(images.rglob("*.png"))) == (256, 256)


def test_what_drift_is_measured_against_is_the_mean_of_the_channels(tmp_path: Path) -> None:
    prepare_data(make_images(tmp_path / "images"), tmp_path / "data")
    train = load_split(tmp_path / "data", "train")
    told = reference(train, np.full((len(train), 3), 1 / 3))
    assert abs(told["brightness"]["mean"] - train.images.mean()) < 1
    assert told["classes"] == {label: round(1 / 3, 6) for label in LABELS}


def spoil_text(images: Path) -> None:
    (images / "red" / "notes.txt").write_text("not an image")


def spoil_cut(images: Path) -> None:
    path = images / "red" / "000.png"
    path.write_bytes(path.read_bytes()[:100])


def spoil_bomb(images: Path) -> None:
    Image.new("1", (30000, 30000)).save(images / "red" / "bomb.png")


def spoil_labels(images: Path) -> None:
    (images / "blue" / "copy.png").write_bytes((images / "red" / "000.png").read_bytes())


def spoil_few(images: Path) -> None:
    (images / "pink").mkdir()
    (images / "pink" / "one.png").write_bytes((images / "red" / "000.png").read_bytes())


def spoil_same(images: Path) -> None:
    for path in (images / "red").iterdir():
        path.write_bytes((images / "blue" / "000.png").read_bytes())
    (images / "blue" / "000.png").unlink()


def spoil_name(images: Path) -> None:
    (images / "red").rename(images / "re\nd")


def spoil_all(images: Path) -> None:
    for label in LABELS[1:]:
        (images / label).rename(images.parent / label)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (spoil_text, "notes.txt: is no image of JPEG, PNG, BMP, WEBP"),
        (spoil_cut, "000.png: is cut or damaged"),
        (spoil_bomb, "bomb.png: "),
        (spoil_labels, "the same image is under 'blue' and 'red'"),
        (spoil_few, "'pink' has fewer than two images"),
        (spoil_same, "red: holds one image over and over"),
        (spoil_name, "the name 're\\nd' holds a line break"),
        (spoil_all, "has no two folders of images, one a label"),
    ],
)
def test_a_folder_that_cannot_serve_is_refused_in_one_line(tmp_path: Path, spoil, said: str) -> None:
    images = make_images(tmp_path / "images")
    spoil(images)
    with pytest.raises(VisionError) as error:
        prepare_data(images, tmp_path / "data")
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "data" / "split.json").exists()


def test_more_images_than_fit_into_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagefolder, "LARGEST_SET", 1000)
    with pytest.raises(VisionError, match="holds too many images to evaluate at once: take fewer"):
        prepare_data(make_images(tmp_path / "images"), tmp_path / "data")


def test_what_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="absent: is no folder"):
        prepare_data(tmp_path / "absent", tmp_path / "data")
