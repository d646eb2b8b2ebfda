"""What the online target asks of Azure, in which order, and what it makes of each way in which Azure may fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azurefake import online, scoring
from azurefake.faults import FORBIDDEN, THROTTLED, UNAVAILABLE, Drop
from azurefake.message import Answer
from azurefake.registries import add_registry
from azurefake.routes import WS
from azurefake.stages import azure_stage
from azurefake.state import GROUP, SUBSCRIPTION, WORKSPACE, Azure
from azureml_servers import inference_server, variables
from model_packages import make_package
from online_endpoints import ID, NAME, Served, changing, registered

from mlops.adapters.azureml import onlinelock, onlinereach, onlinewait
from mlops.adapters.azureml.online import open_target
from mlops.adapters.azureml.onlinereach import expect_reachable
from mlops.client import JsonClient
from mlops.errors import DeployError, TargetError
from mlops.ports import DeploymentStatus
from mlops.probe import predict, probe_in_turn, read_golden
from mlops.verification import judge_golden
from modelpackage import package_digest

WORKSPACE_ID = WS.format(subscription=SUBSCRIPTION, group=GROUP, workspace=WORKSPACE)
SMOKE = 1  # the request by which a new deployment is found to be reachable
FRAMES = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}


@pytest.fixture
def served(azure: Azure, tmp_path: Path) -> Served:
    return registered(azure, tmp_path)


def test_the_first_release_makes_the_endpoint_the_deployment_and_then_the_traffic(served: Served) -> None:
    served.serve(1)
    assert served.changes() == ["PUT /", "PUT /deployments/v01", "PUT /"]
    endpoint, deployment, traffic = (one.json for one in changing(served.azure))
    assert endpoint["properties"] == {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}, "properties": {}}
    assert endpoint["tags"] == {"model": "fashion-classifier", "stage": "production"}
    assert traffic["properties"]["traffic"] == {"v01": 100}
    digest = package_digest(served.packages[1])
    said = {"digest": digest, "variant": "int8", "version": "1"}
    properties = deployment["properties"]
    assert properties["properties"] == {"digest": digest, "version": "1"}
    assert properties["environmentVariables"] == {f"VISIONLINE_{key.upper()}": one for key, one in said.items()}
    assert properties["model"] == f"{WORKSPACE_ID}/models/fashion-classifier/versions/1"
    assert properties["environmentId"].startswith(f"{WORKSPACE_ID}/environments/visionline-score/versions/")
    assert properties["codeConfiguration"]["scoringScript"] == "serving/azureml/online.py"
    assert properties["requestSettings"] == {"maxConcurrentRequestsPerInstance": 8, "requestTimeout": "PT10S"}
    assert properties["endpointComputeType"] == "Managed" and deployment["sku"] == {"name": "Default", "capacity": 1}
    assert properties["instanceType"] == "Standard_F4s_v2"


def test_the_code_is_uploaded_once_and_holds_no_more_than_the_script_needs(served: Served) -> None:
    served.serve(1)
    names = {name.partition("/src/")[2] or name for _, container, name in served.azure.blobs if "/serving/" in name}
    assert "serving/azureml/online.py" in {name[name.find("serving/") :] for name in names}
    assert not [name for _, _, name in served.azure.blobs if "__pycache__" in name or "/vision/" in name]
    codes = len(served.azure.sent("PUT", "/codes/"))
    served.target.deploy(served.deployment(2))
    assert len(served.azure.sent("PUT", "/codes/")) == codes


def test_a_kubernetes_endpoint_is_put_on_the_attached_cluster(azure: Azure, tmp_path: Path) -> None:
    cluster = f"{WORKSPACE_ID}/computes/edge-aks"
    azure.put(cluster, {"location": "westeurope", "properties": {"computeType": "Kubernetes"}})
    online_file = {"compute": "edge-aks", "instance_type": "small", "instances": 2}
    served = registered(azure, tmp_path, 2, azureml={"online": online_file})
    served.serve(1).set_traffic({1: 100})
    endpoint, deployment = (one.json for one in changing(azure)[:2])
    assert endpoint["properties"]["compute"] == cluster
    assert deployment["properties"]["endpointComputeType"] == "Kubernetes"
    assert (deployment["properties"]["instanceType"], deployment["sku"]["capacity"]) == ("small", 2)
    served.target.deploy(served.deployment(2))
    served.target.set_traffic({1: 90, 2: 10})
    assert served.target.status().traffic == {1: 90, 2: 10}


def test_the_model_of_a_shared_registry_is_named_by_its_address_there(azure: Azure, tmp_path: Path) -> None:
    add_registry(azure, "shared")
    served = registered(azure, tmp_path, 1, azureml={"registry": "shared"})
    served.serve(1)
    model = changing(azure)[1].json["properties"]["model"]
    assert model == "azureml://registries/shared/models/fashion-classifier/versions/1"
    assert served.target.status().deployments[1].state == "ready"


def test_the_stage_file_may_name_the_endpoint(azure: Azure, tmp_path: Path) -> None:
    served = registered(azure, tmp_path, 1, azureml={"online": {"endpoint": "cameras-north"}})
    served.serve(1)
    assert served.target.status().url == "https://cameras-north.westeurope.inference.ml.azure.com"


def test_a_settled_endpoint_is_not_touched_again(served: Served) -> None:
    target = served.serve(1)
    before = len(changing(served.azure))
    target.deploy(served.deployment(1))
    target.set_traffic({1: 100})
    target.remove(2)
    assert len(changing(served.azure)) == before


def test_another_digest_under_the_same_version_is_deployed_anew(served: Served) -> None:
    target = served.target
    target.deploy(served.deployment(1))
    served.resource("v01")["properties"]["properties"]["digest"] = "sha256:0"
    target.deploy(served.deployment(1))
    assert served.changes() == ["PUT /", "PUT /deployments/v01", "DELETE /deployments/v01", "PUT /deployments/v01"]
    assert target.status().deployments[1].digest == package_digest(served.packages[1])


def test_an_endpoint_whose_last_change_failed_is_mended_with_its_traffic_as_it_is(served: Served) -> None:
    served.serve(1)
    served.resource()["properties"]["provisioningState"] = "Failed"
    served.target.deploy(served.deployment(2))
    assert [one.json["properties"]["traffic"] for one in changing(served.azure) if one.path.endswith(NAME)][-1] == {
        "v01": 100
    }
    assert served.target.status().traffic == {1: 100}


def test_a_deployment_that_failed_is_made_anew_and_one_with_traffic_in_its_place(served: Served) -> None:
    target = served.serve(1, 2)
    for name in ("v01", "v02"):
        served.resource(name)["properties"]["provisioningState"] = "Failed"
    assert {one.state for one in target.status().deployments.values()} == {"failed"}
    before = len(served.changes())
    target.deploy(served.deployment(2))
    assert served.changes()[before:] == ["DELETE /deployments/v02", "PUT /deployments/v02"]
    target.deploy(served.deployment(1))
    assert served.changes()[before + 2 :] == ["PUT /deployments/v01"], "the endpoint never serves nothing"
    assert {one.state for one in target.status().deployments.values()} == {"ready"}


# How a client is let in


@pytest.mark.parametrize(("auth", "mode"), [("key", "Key"), ("aml_token", "AMLToken"), ("aad_token", "AADToken")])
def test_a_deployment_is_reached_by_each_kind_of_authorization(
    azure: Azure, tmp_path: Path, auth: str, mode: str
) -> None:
    served = registered(azure, tmp_path, 1, azureml={"online": {"auth": auth}})
    status = served.serve(1).status()
    assert changing(azure)[0].json["properties"]["authMode"] == mode
    golden = read_golden(served.packages[1])
    answer = predict(status.deployments[1], golden)
    assert not isinstance(answer, str) and answer.labels == golden.variants["int8"].labels
    sent = azure.sent("POST", "/score")[-1].headers
    assert sent["azureml-model-deployment"] == "v01" and sent["authorization"].startswith("Bearer ")


def test_a_token_that_runs_out_is_fetched_again(azure: Azure, tmp_path: Path) -> None:
    served = registered(azure, tmp_path, 1, azureml={"online": {"auth": "aml_token"}})
    target = served.serve(1)
    golden = read_golden(served.packages[1])
    for _ in range(2):
        target.status()
    assert len(azure.sent("POST", f"{ID}/token")) == 1
    online.online(azure).token_seconds = 200.0  # less than the margin: not good enough to be kept
    target.authorization._until = 0.0
    for _ in range(2):
        assert not isinstance(predict(target.status().deployments[1], golden), str)
    assert len(azure.sent("POST", f"{ID}/token")) == 3


def test_a_key_is_in_no_representation(served: Served) -> None:
    target = served.serve(1)
    status = target.status()
    assert Azure.SECRET in status.deployments[1].headers["Authorization"]
    assert Azure.SECRET not in f"{target!r} {status!r}"


def test_an_endpoint_with_other_authorization_than_the_stage_file_says_is_not_used(
    served: Served, azure: Azure
) -> None:
    served.serve(1)
    served.stage.azureml.online.__dict__["auth"] = "aad_token"
    with pytest.raises(TargetError, match="auth is key.*azureml.online.auth is aad_token"):
        served.target.deploy(served.deployment(2))


# What is counted


def test_live_requests_and_the_models_errors_are_counted_by_deployment(served: Served) -> None:
    target = served.serve(1)
    seen = target.status().deployments[1]
    with JsonClient(seen.url) as client:
        for body in (FRAMES, FRAMES, {"inputs": "nonsense"}):
            client.request("POST", "/score", body, seen.headers)
        scoring.break_down(served.azure, "v01")
        assert client.request("POST", "/score", FRAMES, seen.headers).status == 424
        assert client.request("POST", "/score", FRAMES, {}).status == 401
    seen = target.status().deployments[1]
    assert (seen.requests, seen.errors) == (4 + SMOKE, 1), "bad input is the client's fault"


def test_a_metric_that_is_not_there_yet_counts_0_and_one_that_is_forbidden_is_an_error(served: Served) -> None:
    target = served.serve(1)
    seen = target.status().deployments[1]
    scoring.scoring(served.azure).is_late = True
    with JsonClient(seen.url) as client:
        client.request("POST", "/score", FRAMES, seen.headers)
    assert target.status().deployments[1].requests == 0
    served.azure.fail("GET", "/microsoft.insights/metrics", FORBIDDEN)
    with pytest.raises(Exception, match="metrics: 403.*preflight"):
        target.status()


def test_what_a_deployment_of_the_same_name_answered_before_is_not_counted(served: Served) -> None:
    target = served.serve(1)
    counts = scoring.scoring(served.azure).counts
    counts[NAME, "2026-01-01T00:00:00Z", "v01", "424", "500"] += 7
    assert target.status().deployments[1].errors == 0


# Shadow traffic


def test_mirrored_traffic_stays_while_it_is_valid(served: Served) -> None:
    target = served.serve(1, 2)
    served.resource()["properties"]["mirrorTraffic"] = {"v02": 20}
    target.set_traffic({1: 100})
    assert served.resource()["properties"]["mirrorTraffic"] == {"v02": 20}
    seen = target.status().deployments[1]
    only_key = {key: value for key, value in seen.headers.items() if key == "Authorization"}
    with JsonClient(seen.url) as client:
        assert client.request("POST", "/score", FRAMES, only_key).body["model_version"] == "1"
    assert target.status().deployments[2].requests == 1 + SMOKE
    target.set_traffic({1: 90, 2: 10})
    assert served.resource()["properties"]["mirrorTraffic"] == {}


def test_a_mirror_is_the_stage_files_percent_and_set_once_and_nothing_else_is_changed(served: Served) -> None:
    served.serve(1, 2)
    assert open_target(served.stage).mirror(2) == 0
    served.azure.requests.clear()
    azureml = served.stage.azureml
    stage = replace(served.stage, azureml=replace(azureml, online=replace(azureml.online, mirror_percent=20)))
    assert (open_target(stage).mirror(2), open_target(stage).mirror(2)) == (20, 20)
    (one,) = changing(served.azure)
    assert (one.json["properties"]["traffic"], one.json["properties"]["mirrorTraffic"]) == ({"v01": 100}, {"v02": 20})


def test_a_mirror_of_a_version_that_is_not_deployed_is_refused_in_one_line(served: Served) -> None:
    served.serve(1)
    azureml = served.stage.azureml
    stage = replace(served.stage, azureml=replace(azureml, online=replace(azureml.online, mirror_percent=20)))
    with pytest.raises(TargetError, match=r"^fashion-classifier-production: traffic.*v02") as caught:
        open_target(stage).mirror(2)
    assert "\n" not in str(caught.value)


def test_a_mirrored_deployment_loses_its_mirror_before_it_is_removed(served: Served) -> None:
    target = served.serve(1, 2)
    served.resource()["properties"]["mirrorTraffic"] = {"v02": 20}
    target.remove(2)
    assert served.changes()[-2:] == ["PUT /", "DELETE /deployments/v02"]
    assert (target.status().traffic, list(target.status().deployments)) == ({1: 100}, [1])


def test_traffic_of_somebody_elses_deployment_is_told_and_left_alone(served: Served) -> None:
    target = served.serve(1)
    served.azure.put(
        f"{ID}/deployments/blue", {**served.resource("v01"), "id": f"{ID}/deployments/blue", "name": "blue"}
    )
    assert list(target.status().deployments) == [1]
    served.resource()["properties"]["traffic"] = {"blue": 100}
    with pytest.raises(TargetError, match="blue.*azureml.online.endpoint"):
        target.status()


# What goes wrong


def test_a_container_that_crashes_is_the_versions_fault_with_its_own_last_lines(served: Served) -> None:
    target = served.serve(1)
    log = f"Initializing\nTraceback\nBearer {Azure.SECRET}\nValueError: labels.json is not JSON\nWorker failed to boot."
    online.fail(served.azure, "v02", "ResourceNotReady", "User container has crashed or terminated.", log)
    with pytest.raises(DeployError) as caught:
        target.deploy(served.deployment(2))
    said = str(caught.value)
    assert "version 2" in said and "ResourceNotReady" in said and "ValueError: labels.json is not JSON" in said
    assert "\n" not in said and Azure.SECRET not in said
    assert served.changes()[-2:] == ["PUT /deployments/v02", "DELETE /deployments/v02"]
    assert (target.status().traffic, list(target.status().deployments)) == ({1: 100}, [1])


AZURES_FAULTS = {
    "OutOfQuota": "quota",
    "OutOfCapacity": "instance_type",
    "PodUnschedulable": "nodes",
    "ImageBuildFailure": "environments/score",
    "InternalServerError": "no version is to blame",
}


def test_what_azure_lacks_is_not_the_versions_fault(served: Served) -> None:
    target = served.serve(1)
    for code, advice in AZURES_FAULTS.items():
        online.fail(served.azure, "v02", code, "Not enough of it in westeurope.")
        with pytest.raises(TargetError, match=f"version 2.*{code}.*Not enough.*{advice}"):
            target.deploy(served.deployment(2))
        assert (target.status().traffic, list(target.status().deployments)) == ({1: 100}, [1])
    online.online(served.azure).failures.clear()
    target.deploy(served.deployment(2))
    assert target.status().deployments[2].state == "ready"


def test_a_quota_that_azure_refuses_at_once_is_told_as_well(served: Served) -> None:
    target = served.serve(1)
    refused = online.refusal(400, "OutOfQuota", "Not enough quota for Standard_F4s_v2.")
    served.azure.fail("PUT", "/deployments/v02", refused)
    with pytest.raises(TargetError, match="OutOfQuota.*ask for more quota"):
        target.deploy(served.deployment(2))
    assert target.status().traffic == {1: 100}


def test_an_endpoint_that_is_stuck_is_told_by_its_state_and_mended_by_a_rerun(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = served.serve(1)
    target.deploy(served.deployment(2))
    monkeypatch.setattr(onlinewait, "DEADLINE_SECONDS", 0.3)
    online.online(served.azure).stuck.add(NAME)
    with pytest.raises(TargetError, match="traffic does not end.*studio"):
        target.set_traffic({1: 90, 2: 10})
    with pytest.raises(TargetError, match="is stuck in Updating"):
        served.target.set_traffic({1: 90, 2: 10})
    with pytest.raises(TargetError, match="is stuck in Updating"):
        served.target.deploy(served.deployment(2))
    online.release(served.azure, NAME)
    monkeypatch.undo()
    for name, value in served.azure.environment().items():
        monkeypatch.setenv(name, value)
    served.target.set_traffic({1: 50, 2: 50})
    assert served.target.status().traffic == {1: 50, 2: 50}


def test_a_deployment_that_somebody_is_still_making_is_waited_for(served: Served) -> None:
    target = served.serve(1)
    target.deploy(served.deployment(2))
    before = len(changing(served.azure))
    online.keep_going(served.azure, f"{ID}/deployments/v02", looks=3)
    served.target.deploy(served.deployment(2))
    assert len(changing(served.azure)) == before
    assert served.target.status().deployments[2].state == "ready"


CHANGES = [("PUT", f"/onlineendpoints/{NAME}?"), ("PUT", "/deployments/v02"), ("DELETE", "/deployments/v01")]


@pytest.mark.parametrize("fault", [THROTTLED, UNAVAILABLE, Drop(), Drop(handled=True)], ids=str)
def test_passing_faults_are_gone_through(served: Served, fault: Any) -> None:
    target = served.serve(1)
    for method, part in CHANGES:
        served.azure.fail(method, part, fault)
    target.deploy(served.deployment(2))
    target.set_traffic({2: 100})
    target.remove(1)
    status = target.status()
    assert (status.traffic, list(status.deployments)) == ({2: 100}, [2])
    assert [one.answers for one in served.azure.faults if one.answers] == []


@pytest.mark.parametrize(("method", "part"), CHANGES)
def test_a_forbidden_change_is_told_in_one_line_and_a_rerun_does_the_rest(
    served: Served, method: str, part: str
) -> None:
    def release() -> None:
        target = served.target
        target.deploy(served.deployment(2))
        target.set_traffic({2: 100})
        target.remove(1)

    served.serve(1)
    served.azure.fail(method, part, FORBIDDEN)
    with pytest.raises(TargetError, match="403.*preflight") as caught:
        release()
    assert "\n" not in str(caught.value)
    assert sum(served.target.status().traffic.values()) == 100
    release()
    assert (served.target.status().traffic, list(served.target.status().deployments)) == ({2: 100}, [2])


def test_a_deployment_that_this_machine_cannot_reach_is_not_the_versions_fault(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = served.serve(1)
    monkeypatch.setattr(onlinereach, "WAIT_SECONDS", 0.0)
    for answer, advice in ((Drop(), "network access"), (Answer(401), "auth"), (Answer(403), "preflight")):
        served.azure.fail("POST", "/score", answer, answer)
        with pytest.raises(TargetError, match=f"version 2 on {NAME} runs, and https://.*{advice}"):
            target.deploy(served.deployment(2))
        served.azure.faults.clear()
    served.azure.fail("POST", "/score", Answer(503), Answer(404))
    monkeypatch.setattr(onlinereach, "WAIT_SECONDS", 30.0)
    target.deploy(served.deployment(2))


def test_traffic_to_a_version_that_is_not_deployed_is_refused_and_stays(served: Served) -> None:
    target = served.serve(1)
    with pytest.raises(TargetError, match="traffic: 400.*v07"):
        target.set_traffic({1: 50, 7: 50})
    assert target.status().traffic == {1: 100}


def test_the_verification_reads_what_azures_own_scoring_server_answers(tmp_path: Path) -> None:
    package = make_package(tmp_path / "models" / "7")
    with inference_server(package.parent, variables(package), tmp_path / "server.log") as server:
        digest = package_digest(package)
        headers = {"Authorization": "Bearer key", "azureml-model-deployment": "v07"}
        seen = DeploymentStatus(7, digest, "ready", None, 0, 0, str(server.base_url), "/score", headers)
        golden = read_golden(package)
        assert judge_golden(golden, "int8", predict(seen, golden), 1e-5).outcome == "promote"
        assert probe_in_turn([seen], golden, 3)[0].failures == ()
        expect_reachable(seen, NAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"azureml": {"online": {"instances": 3}}},
        {"azureml": {"online": {"instance_type": "Standard_F8s_v2"}}},
        {"release": {"variant": "fp32"}},
    ],
)
def test_settings_that_changed_since_are_told_and_taken_up_in_place(served: Served, changes: dict[str, Any]) -> None:
    served.serve(1)
    assert served.target.status().deployments[1].is_current
    later = replace(served, stage=azure_stage("production", target="azureml-online", **changes))
    assert not later.target.status().deployments[1].is_current
    deployment = replace(later.deployment(1), variant=later.stage.release.variant)
    served.azure.requests.clear()
    later.target.deploy(deployment)
    later.target.deploy(deployment)
    assert later.changes() == ["PUT /deployments/v01"], "once, and it keeps its traffic"
    assert later.target.status().deployments[1].is_current and later.target.status().traffic == {1: 100}


def test_properties_that_a_deployment_has_already_stay_where_it_changes_in_place(served: Served) -> None:
    served.serve(1)
    has = served.resource("v01")["properties"]["properties"]
    has.update({"variant": "int8", "azureml.codesnapshotid": "made by Azure"})
    later = replace(served, stage=azure_stage("production", target="azureml-online", release={"variant": "fp32"}))
    later.target.deploy(replace(later.deployment(1), variant="fp32"))
    properties = served.resource("v01")["properties"]
    assert properties["properties"] == has and properties["environmentVariables"]["VISIONLINE_VARIANT"] == "fp32"


def test_who_has_lost_the_lock_changes_nothing_more(
    azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = registered(azure, tmp_path, 3)
    target = served.serve(1)
    target.deploy(served.deployment(2))
    with target.lock():
        served.azure.requests.clear()
        monkeypatch.setattr(onlinelock, "LEASE_SECONDS", 0.0)
        changes: list[Callable[[], object]] = [
            lambda: target.deploy(served.deployment(3)),
            lambda: target.set_traffic({2: 100}),
            lambda: target.remove(2),
        ]
        for change in changes:
            with pytest.raises(TargetError, match="lock was lost"):
                change()
        assert [one for one in served.changes() if "deployments" in one or one == "PUT /"] == []
    assert served.target.status().traffic == {1: 100}
