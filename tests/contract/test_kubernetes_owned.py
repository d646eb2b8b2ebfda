"""What a controller makes for an object of ours, with our labels on it, is the controller's: no release deletes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cluster_serving import Serving
from kubefake.kubelet import kind_of
from model_packages import MODEL

from mlops.adapters.kubernetes.live import STAGE_LABEL
from mlops.adapters.kubernetes.target import open_target
from mlops.delivery import namespace_of

V1 = f"{MODEL}-v1"
HPA = "HorizontalPodAutoscaler"
# As Istio makes them of a Gateway: they bear the Gateway's own labels.
OF_THE_GATEWAY = {
    "Service": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    HPA: {"scaleTargetRef": {"kind": "Deployment", "name": "visionline-istio"}, "maxReplicas": 5},
    "PodDisruptionBudget": {"minAvailable": 1},
}


def made_for(serving: Serving, owner: str, kind: str, name: str, spec: dict[str, Any]) -> None:
    """Let a controller make an object for another one of the stage."""
    found = serving.cluster.find(owner, V1 if owner == "ScaledObject" else "visionline")
    labels = found["metadata"]["labels"]
    assert labels[STAGE_LABEL] == serving.stage.name
    reference = {
        "apiVersion": found["apiVersion"],
        "kind": owner,
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": True,
    }
    metadata = {"name": name, "labels": dict(labels), "ownerReferences": [reference]}
    body = {"metadata": metadata, "spec": spec}
    serving.cluster.store.create(kind_of(kind), namespace_of(serving.stage), body, "a-controller")


@pytest.fixture
def with_gateways_own(serving: Serving) -> Serving:
    for kind, spec in OF_THE_GATEWAY.items():
        made_for(serving, "Gateway", kind, "visionline-istio", spec)
    return serving


def deleted(serving: Serving) -> set[str]:
    """Return what was asked to be deleted, by resource and name."""
    return {f"{call.resource} {call.name}" for call in serving.cluster.calls if call.verb == "delete"}


def test_a_release_leaves_what_the_gateway_serves_by(with_gateways_own: Serving) -> None:
    with_gateways_own.approve(2)
    assert with_gateways_own.deploy().outcome == "served"
    with_gateways_own.expect(2)
    for kind in OF_THE_GATEWAY:
        assert "visionline-istio" in with_gateways_own.cluster.names(kind)
    assert f"services {V1}" in deleted(with_gateways_own), "what is the version's own goes"
    assert not [one for one in deleted(with_gateways_own) if one.endswith("visionline-istio")]


def test_a_release_that_changes_nothing_leaves_it_as_well(with_gateways_own: Serving) -> None:
    assert with_gateways_own.deploy().outcome == "unchanged"
    assert "visionline-istio" in with_gateways_own.cluster.names(HPA)


def test_the_autoscaler_that_keda_makes_is_kedas_to_take_away(serving: Serving) -> None:
    kubernetes = replace(serving.stage.kubernetes, autoscaling="keda")
    keda = replace(serving, stage=replace(serving.stage, kubernetes=kubernetes))
    target = open_target(keda.stage)
    with target.lock():
        target.set_traffic({1: 100})
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": V1}, "maxReplicas": 22}
    made_for(keda, "ScaledObject", HPA, f"keda-hpa-{V1}", spec)
    keda.approve(2)
    assert keda.deploy().outcome == "served"
    assert "ScaledObject" not in deleted(keda) and f"scaledobjects.keda.sh {V1}" in deleted(keda)
    assert not [one for one in deleted(keda) if one.startswith("horizontalpodautoscalers")]
