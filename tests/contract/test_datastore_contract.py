"""What every data store does, whatever stands behind it. Another adapter joins by a line in STORES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from azurefake.faults import FORBIDDEN, THROTTLED, UNAVAILABLE, Drop
from azurefake.stages import azure_stage
from azurefake.state import ACCOUNT, Azure

from mlops.adapters.azureml.datastore import open_data_store
from mlops.adapters.local.datastore import LocalDataStore
from mlops.errors import ConfigError, StepError
from mlops.ports import DataStore
from mlops.records import DataRecord

BLOBS = f"{ACCOUNT}.blob.core.windows.net/azureml-blobstore"


@dataclass(frozen=True)
class Opened:
    """A store, and what reads a version's files, by their path within it."""

    store: DataStore
    files: Callable[[DataRecord], dict[str, bytes]]


def local(request: pytest.FixtureRequest, home: Path) -> Opened:
    return Opened(LocalDataStore(home / "data"), lambda record: files_of_folder(Path(record.path)))


def azureml(request: pytest.FixtureRequest, home: Path) -> Opened:
    azure: Azure = request.getfixturevalue("azure")
    return Opened(open_data_store(azure_stage()), lambda record: files_of_asset(azure, record.path))


STORES = {"local": local, "azureml": azureml}


def files_of_folder(folder: Path) -> dict[str, bytes]:
    assert folder.is_absolute()
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def files_of_asset(azure: Azure, path: str) -> dict[str, bytes]:
    """Return the blobs below the folder that a data asset names."""
    scheme, name, version = path.split(":")
    assert scheme == "azureml"
    (uri,) = [
        one["properties"]["dataUri"] for one in assets(azure) if one["id"].endswith(f"/{name}/versions/{version}")
    ]
    folder = unquote(uri).partition("/datastores/workspaceblobstore/paths/")[2].rstrip("/") + "/"
    return {key[2].removeprefix(folder): bytes_ for key, bytes_ in azure.blobs.items() if key[2].startswith(folder)}


def assets(azure: Azure) -> list[dict]:
    return [one for id, one in azure.resources.items() if "/data/" in id and "/versions/" in id]


@pytest.fixture(params=sorted(STORES))
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    return STORES[request.param](request, tmp_path / "home")


@pytest.fixture
def store(opened: Opened) -> DataStore:
    return opened.store


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


def test_the_same_bytes_may_be_published_under_another_name(opened: Opened, images: Path) -> None:
    first, second = (opened.store.publish(name, images) for name in ("fashion", "shoes"))
    assert first.version == second.version and first.path != second.path
    assert opened.files(first) == opened.files(second)


def test_a_fetched_version_holds_what_was_published(opened: Opened, images: Path) -> None:
    record = opened.store.publish("fashion", images)
    assert opened.store.fetch("fashion", record.version) == record
    assert opened.files(record) == {"train": b"pixels", "more/test": b"others"}


def test_hidden_files_are_no_part_of_a_version(opened: Opened, images: Path) -> None:
    whole = opened.store.publish("fashion", images).version
    (images / ".train.partial").write_text("pix")
    assert opened.store.publish("fashion", images).version == whole
    (images / ".gitignore").write_text("train\n")
    (images / "more" / "further").write_text("third")
    more = opened.store.publish("fashion", images)
    assert opened.files(more) == {"train": b"pixels", "more/test": b"others", "more/further": b"third"}


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


def uploads(azure: Azure) -> list[str]:
    """Return the names of the blobs that were written, not described."""
    return [one.path.rpartition("/")[2] for one in azure.sent("PUT", BLOBS) if "comp" not in one.query]


def test_azureml_an_asset_is_made_with_the_digest_in_its_tags_after_the_upload(azure: Azure, images: Path) -> None:
    open_data_store(azure_stage()).publish("fashion", images)
    (put,) = azure.sent("PUT", "/data/")
    assert put.path.endswith("/data/fashion/versions/e1a67a2bcbc08539")
    given = put.json["properties"]
    assert given["dataType"] == "uri_folder" and given["isAnonymous"] is False
    assert given["tags"]["digest"].startswith("sha256:e1a67a2bcbc08539") and given["tags"]["files"] == "2"
    assert given["dataUri"].rstrip("/").endswith("/fashion")
    assert sorted(uploads(azure)) == ["test", "train"]
    assert azure.requests[-1] is put


def test_azureml_the_same_bytes_are_uploaded_once(azure: Azure, images: Path) -> None:
    store = open_data_store(azure_stage())
    store.publish("fashion", images)
    seen = len(azure.requests)
    store.publish("fashion", images)
    assert [one.method for one in azure.requests[seen:]] == ["GET"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the storage client try again at once, and not after 15 seconds and more."""
    from azure.storage.blob._shared.policies import ExponentialRetry

    monkeypatch.setattr(ExponentialRetry, "get_backoff_time", lambda policy, settings: 0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("file", ["more/test", "train"])  # the SDK looks at the first to see what is there already
@pytest.mark.parametrize("answers", [(Drop(after=2),) * 9, (FORBIDDEN,)], ids=["connection", "403"])
def test_azureml_an_upload_that_is_cut_off_leaves_no_asset_and_the_next_one_completes(
    azure: Azure, images: Path, answers: tuple, file: str
) -> None:
    store = open_data_store(azure_stage())
    azure.fail("PUT", f"fashion/{file}", *answers)
    with pytest.raises(StepError, match="^uploading data fashion e1a67a2bcbc08539: ") as raised:
        store.publish("fashion", images)
    assert "\n" not in str(raised.value) and Azure.SECRET not in str(raised.value)
    assert assets(azure) == []
    azure.faults.clear()
    record = store.publish("fashion", images)
    assert files_of_asset(azure, record.path) == {"train": b"pixels", "more/test": b"others"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "method, part, fault",
    [
        ("GET", "/data/", THROTTLED),
        ("GET", "/data/", Drop()),
        ("PUT", "/data/", THROTTLED),
        ("PUT", "/data/", UNAVAILABLE),
        ("PUT", "/data/", Drop(handled=True)),
        ("PUT", "fashion/train", UNAVAILABLE),  # storage knows no 429: it says busy by 503
        ("PUT", "fashion/train", Drop(after=2)),
    ],
    ids=lambda value: getattr(value, "status", None) or (None if isinstance(value, str) else "connection"),
)
def test_azureml_what_passes_by_itself_is_waited_out(
    azure: Azure, images: Path, method: str, part: str, fault: object
) -> None:
    azure.fail(method, part, fault)  # type: ignore[arg-type]
    record = open_data_store(azure_stage()).publish("fashion", images)
    assert files_of_asset(azure, record.path) == {"train": b"pixels", "more/test": b"others"}


def test_azureml_who_may_not_is_told_about_the_role(azure: Azure, images: Path) -> None:
    azure.fail("GET", "/data/", FORBIDDEN)
    with pytest.raises(StepError, match="^data fashion e1a67a2bcbc08539: 403 .*lacks a role"):
        open_data_store(azure_stage()).publish("fashion", images)
    assert uploads(azure) == []


def test_azureml_a_file_that_changes_while_it_is_published_makes_no_version(
    azure: Azure, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(source: Path, target: Path, check: Callable[[Path], object]) -> None:
        (images / "train").write_text("changed")
        placed(source, target, check)

    from mlops.adapters.azureml import datastore

    placed = datastore.place_folder
    monkeypatch.setattr(datastore, "place_folder", changing)
    with pytest.raises(ConfigError, match="changed while it was published .train is "):
        open_data_store(azure_stage()).publish("fashion", images)
    assert uploads(azure) == [] and assets(azure) == []


@pytest.mark.parametrize("tags", [{}, {"digest": "sha256:00"}, {"digest": "sha256:e1a67a2bcbc08539ff"}])
def test_azureml_a_version_that_somebody_else_made_is_not_taken_for_ours(
    azure: Azure, images: Path, tags: dict[str, str]
) -> None:
    store = open_data_store(azure_stage())
    version = store.publish("fashion", images).version
    assets(azure)[0]["properties"]["tags"] = tags
    with pytest.raises(ConfigError, match="another name"):
        store.publish("fashion", images)
    if not tags.get("digest", "").startswith(f"sha256:{version}"):
        with pytest.raises(ConfigError, match=f"fashion {version}: its tag digest is .*: publish the data"):
            store.fetch("fashion", version)
