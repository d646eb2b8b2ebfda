"""The forwarder takes what a client of a model asks, and leads nobody else to the cluster's API."""

from __future__ import annotations

from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from cluster_serving import Serving
from kubefake.cluster import Cluster
from kubefake.kubelet import kind_of
from model_packages import MODEL

from mlops.adapters.kubernetes.cluster import connect
from mlops.adapters.kubernetes.forward import Forwarder

PLANTED = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted"}}'
SPACE = "space"
UP = "../" * 8


def asked(url: str, method: str, path: str, body: bytes = b"") -> int:
    """Return the status that a path, sent as it is, is answered with."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def forwarder(cluster: Cluster) -> str:
    cluster.store.create(kind_of("ConfigMap"), SPACE, {"metadata": {"name": "of-somebody"}}, "somebody")
    return Forwarder(connect(None), SPACE, lambda version: MODEL, lambda version: None).url


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/{UP}api/v1/namespaces/{SPACE}/configmaps",
        f"/v2/models/{UP}api/v1/namespaces/{SPACE}/configmaps",
        f"/v2/models/{MODEL}/versions/1/infer/{UP}api/v1/namespaces/{SPACE}/configmaps",
        "/v2/../../../../configmaps",
        "/v2/models/../../../../../configmaps",
        "/v2/models/..",
        "/v2/models/./infer",
        "/v2/%2e%2e/%2E%2e/%2e%2e/%2e%2e/configmaps",
        "/v2/models/..%2f..%2f..%2fconfigmaps",
        "/v2/models/..\\..\\..\\configmaps",
        "/v2//health/ready",
        "/score/../../../../configmaps",
        "/score/..;/configmaps",
        "/scores",
        f"/v2/models/{MODEL}/infer#/../..",
        f"/v2/models/{MODEL}/infer?../..",
        "http://127.0.0.1/v2/health/ready",
        "/v2/repository/index",
    ],
)
def test_no_path_leads_past_what_a_model_is_asked_by(cluster: Cluster, forwarder: str, path: str) -> None:
    before = len(cluster.calls)
    assert [asked(forwarder, "GET", path), asked(forwarder, "POST", path, PLANTED)] == [404, 404]
    assert len(cluster.calls) == before, "nothing of it was sent on"
    assert "planted" not in cluster.names("ConfigMap")


@pytest.mark.parametrize("version", ["../x", "1/../..", "-1", "1 2"])
def test_no_version_names_another_service(cluster: Cluster, forwarder: str, version: str) -> None:
    connection = HTTPConnection(urlsplit(forwarder).netloc, timeout=30)
    connection.request("GET", "/v2/health/ready", headers={"x-model-version": version})
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}", f"/v2/models/{MODEL}/ready"]
    + [f"/v2/models/{MODEL}/versions/1/ready", f"/v2/models/{MODEL}/versions/1", f"/v2/models/{MODEL}/ready?a=b%20c"],
)
def test_what_a_client_asks_is_sent_on(serving: Serving, path: str) -> None:
    assert asked(str(serving.status().deployments[1].url), "GET", path) == 200


def test_an_image_is_scored_through_it(serving: Serving) -> None:
    url = str(serving.status().deployments[1].url)
    assert asked(url, "POST", f"/score?model={MODEL}", b"no image") == 415, "the runtime's own answer"
