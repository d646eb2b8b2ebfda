"""Environments and clusters on Azure ML: made from this repository's files, once, and put right by the next call."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azurefake.computes import PRINCIPAL
from azurefake.faults import FORBIDDEN, THROTTLED, UNAVAILABLE, Drop
from azurefake.message import refusal
from azurefake.stages import azure_stage
from azurefake.state import ACCOUNT, Azure
from azurefake.workspaces import REGION

from mlops.adapters.azureml.computes import ensure_cluster
from mlops.adapters.azureml.environments import ensure_environment
from mlops.config import REPOSITORY, Stage
from mlops.errors import ConfigError, StepError, TargetError

ENVIRONMENTS = REPOSITORY / "environments"
BLOBS = f"{ACCOUNT}.blob.core.windows.net/azureml-blobstore"
QUOTA = "Operation could not be completed as it results in exceeding approved Total Regional Cores quota."


def changed(request: Any) -> str:
    """Return what a request changes, or nothing where it only reads."""
    return f"{request.method} {request.path.rpartition('/workspaces/ws')[2]}" if request.method != "GET" else ""


def changes(azure: Azure) -> list[str]:
    """Return what was changed by requests to Resource Manager, in order."""
    return [one for one in map(changed, azure.sent("*", "management.azure.com")) if one and "listSecrets" not in one]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a build context with a hidden file, which is no part of it."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "context/.gitignore").write_text("Dockerfile\n")
    return tmp_path / "context"


@pytest.mark.parametrize("name", ["train", "ci", "batch"])
def test_an_environment_is_made_of_its_folder_and_named_by_its_content(azure: Azure, name: str) -> None:
    made = ensure_environment(azure_stage(), name, ENVIRONMENTS / name)
    version = made.rpartition(":")[2]
    assert re.fullmatch(rf"azureml:visionline-{name}:[0-9a-f]{{16}}", made)
    (put,) = azure.sent("PUT", "/environments/")
    assert put.path.endswith(f"/environments/visionline-{name}/versions/{version}")
    given = put.json["properties"]
    context = given["build"]["contextUri"]
    assert given["build"]["dockerfilePath"] == "Dockerfile" and given["tags"]["digest"].startswith(f"sha256:{version}")
    assert context.startswith(f"https://{BLOBS}/") and context.endswith("/")
    uploaded = {key[2].rpartition("/")[2]: content for key, content in azure.blobs.items()}
    assert uploaded == {path.name: path.read_bytes() for path in (ENVIRONMENTS / name).iterdir()}
    assert all(f"{BLOBS}/{key[2]}".startswith(context.removeprefix("https://")) for key in azure.blobs)


def test_an_environment_is_made_once_and_anew_where_its_folder_changes(azure: Azure, folder: Path) -> None:
    first = ensure_environment(azure_stage(), "train", folder)
    seen = len(azure.requests)
    assert ensure_environment(azure_stage(), "train", folder) == first
    assert [one.method for one in azure.requests[seen:]] == ["GET"]
    (folder / "requirements.txt").write_text("numpy\n")
    assert ensure_environment(azure_stage(), "train", folder) != first
    assert len(azure.sent("PUT", "/environments/")) == 2


def test_hidden_files_are_no_part_of_an_environment(azure: Azure, folder: Path) -> None:
    made = ensure_environment(azure_stage(), "train", folder)
    assert [key[2].rpartition("/")[2] for key in azure.blobs] == ["Dockerfile"]
    (folder / ".gitignore").unlink()
    assert ensure_environment(azure_stage(), "train", folder) == made


def test_a_folder_without_a_dockerfile_is_refused(azure: Azure, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\n")
    with pytest.raises(ConfigError, match="has no Dockerfile"):
        ensure_environment(azure_stage(), "train", tmp_path)
    assert azure.requests == []


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE, Drop(handled=True)], ids=["429", "503", "connection"])
def test_making_an_environment_waits_out_what_passes_by_itself(azure: Azure, folder: Path, fault: Any) -> None:
    azure.fail("PUT", "/environments/", fault)
    made = ensure_environment(azure_stage(), "train", folder)
    assert ensure_environment(azure_stage(), "train", folder) == made


def test_an_environment_that_could_not_be_made_is_made_by_the_next_call(azure: Azure, folder: Path) -> None:
    azure.fail("PUT", "/environments/", FORBIDDEN)
    with pytest.raises(StepError, match="^environment visionline-train .*: 403 .*lacks a role") as raised:
        ensure_environment(azure_stage(), "train", folder)
    assert "\n" not in str(raised.value)
    ensure_environment(azure_stage(), "train", folder)
    assert len(azure.sent("PUT", "/environments/")) == 2


@pytest.mark.parametrize("file", ["Dockerfile", "requirements.txt"])
def test_a_build_context_that_was_cut_off_is_completed(azure: Azure, folder: Path, file: str) -> None:
    (folder / "requirements.txt").write_text("numpy\n")
    azure.fail("PUT", f"/{file}", FORBIDDEN)
    with pytest.raises(StepError, match="^environment visionline-train "):
        ensure_environment(azure_stage(), "train", folder)
    ensure_environment(azure_stage(), "train", folder)
    assert {key[2].rpartition("/")[2] for key in azure.blobs} == {"Dockerfile", "requirements.txt"}
    assert len(azure.sent("PUT", "/environments/")) == 1


def test_what_a_dockerfile_installs_stands_beside_it_and_is_pinned() -> None:
    for name in ("train", "ci"):
        text = (ENVIRONMENTS / name / "Dockerfile").read_text(encoding="utf-8")
        installed = re.findall(r"-r /tmp/(\S+)", text)
        assert installed == ["requirements.txt", "azureml.txt"]
        for file in installed:
            lines = (ENVIRONMENTS / name / file).read_text(encoding="utf-8").splitlines()
            packages = [line for line in lines if not line.startswith("#")]
            assert packages and all(re.fullmatch(r"[A-Za-z0-9.-]+==[0-9][A-Za-z0-9.]*", line) for line in packages)


def test_the_clients_of_azure_are_those_that_were_tested() -> None:
    constraints = (ENVIRONMENTS / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in (ENVIRONMENTS / "ci/azureml.txt").read_text(encoding="utf-8").splitlines()]
    assert [line for line in wanted if not line.startswith("#") and line not in constraints] == []


def clustered(**cluster: Any) -> Stage:
    """Return a stage whose cluster `gpu` is as given, over what is sensible."""
    sensible = {"size": "Standard_NC24ads_A100_v4", "min_nodes": 0, "max_nodes": 2, "idle_seconds": 300}
    return azure_stage(azureml={"clusters": {"gpu": {**sensible, "low_priority": True, **cluster}}})


def test_a_cluster_is_made_as_the_stage_file_has_it(azure: Azure) -> None:
    ensure_cluster(clustered(), "gpu")
    (put,) = azure.sent("PUT", "/computes/gpu")
    given = put.json
    assert given["location"] == REGION and given["identity"]["type"] == "SystemAssigned"
    assert given["properties"]["computeType"] == "AmlCompute"
    assert given["properties"]["properties"] == {
        "vmSize": "Standard_NC24ads_A100_v4",
        "vmPriority": "LowPriority",
        "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT5M"},
        "enableNodePublicIp": True,
        "osType": "Linux",
        "remoteLoginPortPublicAccess": "NotSpecified",
    }
    assert azure.get(put.path)["properties"]["provisioningState"] == "Succeeded"  # type: ignore[index]


@pytest.mark.parametrize("low_priority", [True, False])
def test_nothing_is_sent_where_a_cluster_is_as_wanted(azure: Azure, low_priority: bool) -> None:
    for _ in range(2):
        ensure_cluster(clustered(low_priority=low_priority), "gpu")
    assert changes(azure) == ["PUT /computes/gpu"]
    (put,) = azure.sent("PUT", "/computes/gpu")
    priority = put.json["properties"]["properties"]["vmPriority"]
    assert priority == ("LowPriority" if low_priority else "Dedicated")


@pytest.mark.parametrize("change", [{"max_nodes": 8}, {"min_nodes": 1}, {"idle_seconds": 60}])
def test_nodes_and_idle_time_are_changed_and_the_rest_is_left(azure: Azure, change: dict[str, int]) -> None:
    ensure_cluster(clustered(), "gpu")
    ensure_cluster(clustered(**change), "gpu")
    first, second = (one.json for one in azure.sent("PUT", "/computes/gpu"))
    before, after = (one["properties"]["properties"] for one in (first, second))
    assert before.pop("scaleSettings") != after.pop("scaleSettings")
    assert after == {**before, "vmSize": before["vmSize"].upper(), "remoteLoginPortPublicAccess": "Disabled"}
    assert second["identity"]["type"] == "SystemAssigned"
    ensure_cluster(clustered(**change), "gpu")
    assert len(changes(azure)) == 2


@pytest.mark.parametrize("identity", [None, {"type": "None"}])
def test_a_cluster_without_an_identity_gets_one_once(azure: Azure, identity: dict[str, str] | None) -> None:
    ensure_cluster(clustered(), "gpu")
    (cluster,) = (one for id, one in azure.resources.items() if id.endswith("/computes/gpu"))
    cluster["identity"] = identity
    for _ in range(2):
        ensure_cluster(clustered(), "gpu")
    first, second = (one.json for one in azure.sent("PUT", "/computes/gpu"))
    assert second["identity"]["type"] == "SystemAssigned"
    before, after = (one["properties"]["properties"] for one in (first, second))
    assert after["scaleSettings"] == before["scaleSettings"]


def test_a_cluster_with_another_identity_keeps_it(azure: Azure) -> None:
    ensure_cluster(clustered(), "gpu")
    (cluster,) = (one for id, one in azure.resources.items() if id.endswith("/computes/gpu"))
    its = "/subscriptions/1/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/trainer"
    cluster["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {its: {"principalId": "1"}}}
    ensure_cluster(clustered(), "gpu")
    assert len(changes(azure)) == 1
    ensure_cluster(clustered(max_nodes=3), "gpu")
    sent = azure.sent("PUT", "/computes/gpu")[-1].json["identity"]
    assert (sent["type"], list(sent["userAssignedIdentities"])) == ("UserAssigned", [its])


def test_a_cluster_in_a_network_stays_in_it(azure: Azure) -> None:
    ensure_cluster(clustered(), "gpu")
    subnet = "/subscriptions/1/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/jobs"
    (cluster,) = (one for id, one in azure.resources.items() if id.endswith("/computes/gpu"))
    cluster["properties"]["properties"]["subnet"] = {"id": subnet}
    cluster["tags"] = {"owner": "vision"}
    ensure_cluster(clustered(max_nodes=3), "gpu")
    sent = azure.sent("PUT", "/computes/gpu")[-1].json
    assert sent["properties"]["properties"]["subnet"] == {"id": subnet} and sent["tags"] == {"owner": "vision"}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"size": "Standard_NC48ads_A100_v4"}, "size is STANDARD_NC24ADS_A100_V4, .* wants Standard_NC48ads_A100_v4"),
        ({"low_priority": False}, "priority is low_priority, .* wants dedicated"),
    ],
)
def test_what_azure_cannot_change_is_an_error_that_names_a_way_out(
    azure: Azure, change: dict[str, Any], words: str
) -> None:
    ensure_cluster(clustered(), "gpu")
    with pytest.raises(TargetError, match=f"^cluster gpu: {words}.*: choose another name in azureml.clusters$"):
        ensure_cluster(clustered(**change), "gpu")
    assert len(changes(azure)) == 1


def test_another_kind_of_compute_is_not_touched(azure: Azure) -> None:
    attached = {"computeType": "Kubernetes", "resourceId": "/subscriptions/1/aks", "properties": {"namespace": "ml"}}
    workspace = next(id for id in azure.resources if id.endswith("/workspaces/ws"))
    azure.put(f"{workspace}/computes/gpu", {"properties": {**attached, "provisioningState": "Succeeded"}})
    with pytest.raises(TargetError, match="^gpu: is a compute of type kubernetes, not a cluster"):
        ensure_cluster(clustered(), "gpu")
    assert changes(azure) == []


def test_a_cluster_that_the_stage_file_does_not_know_is_refused(azure: Azure) -> None:
    with pytest.raises(ConfigError, match="dev.yaml: azureml.clusters has no 'tpu': known are .*gpu"):
        ensure_cluster(clustered(), "tpu")
    assert azure.requests == []


def denied_at_once(azure: Azure) -> None:
    azure.fail("PUT", "/computes/gpu", refusal(400, "QuotaExceeded", QUOTA))


def denied_in_the_end(azure: Azure) -> None:
    azure.more["computes"] = {"code": "ClusterCoreQuotaReached", "message": QUOTA}


@pytest.mark.parametrize("deny", [denied_at_once, denied_in_the_end])
def test_a_quota_error_is_one_line_and_the_next_call_converges(azure: Azure, deny: Callable[[Azure], None]) -> None:
    deny(azure)
    with pytest.raises(TargetError, match="^cluster gpu: .*quota.*: ask for more cores of Standard_NC24ads") as raised:
        ensure_cluster(clustered(), "gpu")
    assert "\n" not in str(raised.value)
    ensure_cluster(clustered(), "gpu")
    (cluster,) = (one for id, one in azure.resources.items() if id.endswith("/computes/gpu"))
    assert cluster["properties"]["provisioningState"] == "Succeeded"
    assert cluster["identity"]["principalId"] == PRINCIPAL


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE, Drop(handled=True)], ids=["429", "503", "connection"])
def test_making_a_cluster_waits_out_what_passes_by_itself(azure: Azure, fault: Any) -> None:
    azure.fail("PUT", "/computes/gpu", fault)
    ensure_cluster(clustered(), "gpu")
    ensure_cluster(clustered(), "gpu")
    assert len(azure.sent("PUT", "/computes/gpu")) == 2


def test_who_may_make_no_cluster_is_told_about_the_role(azure: Azure) -> None:
    azure.fail("PUT", "/computes/gpu", FORBIDDEN)
    with pytest.raises(TargetError, match="^cluster gpu: 403 .*lacks a role"):
        ensure_cluster(clustered(), "gpu")
