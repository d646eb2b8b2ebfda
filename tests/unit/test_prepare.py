"""vision.prepare and vision.data: the splits, and that no test image is ever trained or calibrated on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vision import data, prepare
from vision.data import LABELS, Split, load_split, read_idx, read_raw
from vision.errors import VisionError
from vision.prepare import Recipe, Splits, make_splits, write_splits

RECIPE = Recipe(seed=7, validation_share=0.2, calibration=40)


def random_images(count: int, seed: int) -> Split:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 28, 28), np.uint8)
    return Split(images, np.arange(count, dtype=np.int64) % len(LABELS))


@pytest.fixture
def official() -> tuple[Split, Split]:
    """Training and test images, 15 of which are in both: some under the same label, some under another."""
    train, test = random_images(500, seed=1), random_images(100, seed=2)
    train.images[::35] = test.images[:15]
    return train, test


def pixels(split: Split) -> set[bytes]:
    return {image.tobytes() for image in split.images}


def test_no_test_image_is_in_train_validation_or_calibration(official: tuple[Split, Split]) -> None:
    splits = make_splits(*official, RECIPE)
    test = pixels(official[1])
    assert not test & (pixels(splits.train) | pixels(splits.validation) | pixels(splits.calibration))
    assert splits.dropped == 15


def test_a_limit_on_the_test_set_lets_no_test_image_back_in(official: tuple[Split, Split]) -> None:
    splits = make_splits(*official, Recipe(seed=7, calibration=40, limit_test=10))
    assert len(splits.test) == 10
    assert not pixels(official[1]) & pixels(splits.train)


def test_every_other_image_is_in_train_or_validation_and_in_one_only(official: tuple[Split, Split]) -> None:
    splits = make_splits(*official, RECIPE)
    assert pixels(splits.train) | pixels(splits.validation) == pixels(official[0]) - pixels(official[1])
    assert len(splits.train) + len(splits.validation) == 485


def test_calibration_images_come_from_train_alone(official: tuple[Split, Split]) -> None:
    splits = make_splits(*official, RECIPE)
    assert len(splits.calibration) == 40
    assert pixels(splits.calibration) <= pixels(splits.train)


def test_the_test_set_stays_as_it_is(official: tuple[Split, Split]) -> None:
    assert make_splits(*official, RECIPE).test.digest == official[1].digest


def test_each_class_has_its_share_of_validation() -> None:
    labels = np.repeat(np.arange(10), np.arange(10, 110, 10))  # 10 to 100 images a class
    train = Split(random_images(550, seed=3).images, labels)
    splits = make_splits(train, random_images(10, seed=4), Recipe(seed=1, validation_share=0.2, calibration=40))
    counts = np.bincount(splits.validation.labels)
    assert np.abs(counts - np.arange(2, 22, 2)).max() <= 1
    assert counts.sum() == 110


def test_labels_stay_with_their_images(official: tuple[Split, Split]) -> None:
    known = {image.tobytes(): label for image, label in zip(official[0].images, official[0].labels)}
    for split in (make_splits(*official, RECIPE).train, make_splits(*official, RECIPE).validation):
        assert [known[image.tobytes()] for image in split.images] == split.labels.tolist()


def test_another_seed_holds_out_other_images(official: tuple[Split, Split]) -> None:
    other = make_splits(*official, Recipe(seed=8, validation_share=0.2, calibration=40))
    assert pixels(other.validation) != pixels(make_splits(*official, RECIPE).validation)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, official: tuple[Split, Split]) -> None:
    for name in ("one", "two"):
        write_splits(make_splits(*official, RECIPE), RECIPE, tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert set(one) == {"train.npz", "validation.npz", "test.npz", "calibration.npz", "split.json"}


def test_the_draw_does_not_depend_on_the_machine(official: tuple[Split, Split]) -> None:
    first = make_splits(*official, RECIPE).validation.labels[:12].tolist()
    assert first == [4, 5, 9, 1, 2, 3, 3, 4, 8, 0, 2, 7], "a frozen stream drew other images"


def test_a_limit_takes_so_many_training_images_of_every_class(official: tuple[Split, Split]) -> None:
    splits = make_splits(*official, Recipe(seed=7, limit_train=100, calibration=40))
    assert len(splits.train) + len(splits.validation) == 100
    assert np.bincount(splits.train.labels).min() >= 8


@pytest.mark.parametrize(
    "recipe", [Recipe(1, validation_share=0.0), Recipe(1, limit_train=3), Recipe(1, calibration=0)]
)
def test_a_recipe_that_leaves_a_split_empty_is_refused(official: tuple[Split, Split], recipe: Recipe) -> None:
    with pytest.raises(VisionError, match="--(validation-share|limit-train|calibration)"):
        make_splits(*official, recipe)


def test_split_json_tells_counts_and_digests_of_what_was_written(tmp_path: Path, official: tuple[Split, Split]) -> None:
    write_splits(make_splits(*official, RECIPE), RECIPE, tmp_path)
    split = json.loads((tmp_path / "split.json").read_text())
    assert split["counts"] == {"train": 388, "validation": 97, "test": 100, "calibration": 40}
    assert split["dropped"] == {"train_images_in_test": 15}
    for name, digest in split["digests"].items():
        assert load_split(tmp_path, name).digest == digest


def test_split_json_stands_only_where_all_is_written(
    tmp_path: Path, official: tuple[Split, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = make_splits(*official, RECIPE)
    write_splits(splits, RECIPE, tmp_path)
    monkeypatch.setattr(prepare, "write_bytes", fail_to_write)
    with pytest.raises(OSError):
        write_splits(splits, RECIPE, tmp_path)
    assert not (tmp_path / "split.json").exists()


def fail_to_write(path: Path, content: bytes) -> None:
    raise OSError("disk full")


def write_idx(path: Path, array: np.ndarray) -> None:
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes((0, 0, 8, array.ndim)) + shape + array.astype(np.uint8).tobytes())


def write_raw(folder: Path, official: tuple[Split, Split]) -> Path:
    folder.mkdir()
    arrays = (official[0].images, official[0].labels, official[1].images, official[1].labels)
    for name, array in zip(data.FILES, arrays):
        write_idx(folder / name, array)
    return folder


def test_raw_files_are_read_as_they_were_written(tmp_path: Path, official: tuple[Split, Split]) -> None:
    train, test = read_raw(write_raw(tmp_path / "raw", official))
    assert (train.digest, test.digest) == (official[0].digest, official[1].digest)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x08", b"\x00\x00\x0d\x01abc", b"\x00\x00\x08\x01\x00\x00\x00\x09abc"]
)
def test_a_cut_or_foreign_idx_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(VisionError, match=f"{tmp_path}/images: .*fetch it again"):
        read_idx(tmp_path / "images")


def test_images_without_labels_are_refused(tmp_path: Path, official: tuple[Split, Split]) -> None:
    raw = write_raw(tmp_path / "raw", official)
    write_idx(raw / "train-labels-idx1-ubyte", official[0].labels[:-1])
    with pytest.raises(VisionError, match=f"{raw}: images .* do not match"):
        read_raw(raw)


def write_split(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(folder / "train.npz", images=images, labels=labels)


def test_a_cut_or_absent_split_is_named(tmp_path: Path, official: tuple[Split, Split]) -> None:
    with pytest.raises(VisionError, match="train.npz: cannot be read"):
        load_split(tmp_path, "train")
    write_split(tmp_path, official[0].images, official[0].labels)
    path = tmp_path / "train.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VisionError, match="train.npz: cannot be read"):
        load_split(tmp_path, "train")


def test_labels_that_nobody_named_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, np.zeros((1, 28, 28), np.uint8), np.array([10], np.uint8))
    with pytest.raises(VisionError, match="train.npz: a label is not in 0..9"):
        load_split(tmp_path, "train")


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    write_split(tmp_path, np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8))
    with pytest.raises(VisionError, match="holds 0 images and 0 labels"):
        load_split(tmp_path, "train")


def test_main_prepares_what_training_loads(
    tmp_path: Path, official: tuple[Split, Split], capsys: pytest.CaptureFixture[str]
) -> None:
    raw, out = write_raw(tmp_path / "raw", official), tmp_path / "out"
    assert prepare.main(["--raw", str(raw), "--out", str(out), "--seed", "7", "--calibration", "40"]) == 0
    assert "15 training images dropped" in capsys.readouterr().out
    assert len(load_split(out, "test")) == 100


def test_splits_are_found_by_the_names_that_are_loaded(official: tuple[Split, Split]) -> None:
    splits: Splits = make_splits(*official, RECIPE)
    assert tuple(splits.by_name()) == data.SPLITS
