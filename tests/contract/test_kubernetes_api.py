"""What the adapter asks of an API server, held to the fake one and, by `make test-cluster`, to a real one.

A real one is whatever KUBECONFIG leads to. Each test works in a namespace of its own, which it deletes; no pod has to
get ready, for the images are none. So nodes are not needed, nor the Gateway API, but the controllers are.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cluster_stages import cluster_stage, images_of_digest

from mlops.adapters.kubernetes.applying import apply
from mlops.adapters.kubernetes.cluster import Cluster, connect
from mlops.adapters.kubernetes.kinds import Kinds, Object
from mlops.adapters.kubernetes.live import look
from mlops.adapters.kubernetes.refusals import Refused
from mlops.adapters.kubernetes.target import KubernetesTarget, open_target
from mlops.adapters.kubernetes.waiting import Watched, until
from mlops.config import Stage
from mlops.delivery import namespace_of
from mlops.errors import BusyError, TargetError
from mlops.ports import Deployment
from mlops.preflight.line import failed

IS_WANTED = bool(os.environ.get("VISIONLINE_TEST_CLUSTER") and os.environ.get("KUBECONFIG"))
REAL = pytest.mark.skipif(not IS_WANTED, reason="no cluster: KUBECONFIG=... make test-cluster asks a real one")


@dataclass(frozen=True)
class Place:
    """A stage in a namespace of its own on a cluster."""

    stage: Stage
    cluster: Cluster

    @property
    def target(self) -> KubernetesTarget:
        """Return the stage's target as a new process would open it."""
        return open_target(self.stage)

    @property
    def above(self) -> str:
        """Return the path of the namespace."""
        return f"/api/v1/namespaces/{namespace_of(self.stage)}"

    def config_map(self, **data: str) -> Object:
        """Return a ConfigMap of the namespace."""
        metadata = {"name": "sample", "namespace": namespace_of(self.stage)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.fixture(params=["fake", pytest.param("real", marks=REAL)])
def place(request: pytest.FixtureRequest, kubectl: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    if request.param == "fake":
        request.getfixturevalue("cluster")
    monkeypatch.setenv("PATH", f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}")
    namespace = f"visionline-test-{uuid.uuid4().hex[:8]}"
    stage = cluster_stage(namespace=namespace, traffic="replicas", rollout_seconds=1.0)
    made = Place(stage, connect(None))
    yield made
    try:
        made.cluster.request("DELETE", made.above)
    except Refused as error:
        assert error.status == 404


def wanted(stage: Stage, version: int) -> Deployment:
    """Return a version whose images can't be pulled."""
    digest = f"sha256:{version:064x}"
    return Deployment(stage.model, version, digest, Path("nowhere"), "int8", images_of_digest(digest))


def test_the_cluster_passes_preflight(place: Place, tmp_path: Path) -> None:
    from mlops.adapters.kubernetes.preflight import open_preflight

    assert not failed(open_preflight(place.stage).lines())


def test_one_release_holds_the_lease_and_gives_it_back(place: Place) -> None:
    with place.target.lock():
        with pytest.raises(BusyError, match=r"process \d+ on "):
            with place.target.lock():
                raise AssertionError("two hold it")
    with place.target.lock():
        pass


def test_a_version_that_gets_no_pod_leaves_nothing_behind(place: Place) -> None:
    target = place.target
    with target.lock():
        with pytest.raises(TargetError, match="version 1 does not get ready"):
            target.deploy(wanted(place.stage, 1))
        status = target.status()
    assert (status.url, status.traffic, status.deployments) == (None, {}, {})
    maps = place.cluster.request("GET", f"{place.above}/configmaps")["items"]
    assert f"{place.stage.model}-v1" not in [one["metadata"]["name"] for one in maps]


def test_what_is_deployed_is_read_back_as_it_was_declared(place: Place) -> None:
    target = place.target
    with target.lock():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(target, "_undo", lambda before, error: None)
            with pytest.raises(TargetError):
                target.deploy(wanted(place.stage, 2))
        live = look(Kinds(place.cluster), place.stage)
        assert list(live.deployments) == [2] and live.is_as_declared(place.stage, 2)
        assert live.declared.versions[2].digest == f"sha256:{2:064x}"
        target.remove(2)
    assert look(Kinds(place.cluster), place.stage).deployments == {}


def test_what_kubectl_changed_is_ours_again_and_what_a_controller_changed_is_named(place: Place) -> None:
    kinds = Kinds(place.cluster)
    with place.target.lock():
        apply(kinds, place.config_map(a="1"))
    path = f"{place.above}/configmaps/sample"
    for manager in ("kubectl-edit", "some-controller"):
        found = place.cluster.request("GET", path)
        changed = {**found, "data": {"a": manager}}
        place.cluster.request("PUT", path, changed, {"fieldManager": manager})
        if manager == "kubectl-edit":
            assert apply(kinds, place.config_map(a="2"))["data"] == {"a": "2"}
    with pytest.raises(TargetError, match="ConfigMap sample: field .data.a is managed by some-controller"):
        apply(kinds, place.config_map(a="3"))
    assert place.cluster.request("GET", path)["data"] == {"a": "some-controller"}


def test_a_field_that_is_applied_no_more_goes(place: Place) -> None:
    kinds = Kinds(place.cluster)
    with place.target.lock():
        apply(kinds, place.config_map(a="1", b="2"))
        assert apply(kinds, place.config_map(b="2"))["data"] == {"b": "2"}


def test_a_watch_that_begins_too_long_ago_begins_anew(place: Place) -> None:
    with place.target.lock():
        apply(Kinds(place.cluster), place.config_map(a="1"))
    looks: list[int] = []

    def second(found: list[Object]) -> bool | None:
        looks.append(len(found))
        return True if len(looks) > 1 else None

    query = {"fieldSelector": "metadata.name=sample"}
    assert until(Watched(replace(place.cluster, patience=5.0), f"{place.above}/configmaps", query), second, 3.0)
    assert looks == [1, 1]


def test_a_kind_that_is_not_there_is_told_with_what_to_do(place: Place) -> None:
    with pytest.raises(TargetError, match=r"has no Nothing \(no.such.group/v1\): install what brings it"):
        Kinds(place.cluster).place("no.such.group/v1", "Nothing")
