"""A version goes from a workspace to another, or to a registry that stages share, with its number, files and tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from azurefake.faults import FORBIDDEN, UNAVAILABLE
from azurefake.registries import add_registry
from azurefake.stages import azure_stage
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from mlops.adapters.azureml import registry as azure_registry
from mlops.adapters.azureml.registry import AzureRegistry, open_registry
from mlops.errors import RegistryError
from modelpackage import open_package
from registries import sealed

MODEL = "fashion-classifier"
PLACES = {"workspace": {"workspace": "ws-qa"}, "registry": {"registry": "shared"}}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that nobody else writes tags."""
    monkeypatch.setattr(azure_registry, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def source(azure: Azure, tmp_path: Path) -> AzureRegistry:
    """Return dev's registry with three versions, of which the third is approved."""
    registry = open_registry(azure_stage("dev"))
    for number in (1, 2, 3):
        registry.register(MODEL, sealed(tmp_path / f"package{number}", f"weights {number}"), {"data_version": "d1"})
    registry.set_tag(MODEL, 3, "dev", "approved")
    return registry


@pytest.fixture(params=sorted(PLACES))
def other(request: pytest.FixtureRequest, azure: Azure) -> AzureRegistry:
    """Return qa's registry: of another workspace, or shared."""
    add_workspace(azure, name="ws-qa", account="qastore")
    add_registry(azure, "shared")
    return open_registry(azure_stage("qa", azureml=PLACES[request.param]))


def test_a_copy_has_the_number_the_files_the_digest_and_the_tags(
    source: AzureRegistry, other: AzureRegistry, tmp_path: Path
) -> None:
    source.copy_to(MODEL, 3, other)
    original = source.versions(MODEL)[3]
    assert other.versions(MODEL) == {3: original}
    open_package(other.download(MODEL, 3, tmp_path / "fetched"), original.digest)


def test_copied_again_nothing_is_sent_and_its_own_tags_stay(
    azure: Azure, source: AzureRegistry, other: AzureRegistry
) -> None:
    source.copy_to(MODEL, 3, other)
    other.set_tag(MODEL, 3, "qa", "approved")
    changes = len(azure.sent("PUT")) + len(azure.sent("POST", "/import"))
    source.copy_to(MODEL, 3, other)
    assert len(azure.sent("PUT")) + len(azure.sent("POST", "/import")) == changes
    assert other.versions(MODEL)[3].tags["qa"] == "approved"


def test_the_next_version_there_comes_after_the_copy(
    source: AzureRegistry, other: AzureRegistry, tmp_path: Path
) -> None:
    source.copy_to(MODEL, 3, other)
    assert other.register(MODEL, sealed(tmp_path / "own", "own"), {}).version == 4


def test_a_number_that_is_another_model_there_is_refused(
    source: AzureRegistry, other: AzureRegistry, tmp_path: Path
) -> None:
    other.register(MODEL, sealed(tmp_path / "own", "own"), {})
    with pytest.raises(RegistryError, match="1 is another model in"):
        source.copy_to(MODEL, 1, other)


def test_a_missing_role_there_is_said_and_the_next_run_copies(
    azure: Azure, source: AzureRegistry, other: AzureRegistry
) -> None:
    azure.fail("POST" if other.is_shared else "PUT", "/import" if other.is_shared else "ws-qa/models", *[FORBIDDEN] * 9)
    with pytest.raises(RegistryError, match="403"):
        source.copy_to(MODEL, 3, other)
    azure.faults.clear()
    assert other.versions(MODEL) == {}
    source.copy_to(MODEL, 3, other)
    assert list(other.versions(MODEL)) == [3]


@pytest.mark.parametrize("properties", [True, False], ids=["with properties", "without"])
def test_a_copy_whose_tags_did_not_arrive_gets_them_from_the_next_run(
    azure: Azure, source: AzureRegistry, properties: bool
) -> None:
    add_registry(azure, "shared", properties=properties)
    other = open_registry(azure_stage("qa", azureml=PLACES["registry"]))
    azure.fail("PUT", f"/models/{MODEL}/versions/3", *[UNAVAILABLE] * 9)
    with pytest.raises(RegistryError, match="503"):
        source.copy_to(MODEL, 3, other)
    azure.faults.clear()
    source.copy_to(MODEL, 3, other)
    assert other.versions(MODEL) == {3: source.versions(MODEL)[3]}


def test_a_number_that_somebody_gave_another_model_by_hand_is_not_taken_for_a_copy_in_the_making(
    azure: Azure, source: AzureRegistry, tmp_path: Path
) -> None:
    id = add_registry(azure, "shared", properties=False)
    other = open_registry(azure_stage("qa", azureml=PLACES["registry"]))
    other.register(MODEL, sealed(tmp_path / "theirs", "their weights"), {})
    theirs = azure.get(f"{id}/models/{MODEL}/versions/1")
    assert theirs is not None
    theirs["properties"].update(properties={}, tags={"of": "somebody else"})
    with pytest.raises(RegistryError, match="1 is another model in shared"):
        source.copy_to(MODEL, 1, other)
    assert other.versions(MODEL)[1].tags == {"of": "somebody else"}


def test_a_registry_that_is_not_there_is_said(azure: Azure) -> None:
    with pytest.raises(RegistryError, match="nowhere"):
        open_registry(azure_stage("qa", azureml={"registry": "nowhere"})).versions(MODEL)


def test_a_number_that_is_an_archived_versions_there_is_told_and_nothing_is_written_over(
    source: AzureRegistry, other: AzureRegistry, tmp_path: Path
) -> None:
    other.register(MODEL, sealed(tmp_path / "theirs", "their weights"), {})
    other.archive(MODEL, 1)
    with pytest.raises(RegistryError, match=f"{MODEL} 1 in {other.place[-1]} is archived: restore it there"):
        source.copy_to(MODEL, 1, other)
    assert other.versions(MODEL) == {}
