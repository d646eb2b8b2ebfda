"""Blobs, models and registries of the fake Azure, by the unmodified SDKs: leases, conditions, lasting versions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from azurefake.blobs import end_leases
from azurefake.datastores import use_entra
from azurefake.faults import Drop
from azurefake.registries import add_registry
from azurefake.state import GROUP, SUBSCRIPTION, WORKSPACE, Azure
from azurefake.tokens import ACCOUNT_KEY

ACCOUNT = "https://fakestore.blob.core.windows.net"


def client(registry: str | None = None) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import WorkloadIdentityCredential

    place = {"subscription_id": SUBSCRIPTION, "resource_group_name": GROUP, "workspace_name": WORKSPACE}
    named = {"registry_name": registry} if registry else place
    return MLClient(WorkloadIdentityCredential(), enable_telemetry=False, **named)


def blob(name: str, **more: Any) -> Any:
    from azure.storage.blob import BlobClient, LinearRetry

    at_once = LinearRetry(backoff=0, random_jitter_range=0)
    return BlobClient(ACCOUNT, "a", name, credential=ACCOUNT_KEY, retry_policy=at_once, **more)


def model(folder: Path, version: str | None = "1", content: str = "content") -> Any:
    from azure.ai.ml.entities import Model

    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "weights").write_text(content, encoding="utf-8")
    tags, properties = {"a": "b"}, {"digest": content}
    path = str(folder / "files")
    return Model(name="m", version=version, path=path, type="custom_model", tags=tags, properties=properties)


def status_of(call: Any) -> int:
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError) as raised:
        call()
    return raised.value.status_code


def test_a_blob_is_read_whole_and_in_parts(azure: Azure) -> None:
    content = os.urandom(300_000)
    blob("large", max_single_put_size=1, max_block_size=100_000).upload_blob(content, metadata={"a": "b"})
    assert azure.blobs[("fakestore", "a", "large")] == content
    assert len(azure.sent("PUT", "comp=block&")) == 3
    assert blob("large").download_blob(offset=99_990, length=20).readall() == content[99_990:100_010]
    assert blob("large", max_single_get_size=90_000, max_chunk_get_size=80_000).download_blob().readall() == content
    assert blob("large").get_blob_properties().metadata == {"a": "b"}


def test_an_upload_survives_a_connection_that_breaks_in_the_middle(azure: Azure) -> None:
    azure.fail("PUT", "comp=block&", Drop(after=70_000))
    content = os.urandom(300_000)
    blob("large", max_single_put_size=1, max_block_size=100_000).upload_blob(content)
    assert azure.blobs[("fakestore", "a", "large")] == content
    assert len(azure.sent("PUT", "comp=block&")) == 4


def test_a_container_lists_by_prefix_and_by_folder(azure: Azure) -> None:
    from azure.storage.blob import ContainerClient

    for name in ("x/1", "x/y/2", "z & <3"):
        blob(name).upload_blob(b"")
    container = ContainerClient(ACCOUNT, "a", credential=ACCOUNT_KEY)
    assert list(container.list_blob_names()) == ["x/1", "x/y/2", "z & <3"]
    assert list(container.list_blob_names(name_starts_with="x/")) == ["x/1", "x/y/2"]
    assert [one.name for one in container.walk_blobs("x/")] == ["x/y/", "x/1"]
    blob("x/1").delete_blob()
    assert status_of(blob("x/1").download_blob) == 404


def test_a_blob_changes_only_as_the_conditions_say(azure: Azure) -> None:
    from azure.core import MatchConditions

    one = blob("one")
    first = one.upload_blob(b"1")["etag"]
    assert status_of(lambda: one.upload_blob(b"2")) == 409
    one.upload_blob(b"2", overwrite=True, etag=first, match_condition=MatchConditions.IfNotModified)
    late = {"overwrite": True, "etag": first, "match_condition": MatchConditions.IfNotModified}
    assert status_of(lambda: one.upload_blob(b"3", **late)) == 412
    assert one.download_blob().readall() == b"2"


def test_a_lease_excludes_until_it_is_given_back(azure: Azure) -> None:
    one = blob("lock")
    one.upload_blob(b"")
    held = one.acquire_lease(30)
    assert status_of(lambda: blob("lock").acquire_lease(30)) == 409
    assert status_of(lambda: one.upload_blob(b"2", overwrite=True)) == 412
    assert status_of(lambda: one.set_blob_metadata({"a": "b"})) == 412
    one.set_blob_metadata({"holder": "me"}, lease=held)
    held.renew()
    assert one.get_blob_properties().lease.status == "locked"
    held.release()
    assert one.acquire_lease(30).id not in (None, held.id)


def test_a_lease_runs_out_and_is_then_anybodys(azure: Azure) -> None:
    one = blob("lock")
    one.upload_blob(b"")
    held = one.acquire_lease(30)
    end_leases(azure)
    held.renew()
    end_leases(azure)
    one.acquire_lease(15)
    assert status_of(held.renew) == 409


@pytest.mark.parametrize("is_open_to_tokens_alone", [False, True])
def test_a_models_files_reach_storage_and_come_back(
    azure: Azure, tmp_path: Path, is_open_to_tokens_alone: bool
) -> None:
    if is_open_to_tokens_alone:
        use_entra(azure)
    made = client().models.create_or_update(model(tmp_path))
    assert (made.version, made.tags, made.properties) == ("1", {"a": "b"}, {"digest": "content"})
    kind = "Bearer" if is_open_to_tokens_alone else "SharedKey"
    assert {one.headers["authorization"].split()[0] for one in azure.sent("*", "fakestore.blob")} == {kind}
    client().models.download("m", "1", str(tmp_path / "back"))
    assert [file.read_text("utf-8") for file in (tmp_path / "back").rglob("weights")] == ["content"]


def test_a_versions_files_and_properties_last_and_its_tags_do_not(azure: Azure, tmp_path: Path) -> None:
    sdk = client()
    made = sdk.models.create_or_update(model(tmp_path))
    made.tags = {"c": "d"}
    assert sdk.models.create_or_update(made).tags == {"c": "d"}
    made.properties = {"digest": "another"}
    assert status_of(lambda: sdk.models.create_or_update(made)) == 400
    assert sdk.models.get("m", "1").properties == {"digest": "content"}
    made.path = f"{made.path}-elsewhere"
    made.properties = {"digest": "content"}
    assert status_of(lambda: sdk.models.create_or_update(made)) == 409


def test_an_archived_version_is_hidden_and_keeps_its_number(azure: Azure, tmp_path: Path) -> None:
    from azure.ai.ml.constants import ListViewType

    sdk = client()
    for content in ("one", "two"):
        sdk.models.create_or_update(model(tmp_path, None, content))
    sdk.models.archive("m", "2")
    assert [one.version for one in sdk.models.list("m")] == ["1"]
    hidden = sdk.models.list("m", list_view_type=ListViewType.ARCHIVED_ONLY)
    assert [one.version for one in hidden] == ["2"]
    assert sdk.models.create_or_update(model(tmp_path, None, "three")).version == "3"
    assert [one.name for one in sdk.models.list()] == ["m"]


def test_a_workspaces_model_is_shared_with_its_files_and_properties(azure: Azure, tmp_path: Path) -> None:
    add_registry(azure)
    client().models.create_or_update(model(tmp_path))
    client().models.share("m", "1", share_with_name="m", share_with_version="1", registry_name="shared")
    shared = client("shared").models
    found = shared.get("m", "1")
    assert (found.id, found.properties) == ("azureml://registries/shared/models/m/versions/1", {"digest": "content"})
    shared.download("m", "1", str(tmp_path / "back"))
    assert [file.read_text("utf-8") for file in (tmp_path / "back").rglob("weights")] == ["content"]


def test_a_registry_takes_models_of_its_own(azure: Azure, tmp_path: Path) -> None:
    add_registry(azure)
    models = client("shared").models
    assert list(models.list("m")) == []
    made = models.create_or_update(model(tmp_path))
    made.tags = {"c": "d"}
    models.create_or_update(made)
    assert [(one.version, one.tags) for one in models.list("m")] == [("1", {"c": "d"})]
    models.archive("m", "1")
    assert list(models.list("m")) == []


def test_a_registry_that_is_not_there_is_not_found(azure: Azure) -> None:
    assert status_of(lambda: client("nowhere")) == 404
