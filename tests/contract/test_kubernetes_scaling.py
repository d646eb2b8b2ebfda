"""A stage's autoscaler, and what becomes of replicas when it gets one, another one, or none any more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cluster_serving import Serving
from kubefake.faults import Call
from kubefake.kubelet import DEPLOYMENT, kind_of
from model_packages import MODEL
from running_endpoint import wait_for

from mlops.adapters.kubernetes import handover
from mlops.delivery import namespace_of
from mlops.errors import TargetError
from mlops.steps.rollback import rollback

V1, V2 = f"{MODEL}-v1", f"{MODEL}-v2"
HPA = "HorizontalPodAutoscaler"


def test_a_site_that_sleeps_is_awake_for_a_release_and_sleeps_again(serving: Serving) -> None:
    stage = replace(serving.stage, kubernetes=replace(serving.stage.kubernetes, autoscaling="keda"))
    asleep = replace(serving, stage=stage)
    asleep.cluster.delete("Deployment", V1)
    asleep.deploy()
    wait_for(lambda: asleep.cluster.names("Pod") == [])
    asleep.approve(2)
    assert asleep.deploy().outcome == "served", "its probes and those of the version before it were answered"
    wait_for(lambda: asleep.cluster.names("Pod") == [])
    assert (asleep.status().traffic, list(asleep.status().deployments)) == ({2: 100}, [2])


def test_a_rollback_does_not_wait_for_a_version_that_slept_and_crashes_when_it_is_woken(serving: Serving) -> None:
    asleep = scaled(serving, "keda")
    asleep.cluster.delete("Deployment", V1)
    asleep.approve(2)
    assert asleep.deploy().outcome == "served"
    wait_for(lambda: asleep.cluster.names("Pod") == [])
    asleep.approve(1)
    asleep.cluster.fail(V2, "crash-loop", "a frame that it does not take")
    assert rollback(asleep.context, "it crashes").served == 1
    assert (asleep.status().traffic, list(asleep.status().deployments)) == ({1: 100}, [1])


def test_a_switch_to_an_autoscaler_takes_no_pod_from_what_serves(serving: Serving) -> None:
    three = replace(serving.stage, kubernetes=replace(serving.stage.kubernetes, replicas=3))
    assert replace(serving, stage=three).deploy().outcome == "served"
    counts: list[int] = []

    def note(call: Call) -> None:
        if call.resource == "deployments.apps" and call.name == V1 and V1 in serving.cluster.names("Deployment"):
            counts.append(serving.cluster.find("Deployment", V1)["spec"]["replicas"])

    serving.cluster.after_change = note
    serving.approve(2)
    scaled = replace(serving, stage=replace(three, kubernetes=replace(three.kubernetes, autoscaling="hpa")))
    assert scaled.deploy().outcome == "served"
    scaled.expect(2)
    assert set(counts) == {3}
    assert V2 in serving.cluster.names("HorizontalPodAutoscaler")
    serving.cluster.edit("Deployment", V2, ("spec", "replicas"), 5, "kube-controller-manager")
    with scaled.context.target.lock():  # the next release applies it again
        scaled.context.target.set_traffic({2: 100})
    assert serving.cluster.find("Deployment", V2)["spec"]["replicas"] == 5, "the autoscaler has it alone"


def test_the_fake_defaults_a_field_that_no_manager_owns_any_more(serving: Serving) -> None:
    kind, space = DEPLOYMENT, namespace_of(serving.stage)
    given = serving.cluster.find("Deployment", V1)
    spec = {**given["spec"], "replicas": 4}
    body = {"metadata": {"name": "one"}, "spec": spec}
    serving.cluster.store.apply(kind, space, body, "a", False)
    without = {**body, "spec": {key: value for key, value in spec.items() if key != "replicas"}}
    assert serving.cluster.store.apply(kind, space, without, "a", False)["spec"]["replicas"] == 1


def scaled(serving: Serving, autoscaling: str, **changes: object) -> Serving:
    """Return the same cluster with a stage file that says another autoscaling."""
    kubernetes = replace(serving.stage.kubernetes, autoscaling=autoscaling, **changes)  # type: ignore[arg-type]
    return replace(serving, stage=replace(serving.stage, kubernetes=kubernetes))


def replicas(serving: Serving, name: str) -> int:
    return int(serving.cluster.find("Deployment", name)["spec"]["replicas"])


@pytest.mark.parametrize("autoscaling, manager", [("hpa", "kube-controller-manager"), ("keda", "keda")])
def test_a_stage_that_gives_its_autoscaler_up_has_its_replicas_back_in_one_release(
    serving: Serving, autoscaling: str, manager: str
) -> None:
    serving.approve(2)
    assert scaled(serving, autoscaling).deploy().outcome == "served"
    if autoscaling == "hpa":
        serving.cluster.edit("Deployment", V2, ("spec", "replicas"), 3, manager)
    wait_for(lambda: replicas(serving, V2) == (3 if autoscaling == "hpa" else 0))
    fixed = scaled(serving, "none", replicas=2)
    assert fixed.deploy().outcome == "served"
    fixed.expect(2)
    assert replicas(serving, V2) == 2
    assert serving.cluster.names(HPA) == serving.cluster.names("ScaledObject") == []
    assert fixed.deploy().outcome == "unchanged"


def test_an_autoscaler_goes_even_where_nothing_else_has_changed(serving: Serving) -> None:
    serving.approve(2)
    assert scaled(serving, "hpa").deploy().outcome == "served"
    assert serving.cluster.names(HPA) == [V2]
    assert serving.deploy().outcome == "unchanged" and serving.cluster.names(HPA) == []


def test_another_autoscaler_takes_the_place_of_the_last_one(serving: Serving) -> None:
    serving.approve(2)
    scaled(serving, "hpa").deploy()
    both: list[bool] = []

    def note(call: Call) -> None:
        both.append(bool(serving.cluster.names(HPA) and serving.cluster.names("ScaledObject")))

    serving.cluster.after_change = note
    scaled(serving, "keda").deploy()
    assert serving.cluster.names("ScaledObject") == [V2] and not any(both), "KEDA refuses what an HPA scales"


def test_replicas_that_somebody_elses_autoscaler_sets_are_not_taken(serving: Serving) -> None:
    metadata = {"name": "theirs"}
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": V1}, "maxReplicas": 9}
    kind, space = kind_of(HPA), namespace_of(serving.stage)
    serving.cluster.store.create(kind, space, {"metadata": metadata, "spec": spec}, "kubectl")
    serving.cluster.edit("Deployment", V1, ("spec", "replicas"), 3, "kube-controller-manager")
    with pytest.raises(TargetError, match="field .spec.replicas is managed by kube-controller-manager"):
        serving.deploy()
    assert (replicas(serving, V1), serving.cluster.names(HPA)) == (3, ["theirs"])


def test_an_autoscaler_that_does_not_go_is_an_error_before_anything_changes(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.approve(2)
    scaled(serving, "hpa").deploy()
    monkeypatch.setattr(handover, "_delete", lambda kinds, one: None)
    with pytest.raises(TargetError, match=f"{V2} is still scaled after 0 s: delete what scales it"):
        scaled(serving, "none", rollout_seconds=0.1).deploy()
