"""What the registry asks of Azure ML, what it makes of Azure's refusals, and that it converges when it is run again."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from azurefake.faults import FORBIDDEN, THROTTLED, UNAVAILABLE, Drop
from azurefake.message import Answer
from azurefake.registries import add_registry
from azurefake.stages import azure_stage
from azurefake.state import WORKSPACE, Azure
from mlops.adapters.azureml.arm import Arm
from mlops.adapters.azureml import registry as azure_registry
from mlops.adapters.azureml.registry import AzureRegistry, open_registry
from mlops.adapters.azureml.workspace import _client, place_of
from mlops.errors import RegistryError, StepError
from modelpackage import open_package, package_digest
from registries import sealed
from running_endpoint import wait_for

MODEL = "fashion-classifier"
TAGS = {"data_version": "d1", "git_commit": "c1"}


@pytest.fixture
def registry(azure: Azure) -> AzureRegistry:
    return open_registry(azure_stage("dev"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return sealed(tmp_path / "package", "weights")


def put_bodies(azure: Azure) -> list[dict[str, Any]]:
    """Return the bodies of all versions that were put, without what differs from run to run."""
    sent = [one.json["properties"] for one in azure.sent("PUT", f"/models/{MODEL}/versions/")]
    return [{key: value for key, value in body.items() if key != "modelUri"} for body in sent]


def test_a_version_is_put_once_with_its_digest_in_the_properties(
    azure: Azure, registry: AzureRegistry, package: Path
) -> None:
    version = registry.register(MODEL, package, TAGS)
    digest = package_digest(package)
    assert version.digest == digest
    assert put_bodies(azure) == [
        {
            "isAnonymous": False,
            "isArchived": False,
            "modelType": "custom_model",
            "properties": {"digest": digest},
            "tags": {**TAGS, "digest": digest},
        }
    ]
    uploaded = {name.rsplit("/", 1)[-1] for _, _, name in azure.blobs}
    assert {"labels.json", "model_int8.onnx", "release.json"} <= uploaded


def test_the_same_package_again_uploads_and_puts_nothing(azure: Azure, registry: AzureRegistry, package: Path) -> None:
    registry.register(MODEL, package, TAGS)
    before = len(azure.sent("PUT"))
    registry.register(MODEL, package, TAGS)
    assert len(azure.sent("PUT")) == before


def test_a_tag_that_somebody_took_off_by_hand_does_not_change_the_digest(
    azure: Azure, registry: AzureRegistry, package: Path, tmp_path: Path
) -> None:
    version = registry.register(MODEL, package, TAGS)
    registry.remove_tag(MODEL, 1, "digest")
    open_package(registry.download(MODEL, 1, tmp_path / "fetched"), version.digest)


def test_a_blob_that_was_changed_in_the_store_is_never_handed_out(
    azure: Azure, registry: AzureRegistry, package: Path, tmp_path: Path
) -> None:
    registry.register(MODEL, package, TAGS)
    changed = next(key for key in azure.blobs if key[2].endswith("labels.json"))
    azure.blobs[changed] = b'["b", "a"]'
    with pytest.raises(RegistryError, match="labels.json"):
        registry.download(MODEL, 1, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


@pytest.mark.parametrize(
    "fault", [THROTTLED, UNAVAILABLE, Drop(), Drop(handled=True)], ids=["429", "503", "dropped", "dropped after"]
)
@pytest.mark.parametrize("request_", [("GET", "/models/"), ("PUT", "/versions/1")])
def test_what_passes_is_retried(
    azure: Azure, registry: AzureRegistry, package: Path, request_: tuple[str, str], fault: Any
) -> None:
    azure.fail(*request_, fault)
    assert registry.register(MODEL, package, TAGS).version == 1
    assert list(registry.versions(MODEL)) == [1]


@pytest.mark.parametrize("request_", [("GET", "/models/"), ("PUT", "/versions/1")])
def test_a_missing_role_is_said_in_one_line_and_nothing_is_registered(
    azure: Azure, registry: AzureRegistry, package: Path, request_: tuple[str, str]
) -> None:
    azure.fail(*request_, *[FORBIDDEN] * 9)
    with pytest.raises(RegistryError, match="403 .*preflight") as raised:
        registry.register(MODEL, package, TAGS)
    assert "\n" not in str(raised.value) and Azure.SECRET not in str(raised.value)
    azure.faults.clear()
    assert registry.versions(MODEL) == {}
    assert registry.register(MODEL, package, TAGS).version == 1


@pytest.mark.parametrize("fault", [UNAVAILABLE, Drop(100)], ids=["503", "dropped"])
def test_an_upload_that_breaks_off_is_done_again(
    azure: Azure, registry: AzureRegistry, package: Path, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure.storage.blob._shared.policies.ExponentialRetry.get_backoff_time", lambda *_: 0)
    azure.fail("PUT", "labels.json", fault)
    assert registry.register(MODEL, package, TAGS).version == 1


def test_an_upload_that_never_ends_leaves_no_version_and_the_next_run_makes_it(
    azure: Azure, registry: AzureRegistry, package: Path
) -> None:
    azure.fail("PUT", "labels.json", THROTTLED)
    with pytest.raises(RegistryError, match="run the step again|run it again"):
        registry.register(MODEL, package, TAGS)
    assert registry.versions(MODEL) == {}
    assert registry.register(MODEL, package, TAGS).version == 1


def test_a_token_that_ran_out_is_renewed(azure: Azure, package: Path) -> None:
    azure.token_seconds = 1
    own = _client(*place_of(azure_stage("dev")))
    registry = AzureRegistry(lambda: own, (WORKSPACE,))
    registry.register(MODEL, package, TAGS)
    given = len(azure.sent("POST", "/oauth2/v2.0/token"))
    over = time.time() + azure.token_seconds
    wait_for(lambda: time.time() > over)
    registry.set_tag(MODEL, 1, "dev", "approved")
    assert len(azure.sent("POST", "/oauth2/v2.0/token")) > given
    assert registry.versions(MODEL)[1].tags["dev"] == "approved"


TAKEN = Answer(409, {"error": {"code": "UserError", "message": "A model with this name and version already exists"}})


def test_a_number_that_is_taken_and_not_listed_is_passed_over(
    azure: Azure, registry: AzureRegistry, package: Path
) -> None:
    azure.fail("PUT", "/versions/1", TAKEN)
    assert registry.register(MODEL, package, TAGS).version == 2


def test_where_others_take_each_number_first_that_is_said(azure: Azure, registry: AzureRegistry, package: Path) -> None:
    azure.fail("PUT", f"/models/{MODEL}/versions/", *[TAKEN] * 9)
    with pytest.raises(RegistryError, match="others register at the same time"):
        registry.register(MODEL, package, TAGS)


@pytest.mark.parametrize("place", [{}, {"registry": "shared"}], ids=["workspace", "shared"])
def test_where_all_versions_are_archived_the_next_one_comes_after_them(
    azure: Azure, tmp_path: Path, place: dict[str, str]
) -> None:
    add_registry(azure, "shared")
    registry = open_registry(azure_stage("dev", azureml=place))
    archived = range(1, azure_registry.ATTEMPTS + 2)
    for number in archived:
        registry.register(MODEL, sealed(tmp_path / f"package{number}", f"weights {number}"), TAGS)
    for number in archived:
        registry.archive(MODEL, number)
    assert registry.register(MODEL, sealed(tmp_path / "next", "next weights"), TAGS).version == len(archived) + 1


def test_two_that_register_at_once_get_a_version_each(azure: Azure, tmp_path: Path) -> None:
    def register(name: str) -> None:
        own = _client(*place_of(azure_stage("dev")))
        AzureRegistry(lambda: own, (WORKSPACE,)).register(MODEL, sealed(tmp_path / name, name), {"of": name})

    threads = [threading.Thread(target=register, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    versions = open_registry(azure_stage("dev")).versions(MODEL)
    assert sorted(version.tags["of"] for version in versions.values()) == ["a", "b", "c"]
    assert sorted(versions) == [1, 2, 3]


def test_two_writers_of_tags_lose_none(
    azure: Azure, registry: AzureRegistry, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_registry, "SETTLE_SECONDS", 1.0)
    registry.register(MODEL, package, TAGS)

    def write(key: str) -> None:
        own = _client(*place_of(azure_stage("dev")))
        AzureRegistry(lambda: own, (WORKSPACE,)).set_tag(MODEL, 1, key, "yes")

    threads = [threading.Thread(target=write, args=(f"tag{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {"tag0", "tag1"} <= registry.versions(MODEL)[1].tags.keys()


def test_where_others_overwrite_a_tag_without_an_end_that_is_said(
    azure: Azure, registry: AzureRegistry, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_registry, "SETTLE_SECONDS", 0.0)
    registry.register(MODEL, package, TAGS)
    known = next(body for key, body in azure.resources.items() if key.endswith(f"/{MODEL}/versions/1"))
    azure.fail("PUT", "/versions/1", *[Answer(200, known)] * 99)
    with pytest.raises(RegistryError, match="others change its tags"):
        registry.set_tag(MODEL, 1, "dev", "approved")


def test_a_workspace_that_is_not_there_is_named_with_the_place_to_mend(azure: Azure) -> None:
    registry = open_registry(azure_stage("dev", azureml={"workspace": "elsewhere"}))
    with pytest.raises(RegistryError, match="elsewhere.*stage file"):
        registry.versions(MODEL)


@pytest.mark.parametrize("version", ["v1", "2024-01-01", "1a", "²"])
def test_a_version_that_somebody_else_named_otherwise_is_passed_over(
    azure: Azure, registry: AzureRegistry, package: Path, tmp_path: Path, version: str
) -> None:
    registry.register(MODEL, package, TAGS)
    (known,) = [key for key in azure.resources if key.endswith(f"/{MODEL}/versions/1")]
    azure.put(
        azure.resources[known]["id"].removesuffix("1") + version, {"properties": azure.resources[known]["properties"]}
    )
    assert list(registry.versions(MODEL)) == [1]
    assert registry.register(MODEL, sealed(tmp_path / "other", "other weights"), TAGS).version == 2


def test_a_page_that_a_proxy_answers_with_is_one_line_that_names_it(azure: Azure) -> None:
    azure.fail("GET", "/quotas", Answer(200, "<html>Sign in</html>"))
    with pytest.raises(StepError, match="answered by a page instead of JSON: see HTTPS_PROXY") as raised:
        Arm().get("/subscriptions/s/quotas", "2024-01-01")
    assert "\n" not in str(raised.value) and "Sign in" not in str(raised.value)
