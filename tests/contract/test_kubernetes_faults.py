"""What a release says, and leaves behind, where a cluster does not do what it is told: what served serves on."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cluster_stages import cluster_stage, deployment
from kubefake import server as servers
from kubefake.cluster import TOKEN, Cluster
from kubefake.faults import Call, Fault
from model_packages import MODEL, make_package
from running_endpoint import wait_for

from mlops.adapters.kubernetes import cluster as clusters, rendering
from mlops.adapters.kubernetes.applying import apply
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.live import STAGE_LABEL
from mlops.adapters.kubernetes.target import KubernetesTarget, open_target
from mlops.client import JsonClient
from mlops.delivery import LABEL_VERSION, namespace_of
from mlops.errors import DeployError, StepError, TargetError
from mlops.ports import Deployment
from mlops.probe import Lost, predict, read_golden

V1, V2 = f"{MODEL}-v1", f"{MODEL}-v2"
OF_MODEL = ("Deployment", "Service", "ConfigMap", "PodDisruptionBudget")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("packages")
    return {number: make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)}


@dataclass(frozen=True)
class Serving:
    """A cluster on which version 1 has all the traffic, and version 2 can be deployed."""

    cluster: Cluster
    target: KubernetesTarget
    packages: dict[int, Path]

    def version(self, number: int) -> Deployment:
        """Return a version to deploy."""
        return deployment(self.cluster, self.target.stage, number, self.packages[number])

    def refusal(self, work: Callable[[], object], error: type[StepError]) -> str:
        """Return what a refused call says: one line; version 1 serves on, and nothing of version 2 is left."""
        said = refused(work, error)
        status = self.target.status()
        assert (status.traffic, list(status.deployments)) == ({1: 100}, [1])
        assert not any(V2 in self.cluster.names(kind) for kind in OF_MODEL)
        assert not isinstance(predict(status.deployments[1], read_golden(self.packages[1])), str)
        return said


def refused(work: Callable[[], object], error: type[StepError]) -> str:
    """Return the one line that a call is refused with."""
    with pytest.raises(error) as caught:
        work()
    assert type(caught.value) is error or error is TargetError
    assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def serving(cluster: Cluster, packages: dict[int, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setattr(clusters, "PATIENCE_SECONDS", 1.0)
    made = Serving(cluster, open_target(cluster_stage(rollout_seconds=20.0)), packages)
    with made.target.lock():
        made.target.deploy(made.version(1))
        made.target.set_traffic({1: 100})
    yield made


def hasty(serving: Serving) -> Serving:
    """Return the same with little patience for a rollout."""
    return replace(serving, target=open_target(cluster_stage(rollout_seconds=0.5)))


@pytest.mark.parametrize(
    "fault, text, error, words",
    [
        ("image-pull", "failed to resolve: not found", TargetError, "ImagePullBackOff.*not found.*is the image pushed"),
        ("image-pull", "429 too many requests", TargetError, "ImagePullBackOff.*429"),
        ("crash-loop", "PackageError: no model_int8.onnx", DeployError, "crashes .*exit code 1.*no model_int8.onnx"),
        ("fetch", "HTTP 503", TargetError, "within 0 s: .*crashes in container model .*: HTTP 503"),
        ("quota", "exceeded quota: edge, requested: cpu=1", TargetError, "exceeded quota: edge.*ask for more"),
        ("unschedulable", "0/3 nodes: Insufficient cpu", TargetError, "no node takes pod .*Insufficient cpu"),
        ("unready", "", DeployError, "does not get ready"),
    ],
)
def test_a_version_that_gets_no_ready_pod_goes_again_and_the_reason_is_told(
    serving: Serving, fault: str, text: str, error: type[StepError], words: str
) -> None:
    serving.cluster.fail(V2, fault, text)
    hurried = hasty(serving)
    said = hurried.refusal(lambda: hurried.target.deploy(serving.version(2)), error)
    assert re.search(f"version 2 does not get ready.*{words}", said), said


def test_another_controller_s_field_is_named_and_left_alone(serving: Serving) -> None:
    serving.target.deploy(serving.version(2))
    rules = serving.cluster.find("HTTPRoute", MODEL)["spec"]["rules"]
    rules[-1]["backendRefs"][0]["weight"] = 55
    serving.cluster.edit("HTTPRoute", MODEL, ("spec", "rules"), rules, manager="flagger")
    said = refused(lambda: serving.target.set_traffic({2: 100}), TargetError)
    assert said.startswith(f"HTTPRoute {MODEL}: field .spec.rules is managed by flagger: let one of the two")
    assert serving.cluster.find("HTTPRoute", MODEL)["spec"]["rules"] == rules


def test_an_api_server_that_restarts_while_it_is_watched_is_watched_again(serving: Serving) -> None:
    serving.cluster.fail(V2, "unready")
    before = len(serving.cluster.calls)

    def watches() -> int:
        return sum(1 for call in serving.cluster.calls[before:] if call.verb == "watch")

    release = threading.Thread(target=lambda: serving.target.deploy(serving.version(2)))
    release.start()
    wait_for(watches)
    serving.cluster.restart()
    wait_for(lambda: watches() > 1)
    serving.cluster.heal(V2)
    release.join()
    assert serving.target.status().deployments[2].state == "ready"


def test_an_answer_that_gets_lost_costs_a_second_try_and_nothing_else(serving: Serving) -> None:
    serving.cluster.faults.append(Fault(lambda call: call.is_change, times=3))
    serving.target.deploy(serving.version(2))
    serving.cluster.faults.append(Fault(lambda call: call.is_change, times=3))
    serving.target.set_traffic({2: 100})
    assert serving.target.status().traffic == {2: 100}


def test_a_gateway_that_takes_no_route_up_leaves_the_traffic_as_it_was(serving: Serving) -> None:
    hurried = hasty(serving)
    serving.target.deploy(serving.version(2))
    serving.cluster.gateway.is_deaf = True
    said = refused(lambda: hurried.target.set_traffic({1: 50, 2: 50}), TargetError)
    assert "its gateway has not said Accepted yet: see to Gateway visionline" in said
    assert serving.target.status().traffic == {1: 100}


def test_without_the_gateway_api_a_line_says_what_to_set_and_nothing_is_applied(
    cluster: Cluster, packages: dict[int, Path]
) -> None:
    cluster.absent.add("gateway.networking.k8s.io")
    target = open_target(cluster_stage())
    with target.lock():
        said = refused(lambda: target.deploy(deployment(cluster, target.stage, 1, packages[1])), TargetError)
    assert "has no " in said and "gateway.networking.k8s.io/v1" in said and "set kubernetes.traffic: replicas" in said
    assert [cluster.names(kind) for kind in OF_MODEL] == [[]] * len(OF_MODEL)


@pytest.mark.parametrize(
    "verb, resource",
    [("patch", "deployments.apps"), ("list", "pods"), ("get", "pods/proxy"), ("create", "services/proxy")],
)
def test_a_missing_right_is_told_by_its_verb_and_resource(serving: Serving, verb: str, resource: str) -> None:
    serving.cluster.forbid(verb, resource)
    said = refused(lambda: serving.target.deploy(serving.version(2)), TargetError)
    assert f"may not {verb} {resource}" in said and "in namespace" in said and "preflight" in said
    serving.cluster.forbidden.clear()
    assert serving.target.status().traffic == {1: 100}


def test_a_probe_that_the_api_server_refuses_blames_no_version(serving: Serving) -> None:
    seen, golden = serving.target.status().deployments[1], read_golden(serving.packages[1])
    serving.cluster.forbid("create", "services/proxy")
    assert isinstance(predict(seen, golden), Lost)
    with JsonClient(seen.url) as client:
        assert client.request("GET", "/metrics", headers=seen.headers).status == 404, "only the model is reached"


def test_an_eviction_in_the_canary_costs_no_count_and_ends_no_release(serving: Serving) -> None:
    serving.target.deploy(serving.version(2))
    serving.target.set_traffic({1: 50, 2: 50})
    golden = read_golden(serving.packages[2])
    body = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}
    for _ in range(4):
        answer = serving.cluster.gateway.answer("POST", f"/v2/models/{MODEL}/infer", {}, json.dumps(body).encode())
        assert answer.status == 200
    before = serving.target.status().deployments[2]
    assert before.requests == 2
    serving.cluster.evict(V2)
    after = serving.target.status().deployments[2]
    assert not isinstance(predict(after, golden), str), "the probe waits for the pod that takes its place"
    assert (after.requests, serving.target.status().deployments[2].requests) == (2, 2)
    serving.target.set_traffic({2: 100})
    serving.target.remove(1)
    assert list(serving.target.status().deployments) == [2]


def test_what_a_version_left_goes_with_it_and_all_else_stays(serving: Serving) -> None:
    serving.target.deploy(serving.version(2))
    assert all(V2 in serving.cluster.names(kind) for kind in OF_MODEL)
    serving.target.remove(2)
    assert not any(V2 in serving.cluster.names(kind) for kind in OF_MODEL)
    assert all(V1 in serving.cluster.names(kind) for kind in OF_MODEL)


def test_a_policy_of_a_version_goes_with_it_and_a_sites_own_stays(serving: Serving) -> None:
    serving.target.deploy(serving.version(2))
    namespace, kinds = namespace_of(serving.target.stage), Kinds(clusters.connect(None))
    ours = {STAGE_LABEL: serving.target.stage.name, LABEL_VERSION: "2"}
    for name, labels in ((V2, ours), ("of-the-site", {})):
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata}
        apply(kinds, {**policy, "spec": {"podSelector": {}}})
    serving.target.remove(2)
    left = serving.cluster.names("NetworkPolicy")
    assert V2 not in left and {"of-the-site", "serving"} <= set(left)


def test_a_cluster_that_does_not_answer_is_told_with_what_to_do(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "PATIENCE_SECONDS", 0.0)
    assert cluster._server is not None
    servers.end(cluster._server)
    said = refused(lambda: open_target(cluster_stage()).status(), TargetError)
    assert said.startswith(f"{cluster.url} does not answer") and "KUBECONFIG" in said


def test_a_kubectl_that_does_not_end_is_told_in_a_line_and_blames_no_version(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(rendering, "SECONDS", 0.05)
    said = refused(lambda: rendering.render({"kustomization.yaml": "{}"}), TargetError)
    assert "kubectl does not render infra/kubernetes within 0 s" in said and "run the step again" in said


def test_a_call_that_the_fake_does_not_know_is_refused_as_an_api_server_does(cluster: Cluster) -> None:
    call = Call("GET", "get", "", "", "", "/apis/no.such.group/v1", {}, {"authorization": f"Bearer {TOKEN}"})
    cluster.check(call)
    assert cluster.calls[-1] == call
