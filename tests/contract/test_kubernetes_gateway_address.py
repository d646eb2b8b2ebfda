"""Where live requests come in, as the Gateway of a stage's route says it."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_stages import cluster_stage
from kubefake.cluster import Cluster
from kubefake.kubelet import kind_of

from mlops.adapters.kubernetes.cluster import connect
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.live import gateway_url
from mlops.delivery import namespace_of

STAGE = cluster_stage()


@pytest.mark.parametrize(
    "notes, url",
    [
        ({}, "http://192.0.2.7:8000"),
        ({"visionline/port": "80"}, "http://192.0.2.7:80"),
        ({"visionline/url": "https://site.example"}, "https://site.example"),
    ],
)
def test_a_gateway_is_reached_where_its_owner_says_or_else_at_its_listener(
    cluster: Cluster, notes: dict[str, str], url: str
) -> None:
    put(cluster, notes)
    assert gateway_url(Kinds(connect(None)), STAGE) == url


@pytest.mark.parametrize("right", ["httproutes.gateway.networking.k8s.io", "gateways.gateway.networking.k8s.io"])
def test_who_may_not_look_at_the_gateway_knows_of_no_address(cluster: Cluster, right: str) -> None:
    put(cluster, {})
    cluster.forbid("get", right)
    assert gateway_url(Kinds(connect(None)), STAGE) is None


def put(cluster: Cluster, notes: dict[str, str]) -> None:
    """Let the cluster have a stage's route, and a Gateway with notes of its owner's."""
    cluster.gateway.is_deaf = True
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "HTTPRoute": (STAGE.model, {"parentRefs": [{"name": "visionline"}]}),
        "Gateway": ("visionline", {"listeners": [{"name": "http", "port": 8000, "protocol": "HTTP"}]}),
    }
    space = namespace_of(STAGE)
    for kind, (name, spec) in made.items():
        body = {"metadata": {"name": name, "annotations": notes}, "spec": spec}
        cluster.store.create(kind_of(kind), space, body, "site")
    cluster.store.set_status(kind_of("Gateway"), space, "visionline", {"addresses": [{"value": "192.0.2.7"}]})
