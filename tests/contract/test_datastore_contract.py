"""What every data store does, whatever stands behind it. Another adapter joins by a line in STORES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.adapters.local.datastore import LocalDataStore
from mlops.errors import ConfigError
from mlops.ports import DataStore

STORES: dict[str, Callable[[Path], DataStore]] = {"local": lambda home: LocalDataStore(home / "data")}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DataStore:
    return STORES[request.param](tmp_path / "home")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return written(tmp_path / "images")


def written(folder: Path, content: str = "pixels") -> Path:
    (folder / "more").mkdir(parents=True)
    (folder / "train").write_text(content)
    (folder / "more" / "test").write_text("others")
    return folder


def test_the_same_bytes_are_the_same_version_on_any_machine(store: DataStore, images: Path, tmp_path: Path) -> None:
    first = store.publish("fashion", images)
    elsewhere = LocalDataStore(tmp_path / "elsewhere").publish("fashion", written(tmp_path / "copy"))
    assert first.version == elsewhere.version == "e1a67a2bcbc08539"
    assert store.publish("fashion", images) == first


def test_other_bytes_and_other_names_are_other_versions(store: DataStore, images: Path, tmp_path: Path) -> None:
    first = store.publish("fashion", images).version
    assert store.publish("fashion", written(tmp_path / "b", "other pixels")).version != first
    (images / "train").rename(images / "training")
    assert store.publish("fashion", images).version != first


def test_a_fetched_version_holds_what_was_published(store: DataStore, images: Path) -> None:
    record = store.publish("fashion", images)
    fetched = store.fetch("fashion", record.version)
    assert fetched == record
    assert Path(fetched.path).is_absolute()
    assert (Path(fetched.path) / "more" / "test").read_text() == "others"


def test_what_a_killed_download_left_is_no_part_of_a_version(store: DataStore, images: Path) -> None:
    whole = store.publish("fashion", images).version
    (images / ".train.partial").write_text("pix")
    again = store.publish("fashion", images)
    assert again.version == whole
    assert not (Path(again.path) / ".train.partial").exists()


def test_an_unknown_version_is_refused(store: DataStore) -> None:
    with pytest.raises(ConfigError, match="no such data version"):
        store.fetch("fashion", "0000000000000000")


def test_an_empty_folder_is_no_version(store: DataStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no files"):
        store.publish("fashion", tmp_path / "empty")


def test_local_a_damaged_file_is_named_and_publishing_again_puts_it_right(images: Path, tmp_path: Path) -> None:
    store = LocalDataStore(tmp_path / "data")
    record = store.publish("fashion", images)
    spoils: list[tuple[Callable[[Path], object], str]] = [
        (lambda path: (path / "train").write_text("cut"), "train is sha256:.*published as"),
        (lambda path: (path / "train").unlink(), "train is missing"),
        (lambda path: (path / "extra").write_text("x"), "extra does not belong here"),
    ]
    for spoil, words in spoils:
        spoil(Path(record.path))
        with pytest.raises(ConfigError, match=f"{words}.*: run `python -m mlops data`"):
            store.fetch("fashion", record.version)
        assert store.publish("fashion", images) == record
        assert store.fetch("fashion", record.version) == record


def test_local_a_changed_manifest_is_noticed(images: Path, tmp_path: Path) -> None:
    store = LocalDataStore(tmp_path / "data")
    record = store.publish("fashion", images)
    Path(record.path, "train").write_text("cut")
    manifest = LocalDataStore(tmp_path / "other").publish("fashion", Path(record.path))
    Path(manifest.path).with_suffix(".json").rename(Path(record.path).with_suffix(".json"))
    with pytest.raises(ConfigError, match="the manifest was changed"):
        store.fetch("fashion", record.version)
