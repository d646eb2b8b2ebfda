"""Preflight finds each thing that would fail later, says what to do about it, and asks without changing anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from azurefake import quota as fake
from azurefake.computes import PRINCIPAL
from azurefake.datastores import use_entra
from azurefake.faults import FORBIDDEN
from azurefake.message import Answer
from azurefake.registries import add_registry
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from code_hosts import AzureDevOpsHost, CodeHost, GitHubHost, Reply
from frozen_stages import based

from mlops.adapters.azureml.computes import ensure_cluster
from mlops.adapters.azureml.secrets import open_secrets
from mlops.config import REPOSITORY, load_stage
from mlops.context import Context
from mlops.errors import ConfigError
from mlops.ports import CheckLine
from mlops.preflight import azure as answers
from mlops.preflight import kubeconfig, machine, permissions, quota, retired, stagefile
from mlops.steps import preflight

WS = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/" + (
    "Microsoft.MachineLearningServices/workspaces/ws"
)
VAULT = WS.partition("Microsoft.MachineLearning")[0] + "Microsoft.Keyvault/vaults/kv-ws"
TODAY = date(2026, 11, 21)
SCALE = {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT5M"}


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what a pipeline would set."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "SYSTEM_", "BUILD_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def ready(azure: Azure) -> Azure:
    """A workspace whose cluster is there and may do what its jobs do."""
    add_cluster(azure)
    fake.of(azure).roles = [(WS, PRINCIPAL, fake.SCIENTIST)]
    return azure


def add_cluster(azure: Azure, size: str = "STANDARD_D4S_V5", **more: Any) -> None:
    """Put the cluster that training runs on."""
    inner = {"vmSize": size, "vmPriority": "Dedicated", "scaleSettings": SCALE}
    properties = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": inner, **more}
    body = {"identity": {"type": "SystemAssigned", "principalId": PRINCIPAL}, "properties": properties}
    azure.put(f"{WS}/computes/cpu-cluster", body)


def looked(tmp_path: Path, stage: str = "dev", **changes: Any) -> list[CheckLine]:
    """Return what preflight finds for a stage of the fake's workspace."""
    return list(preflight.lines(Context(azure_stage(stage, **changes), tmp_path)))


def of(lines: list[CheckLine], check: str) -> list[tuple[str, str]]:
    """Return state and text of a check's lines."""
    return [(line.state, line.text) for line in lines if line.check == check]


def states(lines: list[CheckLine]) -> dict[str, set[str]]:
    """Return the states of each check."""
    return {line.check: {one.state for one in lines if one.check == line.check} for line in lines}


def test_a_workspace_that_is_ready_passes_every_check(ready: Azure, tmp_path: Path) -> None:
    lines = looked(tmp_path, target="azureml-online", azureml={"retraining": {"cron": "0 3 * * 1"}})
    found = states(lines)
    assert {check for check, seen in found.items() if "failure" in seen} == set()
    for check in ("stage file", "login", "workspace", "provider", "API versions", "cluster", "quota", "job identity"):
        assert found[check] == {"ok"}, of(lines, check)
    roles = {"roles: data", "roles: train", "roles: promote", "roles: deploy", "roles: schedule"}
    assert roles <= set(found) and found["container registry"] == {"ok"}
    assert [line.check for line in lines if line.state == "warning"] == ["approvals"]


def test_it_sends_nothing_but_gets_and_requests_for_tokens(ready: Azure, tmp_path: Path) -> None:
    add_registry(ready, "shared")
    looked(tmp_path, target="azureml-online", azureml={"registry": "shared"}, report="github", report_secret="app")
    others = [one for one in ready.sent() if one.method not in ("GET", "HEAD")]
    assert others and {one.host for one in others} == {"login.microsoftonline.com"}


def test_it_names_who_is_logged_in(ready: Azure, tmp_path: Path) -> None:
    ((state, text),) = of(looked(tmp_path), "login")
    assert state == "ok" and "application 33333333" in text and "object 44444444" in text and "by workload" in text


def test_a_login_that_fails_ends_it_with_one_line(azure: Azure, tmp_path: Path) -> None:
    azure.identity_file.write_text("spoilt")
    lines = looked(tmp_path)
    ((state, text),) = of(lines, "login")
    assert state == "failure" and "\n" not in text
    assert of(lines, "azure") == [("warning", "the rest was not looked at: mend this first")]
    assert azure.sent("GET", "management.azure.com") == []


def test_a_stage_file_that_names_no_workspace_asks_nobody(azure: Azure, tmp_path: Path) -> None:
    lines = looked(tmp_path, azureml={"workspace": "", "subscription": "Pay as you go"})
    texts = [text for state, text in of(lines, "stage file") if state == "failure"]
    assert len(texts) == 2 and "azureml.workspace is empty" in texts[0] and "the subscription's id" in texts[1]
    assert of(lines, "azure") == [("warning", "not looked at: complete the stage file first")]
    assert azure.sent() == []


@pytest.mark.parametrize("answer, words", [(FORBIDDEN, "403"), (Answer(404, {"error": {"message": "gone"}}), "404")])
def test_a_workspace_that_cannot_be_read_ends_it(azure: Azure, tmp_path: Path, answer: Answer, words: str) -> None:
    azure.fail("GET", "/workspaces/ws?", answer)
    ((state, text),) = of(looked(tmp_path), "workspace")
    assert state == "failure" and words in text


@pytest.mark.parametrize(
    "changes, state, words",
    [
        ({"provisioningState": "Failed"}, "failure", "is Failed"),
        ({"publicNetworkAccess": "Disabled"}, "warning", "private network"),
    ],
)
def test_a_workspace_in_a_bad_way_is_said(
    ready: Azure, tmp_path: Path, changes: dict[str, str], state: str, words: str
) -> None:
    ready.resources[WS.lower()]["properties"].update(changes)
    ((seen, text),) = of(looked(tmp_path), "workspace")
    assert seen == state and words in text


def test_an_unregistered_provider_comes_with_the_command(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).registration = "NotRegistered"
    ((state, text),) = of(looked(tmp_path), "provider")
    assert state == "failure" and "az provider register" in text


def test_an_api_version_that_azure_dropped_is_named(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).api_versions = tuple(one for one in fake.VERSIONS if not one.startswith("2023-08"))
    ((state, text),) = of(looked(tmp_path), "API versions")
    assert state == "failure" and "workspaces/models 2023-08-01-preview" in text


DENIED = {
    "roles: data": "datastores/listSecrets/action",
    "roles: train": "jobs/cancel/action",
    "roles: promote": "models/versions/write",
    "roles: deploy": "onlineEndpoints/deployments/delete",
    "roles: schedule": "schedules/write",
}


@pytest.mark.parametrize("check", DENIED)
def test_a_missing_role_fails_its_step_and_no_other(ready: Azure, tmp_path: Path, check: str) -> None:
    action = f"Microsoft.MachineLearningServices/workspaces/{DENIED[check]}"
    metrics = {"actions": ["Microsoft.Insights/metrics/read"]}
    fake.of(ready).permissions = [{"actions": ["Microsoft.MachineLearningServices/*"], "notActions": [action]}, metrics]
    lines = looked(tmp_path, target="azureml-online", azureml={"retraining": {"on_new_data": True}})
    assert {line.check for line in lines if line.state == "failure"} == {check}
    assert DENIED[check] in of(lines, check)[0][1] and "AzureML Data Scientist" in of(lines, check)[0][1]


def test_a_canary_whose_requests_nobody_may_count_is_found(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).permissions = [{"actions": ["Microsoft.MachineLearningServices/*"]}]
    ((state, text),) = of(looked(tmp_path, target="azureml-online"), "roles: deploy")
    assert state == "failure" and "Microsoft.Insights/metrics/read: give the role Monitoring Reader" in text
    assert states(looked(tmp_path, target="azureml-batch"))["roles: deploy"] == {"ok"}


def test_permissions_that_cannot_be_read_are_a_warning(ready: Azure, tmp_path: Path) -> None:
    ready.fail("GET", "/permissions", *[FORBIDDEN] * 9)
    lines = looked(tmp_path)
    assert states(lines)["roles"] == {"warning"} and "not looked at" in of(lines, "roles")[0][1]
    assert states(lines)["quota"] == {"ok"}


def test_a_reader_fails_before_anything_is_spent(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).permissions = [{"actions": ["*/read"], "notActions": []}]
    found = states(looked(tmp_path))
    assert found["roles: train"] == found["roles: data"] == {"failure"}


def cluster(name: str, **changes: Any) -> dict[str, Any]:
    """Return the changes by which training runs on one more cluster."""
    made = {"size": "Standard_D4s_v5", "min_nodes": 0, "max_nodes": 9, "idle_seconds": 60, "low_priority": False}
    return {"clusters": {name: {**made, **changes}}, "training": {"cluster": name}}


TIGHT = {
    "more than the family has": (
        cluster("big", max_nodes=20),
        11,
        "failure",
        "standardDSv5Family vCPUs has a limit of 40",
    ),
    "none of the family": (cluster("gpu", size="Standard_NC24ads_A100_v4"), 1, "failure", "has a limit of 0"),
    "low priority over the total": (
        cluster("gpu", size="Standard_NC24ads_A100_v4", low_priority=True),
        3,
        "failure",
        "TotalLowPriorityCores vCPUs has a limit of 48",
    ),
    "low priority within it": (
        cluster("gpu", size="Standard_NC24ads_A100_v4", low_priority=True),
        2,
        "ok",
        "2 x Standard_NC24ads_A100_v4 needs 48 vCPUs",
    ),
    "no such size": (cluster("odd", size="Standard_X1"), 1, "failure", "westeurope has no size Standard_X1"),
    "no low priority": (
        cluster("nd", size="Standard_ND96asr_v4", low_priority=True),
        1,
        "failure",
        "has no low-priority nodes",
    ),
    "no line in the quota": (cluster("nd", size="Standard_ND96asr_v4"), 1, "ok", "needs 96 vCPUs"),
}


@pytest.mark.parametrize("case", TIGHT)
def test_quota_holds_the_nodes_or_says_what_is_short(ready: Azure, tmp_path: Path, case: str) -> None:
    azureml, nodes, state, words = TIGHT[case]
    azureml["training"]["nodes"] = nodes
    lines = of(looked(tmp_path, azureml=azureml), "quota")
    assert any(seen == state and words in text for seen, text in lines), lines


def test_quota_that_others_use_is_a_warning(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).usages[3] = fake.usage("standardDSv5Family", 39, 40)
    ((state, text),) = of(looked(tmp_path), "quota")
    assert state == "warning" and "39 of 40" in text


def test_an_online_release_needs_room_for_two_deployments_and_upgrades(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).usages[4] = fake.usage("Standard FSv2 Family Cluster Dedicated vCPUs", 0, 9)
    lines = of(looked(tmp_path, target="azureml-online"), "quota")
    assert lines[-1][0] == "failure" and "2 x Standard_F4s_v2 needs 10 vCPUs" in lines[-1][1]


def test_an_empty_quota_is_a_warning_and_one_that_cannot_be_read_too(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).usages = []
    assert of(looked(tmp_path), "quota")[0][0] == "warning"
    ready.fail("GET", "/usages", FORBIDDEN)
    assert "not looked at" in of(looked(tmp_path), "quota")[0][1]


def test_processes_that_are_not_one_a_gpu_are_a_warning(ready: Azure, tmp_path: Path) -> None:
    azureml = cluster("gpu", size="Standard_NC24ads_A100_v4", low_priority=True)
    assert "has 1 GPUs" in of(looked(tmp_path, azureml=azureml), "processes")[0][1]


CLUSTERS: dict[str, tuple[dict[str, Any], str]] = {
    "another size": ({"size": "STANDARD_DS3_V2"}, "STANDARD_DS3_V2"),
    "another priority": ({"properties": {"vmSize": "STANDARD_D4S_V5", "vmPriority": "LowPriority"}}, "LowPriority"),
    "failed": ({"provisioningState": "Failed"}, "is Failed"),
}


@pytest.mark.parametrize("case", CLUSTERS)
def test_a_cluster_that_is_not_what_the_stage_file_says_is_a_failure(ready: Azure, tmp_path: Path, case: str) -> None:
    changes, words = CLUSTERS[case]
    add_cluster(ready, **changes)
    ((state, text),) = of(looked(tmp_path), "cluster")
    assert state == "failure" and words in text


def test_an_absent_cluster_is_made_by_whoever_may(azure: Azure, tmp_path: Path) -> None:
    assert of(looked(tmp_path), "cluster")[0][0] == "ok"
    fake.of(azure).permissions = [{"actions": ["*"], "notActions": ["*/computes/write"]}]
    ((state, text),) = of(looked(tmp_path), "cluster")
    assert state == "failure" and "AzureML Compute Operator" in text


def test_a_cluster_that_may_not_be_read_is_not_taken_for_absent(ready: Azure, tmp_path: Path) -> None:
    refusal = Answer(403, {"error": {"code": "AuthorizationFailed", "message": "a proxy said: 404 not found"}})
    ready.fail("GET", "/computes/cpu-cluster", *[refusal] * 9)
    ((state, text),) = of(looked(tmp_path), "cluster")
    assert state == "warning" and "not looked at" in text and "403" in text


NO_CLUSTERS = {"actions": ["*"], "notActions": ["*/computes/*/write", "*/computes/write"]}
RESIZED = {
    "fewer nodes": ({"maxNodeCount": 1}, "has max_nodes 1 where the stage file says 4"),
    "nodes that stay": ({"minNodeCount": 1}, "has min_nodes 1 where the stage file says 0"),
    "nodes that wait": ({"nodeIdleTimeBeforeScaleDown": "PT1H"}, "has idle_seconds 3600 where the stage file says"),
}


@pytest.mark.parametrize("case", RESIZED)
def test_a_cluster_that_a_step_would_change_fails_whoever_may_not(ready: Azure, tmp_path: Path, case: str) -> None:
    changes, words = RESIZED[case]
    sized = {"vmSize": "STANDARD_D4S_V5", "vmPriority": "Dedicated", "scaleSettings": {**SCALE, **changes}}
    add_cluster(ready, properties=sized)
    ((state, text),) = of(looked(tmp_path), "cluster")
    assert state == "ok" and words in text and "the first step that uses it changes that" in text
    fake.of(ready).permissions = [NO_CLUSTERS]
    ((state, text),) = of(looked(tmp_path), "cluster")
    assert state == "failure" and words in text and "computes/write is not allowed" in text


def test_a_cluster_without_an_identity_fails_whoever_may_not_give_it_one(ready: Azure, tmp_path: Path) -> None:
    ready.resources[f"{WS}/computes/cpu-cluster".lower()]["identity"] = None
    fake.of(ready).permissions = [NO_CLUSTERS]
    ((state, text),) = of(looked(tmp_path), "cluster")
    assert state == "failure" and "has no identity, and computes/write is not allowed" in text


def test_whoever_may_not_make_clusters_trains_on_one_that_is_as_the_stage_file_says(
    ready: Azure, tmp_path: Path
) -> None:
    fake.of(ready).permissions = [NO_CLUSTERS]
    assert of(looked(tmp_path), "cluster") == [("ok", "cpu-cluster: STANDARD_D4S_V5, Dedicated")]


def test_what_preflight_takes_for_wanted_is_what_no_step_changes(ready: Azure) -> None:
    ensure_cluster(azure_stage(), "cpu-cluster")
    assert ready.sent("PUT", "/computes/") == ready.sent("PATCH", "/computes/") == []


@pytest.mark.parametrize(
    "duration, seconds",
    [("PT300S", 300), ("PT5M", 300), ("PT1H30M", 5400), ("P1DT0.5S", 86400), ("5 minutes", None), (None, None)],
)
def test_durations_of_azure_are_read(duration: str | None, seconds: int | None) -> None:
    assert answers.seconds_of(duration) == seconds


def test_a_job_that_may_not_register_is_found_before_it_has_trained(ready: Azure, tmp_path: Path) -> None:
    fake.of(ready).roles = []
    ((state, text),) = of(looked(tmp_path), "job identity")
    assert state == "failure" and PRINCIPAL in text and "AzureML Data Scientist" in text
    ready.resources[f"{WS}/computes/cpu-cluster".lower()]["identity"] = None
    assert "has none" in of(looked(tmp_path), "job identity")[0][1]


def test_a_job_that_may_not_register_in_the_shared_registry_is_found(ready: Azure, tmp_path: Path) -> None:
    registry = add_registry(ready, "shared", subscription="22222222-2222-2222-2222-222222222222")
    state, text = of(looked(tmp_path, azureml={"registry": "shared"}), "job identity")[-1]
    assert state == "failure" and f"({PRINCIPAL}) has no known role on the registry shared" in text
    assert "give it AzureML Registry User there" in text
    fake.of(ready).roles.append((registry, PRINCIPAL, "1823dd4f-9b8c-4ab6-ab4e-7397a3684615"))
    lines = looked(tmp_path, azureml={"registry": "shared"})
    assert of(lines, "job identity")[-1] == ("ok", "that of cpu-cluster may register models in shared")


def test_a_job_that_may_not_read_the_secret_is_found(ready: Azure, tmp_path: Path) -> None:
    changes = {"report": "github", "report_secret": "app"}
    state, text = of(looked(tmp_path, **changes), "job identity")[-1]
    assert state == "failure" and "Key Vault Secrets User on kv-ws" in text
    policy = {"objectId": PRINCIPAL, "permissions": {"secrets": ["Get"]}}
    ready.put(VAULT, {"properties": {"accessPolicies": [policy]}})
    assert of(looked(tmp_path, **changes), "job identity")[-1][0] == "ok"
    ready.put(VAULT, {"properties": {"accessPolicies": []}})
    fake.of(ready).roles.append((VAULT, PRINCIPAL, "4633458b-17de-408a-b874-0445c86b69e6"))
    assert of(looked(tmp_path, **changes), "job identity")[-1][0] == "ok"


def test_a_job_without_a_token_for_github_is_found_in_the_stage_file(azure: Azure, tmp_path: Path) -> None:
    assert any("report_secret is empty" in text for _, text in of(looked(tmp_path, report="github"), "stage file"))


def test_more_nodes_than_the_cluster_has_are_found_in_the_stage_file(azure: Azure, tmp_path: Path) -> None:
    lines = looked(tmp_path, azureml={"training": {"nodes": 5}})
    assert any("cluster cpu-cluster has at most 4" in text for _, text in of(lines, "stage file"))


ACR = WS.partition("Microsoft.MachineLearning")[0] + "Microsoft.ContainerRegistry/registries/acrws"
IMAGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "failed": ({"provisioningState": "Failed"}, "failure", "is Failed"),
    "private": ({"provisioningState": "Succeeded", "publicNetworkAccess": "Disabled"}, "failure", "imageBuildCompute"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_a_container_registry_that_takes_no_image_is_a_failure(ready: Azure, tmp_path: Path, case: str) -> None:
    properties, state, words = IMAGES[case]
    ready.put(ACR, {"properties": properties})
    ((seen, text),) = of(looked(tmp_path), "container registry")
    assert seen == state and words in text


def test_a_workspace_without_a_container_registry_gets_one(ready: Azure, tmp_path: Path) -> None:
    ready.resources[WS.lower()]["properties"]["containerRegistry"] = None
    assert of(looked(tmp_path), "container registry")[0][0] == "ok"


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"release": {"variant": "int4"}}, "release.variant: 'int4' has no limits under gates.parity"),
        ({"train": {"epochz": 1}}, "train.epochz: is no input of mlops/jobs/training.yml"),
        ({"azureml": {"clusters": {"cpu-cluster": {"min_nodes": 5}}}}, "cpu-cluster.min_nodes: is 5, and max_nodes 4"),
        ({"azureml": {"workspace": "../x"}}, "azureml.workspace: '../x' is no name"),
        ({"azureml": {"training": {"nodes": 0}}}, "azureml.training.nodes: is 0: write 1 or more"),
        ({"azureml": {"online": {"instances": -2}}}, "azureml.online.instances: is -2: write 1 or more"),
        ({"azureml": {"retraining": {"cron": "0 99 * * *"}}}, "cron '0 99 * * *': hour '99' is not in 0-23"),
    ],
)
def test_a_value_that_no_step_can_work_with_is_found_in_the_stage_file(changes: dict[str, Any], says: str) -> None:
    failures = [line.text for line in stagefile.lines(azure_stage("dev", **changes)) if line.state == "failure"]
    assert len(failures) == 1 and failures[0].startswith("mlops/stages/dev.yaml: ") and says in failures[0]


def test_a_shared_registry_is_found_and_its_roles_are_checked(ready: Azure, tmp_path: Path) -> None:
    add_registry(ready, "shared")
    lines = looked(tmp_path, azureml={"registry": "shared"})
    assert states(lines)["registry"] == states(lines)["roles: registry"] == {"ok"}
    fake.of(ready).permissions = [{"actions": ["*"], "notActions": ["*/registries/assets/write"]}]
    ((state, text),) = of(looked(tmp_path, azureml={"registry": "shared"}), "roles: registry")
    assert state == "failure" and "registries/assets/write" in text


def test_a_shared_registry_that_is_not_there_is_a_failure(ready: Azure, tmp_path: Path) -> None:
    ((state, text),) = of(looked(tmp_path, azureml={"registry": "absent"}), "registry")
    assert state == "failure" and "404" in text


@pytest.fixture
def apart(ready: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """The stage before has a workspace of its own, which is named but not there."""
    other = {"azureml": {"workspace": "wsdev"}}
    monkeypatch.setenv("VISIONLINE_STAGES", str(write_stages(tmp_path / "stages", dev=other)))
    return ready


def test_the_workspace_of_the_stage_before_must_be_readable(apart: Azure, tmp_path: Path) -> None:
    ((state, text),) = of(looked(tmp_path, "qa"), "source")
    assert state == "failure" and "404" in text
    add_workspace(apart, name="wsdev", account="devstore")
    assert of(looked(tmp_path, "qa"), "source") == [("ok", "dev's candidates: wsdev")]
    apart.fail("GET", "/workspaces/wsdev?", FORBIDDEN)
    ((state, text),) = of(looked(tmp_path, "qa"), "source")
    assert state == "failure" and "403" in text


@pytest.mark.parametrize("action", ["models/versions/read", "datastores/read", "datastores/listSecrets/action"])
def test_versions_and_packages_of_the_stage_before_need_roles_there(apart: Azure, tmp_path: Path, action: str) -> None:
    add_workspace(apart, name="wsdev", account="devstore")
    assert of(looked(tmp_path, "qa"), "roles: source") == [("ok", "versions of wsdev may be read")]
    refused = f"Microsoft.MachineLearningServices/workspaces/{action}"
    fake.of(apart).elsewhere["wsdev"] = [{"actions": ["*"], "notActions": [refused]}]
    lines = looked(tmp_path, "qa")
    ((state, text),) = of(lines, "roles: source")
    assert state == "failure" and f"not allowed in wsdev: {action}: give the role AzureML Data Scientist" in text
    assert {line.check for line in lines if line.state == "failure"} == {"roles: source"}


def test_without_a_key_of_its_datastore_packages_of_the_stage_before_need_a_role_of_blobs(
    apart: Azure, tmp_path: Path
) -> None:
    add_workspace(apart, name="wsdev", account="devstore")
    use_entra(apart)
    reader = {"actions": ["*"], "notActions": ["Microsoft.MachineLearningServices/workspaces/datastores/*/action"]}
    fake.of(apart).elsewhere["wsdev"] = [reader]
    allowed, denied = of(looked(tmp_path, "qa"), "roles: source")
    assert allowed[0] == "ok" and denied[0] == "failure"
    assert "blobs of devstore" in denied[1] and "Storage Blob Data Reader" in denied[1]
    fake.of(apart).elsewhere["devstore"] = [{"dataActions": [f"{permissions.BLOBS}/read"]}]
    assert [state for state, _ in of(looked(tmp_path, "qa"), "roles: source")] == ["ok", "ok"]


def test_another_shared_registry_of_the_stage_before_need_only_be_read(
    ready: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"azureml": {"registry": "candidates"}}
    monkeypatch.setenv("VISIONLINE_STAGES", str(write_stages(tmp_path / "stages", dev=other)))
    assert [state for state, _ in of(looked(tmp_path, "qa"), "source")] == ["failure"]
    add_registry(ready, "candidates")
    fake.of(ready).elsewhere["candidates"] = [{"actions": ["*/read"], "notActions": []}]
    assert of(looked(tmp_path, "qa"), "roles: registry") == [("ok", "models of candidates may be read")]
    fake.of(ready).elsewhere["candidates"] = []
    assert of(looked(tmp_path, "qa"), "roles: registry")[0][0] == "failure"


KUBERNETES: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "attached": ({"computeType": "Kubernetes", "provisioningState": "Succeeded"}, "ok", "is attached"),
    "absent": (None, "failure", "is not attached"),
    "a cluster of machines": ({"computeType": "AmlCompute", "provisioningState": "Succeeded"}, "failure", "AmlCompute"),
    "failed": ({"computeType": "AKS", "provisioningState": "Failed"}, "failure", "attach it again"),
    "no such instance type": (
        {"computeType": "AKS", "provisioningState": "Succeeded", "properties": {"instanceTypes": {"small": {}}}},
        "failure",
        "it has small",
    ),
}


@pytest.mark.parametrize("case", KUBERNETES)
def test_kubernetes_is_looked_at_where_the_endpoint_runs_on_it(ready: Azure, tmp_path: Path, case: str) -> None:
    properties, state, words = KUBERNETES[case]
    if properties:
        ready.put(f"{WS}/computes/edge", {"properties": properties})
    lines = looked(tmp_path, target="azureml-online", azureml={"online": {"compute": "edge"}})
    ((seen, text),) = of(lines, "kubernetes")
    assert seen == state and words in text
    assert not any("online endpoint" in text for _, text in of(lines, "quota"))


def test_azure_that_throttles_is_waited_for(ready: Azure, tmp_path: Path) -> None:
    ready.fail("GET", "/usages", Answer(429, {"error": {"message": "wait"}}, {"Retry-After": "0"}))
    assert states(looked(tmp_path))["quota"] == {"ok"}


# The command.


def command(folder: Path, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run preflight as a process of its own."""
    environment = {**os.environ, **variables, "VISIONLINE_STAGES": str(folder)}
    line = [sys.executable, "-m", "mlops", "preflight", "--stage", "dev", *flags]
    return subprocess.run(line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def test_the_command_shows_a_line_a_check_and_exits_by_the_worst(ready: Azure, tmp_path: Path) -> None:
    folder = write_stages(tmp_path / "stages")
    ended = command(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {line.split()[0] for line in ended.stdout.splitlines()} == {"ok", "warning"}
    fake.of(ready).registration = "NotRegistered"
    ended = command(folder, "--json")
    shown = json.loads(ended.stdout)
    assert ended.returncode == 1 and (shown["stage"], shown["ok"]) == ("dev", False)
    assert [line["check"] for line in shown["lines"] if line["state"] == "failure"] == ["provider"]
    assert Azure.SECRET not in ended.stdout and not (tmp_path / "runs").exists()


def test_the_local_platform_is_looked_at_without_a_network(tmp_path: Path) -> None:
    based(tmp_path / "stages")
    for name in ("dev", "qa", "production"):
        (tmp_path / "stages" / f"{name}.yaml").write_text(yaml.safe_dump({"local": {"workers": 1}}))
    before = sorted(tmp_path.rglob("*"))
    ended = command(tmp_path / "stages", HTTPS_PROXY="http://127.0.0.1:9")
    checks = {line.split()[1] for line in ended.stdout.splitlines()}
    assert ended.returncode == 0 and checks >= {"stage", "home", "disk", "port", "packages"}
    assert sorted(tmp_path.rglob("*")) == before


# What is looked at where.


def in_workflow(monkeypatch: pytest.MonkeyPatch, host: CodeHost, token: str | None = "ghs_workflow") -> None:
    """Put this process into a GitHub workflow."""
    variables = {"GITHUB_REPOSITORY": "octo/camera", "GITHUB_SHA": "c0ffee", "GITHUB_API_URL": host.url}
    for name, value in {**variables, **({"GITHUB_TOKEN": token} if token else {})}.items():
        monkeypatch.setenv(name, value)


def in_pipeline(monkeypatch: pytest.MonkeyPatch, host: CodeHost, token: str | None = "entra-token") -> None:
    """Put this process into an Azure pipeline."""
    named = {"SYSTEM_COLLECTIONURI": f"{host.url}/org/", "SYSTEM_TEAMPROJECT": "edge cameras", "BUILD_BUILDID": "34"}
    variables = {**named, "BUILD_SOURCEVERSION": "c0ffee", "BUILD_REPOSITORY_ID": "repo-id"}
    for name, value in {**variables, **({"SYSTEM_ACCESSTOKEN": token} if token else {})}.items():
        monkeypatch.setenv(name, value)


GITHUB_RULES = [{"type": "required_reviewers"}, {"type": "branch_policy"}]
HOSTS = {
    "github": (GitHubHost, in_workflow, GITHUB_RULES),
    "azure-devops": (AzureDevOpsHost, in_pipeline, ["Approval"]),
}


@pytest.fixture(params=HOSTS)
def pipeline(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any, Any]]:
    made, enter, rules = HOSTS[request.param]
    host = made()
    yield host, enter, rules
    host.close()


def approvals(tmp_path: Path, stage: str) -> list[tuple[str, str]]:
    """Return what is found of a stage's approvals on the local platform."""
    return of(list(preflight.lines(Context(load_stage(stage), tmp_path))), "approvals")


def test_an_environment_that_asks_people_is_ok_and_one_that_does_not_a_warning(
    pipeline: tuple[Any, Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, enter, rules = pipeline
    enter(monkeypatch, host)
    assert "has no environment 'production'" in approvals(tmp_path, "production")[0][1]
    host.environments = {"dev": [], "production": [], "qa": rules}
    assert [approvals(tmp_path, name)[0][0] for name in ("dev", "qa", "production")] == ["ok", "ok", "warning"]
    assert "asks nobody" in approvals(tmp_path, "production")[0][1]
    assert {call.method for call in host.calls} == {"GET"}


def test_without_a_token_approvals_are_a_warning(
    pipeline: tuple[Any, Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, enter, _ = pipeline
    enter(monkeypatch, host, None)
    ((state, text),) = approvals(tmp_path, "production")
    assert state == "warning" and "not looked at" in text and host.calls == []


def test_a_token_that_may_not_look_is_a_warning(
    pipeline: tuple[Any, Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, enter, _ = pipeline
    enter(monkeypatch, host)
    host.faults.append(Reply(403, {"message": "Resource not accessible by integration"}))
    ((state, text),) = approvals(tmp_path, "production")
    assert state == "warning" and "403" in text


# Pure checks.


def test_what_ended_is_a_failure_and_what_ends_soon_a_warning() -> None:
    stage = azure_stage(azureml=cluster("old", size="Standard_NC6s_v3"))
    found = list(
        retired.lines(stage, {"train/Dockerfile": "FROM --platform=linux/amd64 python:3.10-slim AS base"}, TODAY)
    )
    assert [(line.state, line.text.partition(":")[0]) for line in found] == [
        ("failure", "cluster old"),
        ("failure", "train/Dockerfile"),
    ]
    soon = list(retired.lines(azure_stage(target="azureml-online"), {}, date(2028, 9, 1)))
    assert [line.state for line in soon] == ["warning"] and "2028-11-15" in soon[0].text


def test_a_base_that_an_argument_names_is_the_arguments_default() -> None:
    text = "ARG BASE=docker.io/library/python:3.10-slim\nFROM --platform=$BUILDPLATFORM ${BASE} AS one\nFROM $OTHER\n"
    assert list(retired.bases({"D": text}).values()) == ["docker.io/library/python:3.10-slim", "$OTHER"]
    assert [line.state for line in retired.lines(load_stage("dev"), {"D": text}, TODAY)] == ["failure"]


def test_what_ended_is_told_of_a_stage_without_azure_too(tmp_path: Path) -> None:
    (line,) = [one for one in preflight.lines(Context(load_stage("dev"), tmp_path)) if one.check == "retirement"]
    assert line.state == "ok"


def test_without_a_key_of_the_datastore_blobs_need_a_role_of_both_identities(ready: Azure, tmp_path: Path) -> None:
    assert of(looked(tmp_path), "roles: storage") == [("ok", "the default datastore is opened by its own key")]
    use_entra(ready)
    lines = looked(tmp_path)
    ((state, text),) = of(lines, "roles: storage")
    assert state == "failure" and "data, train, promote write: not allowed: read, write, add/action" in text
    assert "Storage Blob Data Contributor" in text
    assert [one for one in of(lines, "job identity") if "may not write blobs of fakestore" in one[1]]
    blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"
    fake.of(ready).permissions = [{"actions": ["*"]}, {"dataActions": [blobs]}]
    account = f"{WS.partition('Microsoft.MachineLearning')[0]}Microsoft.Storage/storageAccounts/fakestore"
    fake.of(ready).roles.append((account, PRINCIPAL, "ba92f5b4-2d11-453d-a403-e96b0029c9fe"))
    found = states(looked(tmp_path))
    assert found["roles: storage"] == found["job identity"] == {"ok"}


def test_what_this_repository_uses_has_not_ended() -> None:
    files = {str(path): path.read_text() for path in (REPOSITORY / "environments").glob("*/Dockerfile")}
    assert len(retired.bases(files)) >= 3
    for target in ("azureml-online", "azureml-batch"):
        assert [line.state for line in retired.lines(azure_stage(target=target), files, TODAY)] == ["ok"]


@pytest.mark.parametrize(
    "name, size",
    [
        ("Dv2 and Dsv2", "Standard_DS3_v2"),
        ("Fsv2", "standard_f4s_v2"),
        ("NCv3", "Standard_NC24rs_v3"),
        (None, "Standard_D4s_v5"),
        (None, "Standard_NC24ads_A100_v4"),
        (None, "Standard_NC4as_T4_v3"),
        (None, "Standard_B2s_v2"),
        (None, "Standard_F4as_v6"),
    ],
)
def test_a_size_is_of_the_series_that_retires_or_of_none(name: str | None, size: str) -> None:
    stage = azure_stage(azureml=cluster("one", size=size))
    found = [line.text for line in retired.lines(stage, {}, date(2030, 1, 1)) if "cluster one" in line.text]
    assert [text.split(": ")[2].partition(" ended")[0] for text in found] == ([name] if name else [])


@pytest.mark.parametrize(
    "allowed, actions, refused",
    [
        (True, ["*"], []),
        (True, ["microsoft.machinelearningservices/WORKSPACES/*"], []),
        (False, ["*"], ["Microsoft.MachineLearningServices/workspaces/jobs/*"]),
        (False, ["*/read"], []),
        (False, [], []),
    ],
)
def test_an_action_is_allowed_where_a_role_names_it_and_does_not_take_it_back(
    allowed: bool, actions: list[str], refused: list[str]
) -> None:
    role = {"actions": actions, "notActions": refused}
    action = f"{permissions.PROVIDER}/workspaces/jobs/write"
    assert permissions.allows([role], action) is allowed
    assert permissions.allows([role, {"actions": [action], "notActions": []}], action)


def test_the_built_in_role_of_data_scientists_does_all_but_make_clusters() -> None:
    below = "Microsoft.MachineLearningServices/workspaces"
    refused = ["delete", "write", "computes/*/write", "computes/*/delete", "computes/listKeys/action"]
    role = {
        "actions": [f"{below}/*/{kind}" for kind in ("read", "action", "delete", "write")],
        "notActions": [f"{below}/{action}" for action in refused],
    }
    for target in ("azureml-online", "azureml-batch"):
        stage = azure_stage(target=target, azureml={"retraining": {"on_new_data": True}})
        roles = [role, {"actions": ["Microsoft.Insights/metrics/read"]}]
        assert {line.state for line in permissions.step_lines(stage, roles)} == {"ok"}
    assert permissions.allows([role], f"{below}/read")
    assert not permissions.allows([role], permissions.MAKES_CLUSTERS)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.W10.c"])
def test_a_token_that_tells_nothing_is_no_defect(token: str) -> None:
    assert answers.who(token) == {} and "?" in answers.login_line("cli", answers.who(token)).text


KUBECONFIG: dict[str, Any] = {
    "current-context": "edge",
    "contexts": [{"name": "edge", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"}}],
    "users": [{"name": "u", "user": {}}],
}


@pytest.mark.parametrize("missing", [None, *KUBECONFIG])
def test_a_kubeconfig_leads_to_a_cluster_or_says_that_it_does_not(tmp_path: Path, missing: str | None) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({key: value for key, value in KUBECONFIG.items() if key != missing}))
    (line,) = kubeconfig.lines(path)
    assert line.state == ("failure" if missing else "ok"), line


@pytest.mark.parametrize("content", [None, "", "[", "- a"])
def test_a_kubeconfig_that_is_none_is_a_failure(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    (line,) = kubeconfig.lines(path)
    assert line.state == "failure" and "KUBECONFIG" in line.text


def test_a_stage_that_serves_on_kubernetes_needs_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    stage = load_stage("dev")
    for target, seen in (("kubernetes", ["failure"]), ("local", [])):
        lines = list(preflight.lines(Context(replace(stage, target=target), tmp_path)))
        assert [line.state for line in lines if line.check == "kubernetes"] == seen


@pytest.mark.parametrize(
    "line, state",
    [
        (machine.home_line(Path("home"), True), "ok"),
        (machine.home_line(Path("home"), False), "failure"),
        (machine.disk_line(Path("/"), 9 * machine.GIB), "ok"),
        (machine.disk_line(Path("/"), 2 * machine.GIB), "warning"),
        (machine.disk_line(Path("/"), machine.GIB // 2), "failure"),
        (machine.port_line(0, True), "ok"),
        (machine.port_line(80, False), "ok"),
        (machine.port_line(80, True), "warning"),
    ],
)
def test_this_machine_is_judged_by_what_was_found(line: CheckLine, state: str) -> None:
    assert line.state == state


@pytest.mark.parametrize(
    "installed, state",
    [
        ({"PyYAML": "6.0.3", "python_multipart": "1"}, "ok"),
        ({"pyyaml": "6.0.3+local", "python.multipart": "1"}, "ok"),
        ({"pyyaml": "5", "python-multipart": "1"}, "warning"),
        ({"pyyaml": "6.0.3"}, "failure"),
    ],
)
def test_packages_are_compared_with_their_pins(installed: dict[str, str], state: str) -> None:
    wanted = {"r.txt": machine.pins("# why\nPyYAML==6.0.3\npython-multipart[x]==1 ; python_version > '3'\n")}
    (line,) = machine.package_lines(wanted, machine.plain_names(installed))
    assert line.state == state and (state == "ok" or "pip install -r r.txt" in line.text)


def test_a_canary_that_is_judged_before_azure_has_counted_is_a_warning() -> None:
    def said(target: str, seconds: float, mirror: int = 0) -> list[str]:
        steps = [100] if mirror else [10, 100]
        release = {"traffic_steps": steps, "verify": {"bake_seconds": seconds}}
        stage = azure_stage(target=target, release=release, azureml={"online": {"mirror_percent": mirror}})
        return [line.text for line in stagefile.lines(stage) if line.state != "ok"]

    (text,) = said("azureml-online", 60)
    assert text.startswith("release.verify.bake_seconds is 60: Azure Monitor counts") and text.endswith("300 or more")
    assert said("azureml-online", 60, mirror=20) == [text], "a shadow is judged so, too"
    assert said("azureml-online", 300) == said("azureml-batch", 60) == []


def test_the_template_as_cloned_is_complete() -> None:
    assert [line.state for name in ("dev", "qa", "production") for line in stagefile.lines(load_stage(name))] == [
        "ok"
    ] * 3


def test_demands_are_of_what_the_stage_uses() -> None:
    both = replace(azure_stage(), target="azureml-online")
    assert [one.what for one in quota.demands_of(both)] == ["cluster cpu-cluster", "online endpoint"]
    assert quota.demands_of(load_stage("dev")) == []


# The key vault.


def test_a_secret_is_read_from_the_workspaces_vault_by_the_own_identity(azure: Azure) -> None:
    fake.of(azure).secrets["github-app"] = "the value"
    assert open_secrets(azure_stage()).read("github-app") == "the value"
    assert azure.sent("GET", "kv-ws.vault.azure.net/secrets/github-app?api-version=")


def test_a_secret_that_is_absent_or_not_ours_is_one_line_with_what_to_do(azure: Azure) -> None:
    with pytest.raises(ConfigError, match="put the secret 'absent' into key vault kv-ws"):
        open_secrets(azure_stage()).read("absent")
    azure.fail("GET", "/secrets/", Answer(403, {"error": {"message": "no"}}))
    with pytest.raises(ConfigError, match="Key Vault Secrets User on key vault kv-ws") as raised:
        open_secrets(azure_stage()).read("absent")
    assert Azure.SECRET not in str(raised.value)


def test_the_own_identity_has_a_token_for_azure_devops(azure: Azure) -> None:
    assert open_secrets(azure_stage()).token("499b84ac-1321-427f-aa17-267ca6975798/.default")
