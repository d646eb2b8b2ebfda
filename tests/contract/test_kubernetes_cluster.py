"""What a release does to a cluster, held to the fake one and, by `make test-cluster`, to a real one.

Each test works in a namespace of its own, which it deletes. Real or fake, the same variables say what there is to pull
(tests/cluster_sites.py): the fake's tests set them, and so the way to a real cluster is walked in each run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_sites import Site, site_of, told_of
from cluster_stages import packaged, register
from kubefake.cluster import Cluster
from model_packages import make_package
from running_endpoint import wait_for

from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.live import Live, look
from mlops.context import Context
from mlops.delivery import ANNOTATION_TRAFFIC, version_name
from mlops.errors import DeployError, TargetError
from mlops.names import APPROVED
from mlops.ports import Deployment
from mlops.probe import predict, read_golden
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback
from mlops.verification import judge_digest, judge_golden

IS_WANTED = bool(os.environ.get("VISIONLINE_TEST_CLUSTER") and os.environ.get("KUBECONFIG"))
REAL = pytest.mark.skipif(not IS_WANTED, reason="no cluster: KUBECONFIG=... make test-cluster asks a real one")
NOTHING = f"registry.invalid/nothing@sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("packages")
    return {number: make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)}


@pytest.fixture(params=["replicas", "gateway", pytest.param("real", marks=REAL)])
def site(request: pytest.FixtureRequest, kubectl: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("PATH", f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}")
    if request.param != "real":
        cluster: Cluster = request.getfixturevalue("cluster")
        made = request.getfixturevalue("packages")
        for package in made.values():
            packaged(cluster, package)
        for name, value in told_of(made, request.param).items():
            monkeypatch.setenv(name, value)
    with site_of(os.environ) as opened:
        yield opened


@pytest.fixture
def serving(site: Site) -> Iterator[Site]:
    """Return a site whose version 1 has all the traffic, held by one release until the test ends."""
    target = site.target
    with target.lock():
        target.deploy(site.version(1))
        target.set_traffic({1: 100})
        yield site


def expect(site: Site, traffic: dict[int, int], versions: list[int]) -> None:
    """Hold a site to these versions, all of them ready, and this traffic."""
    status = site.target.status()
    assert (status.traffic, list(status.deployments)) == (traffic, versions)
    assert {one.state for one in status.deployments.values()} == {"ready"}


def seen(site: Site) -> Live:
    return look(Kinds(site.cluster), site.stage)


def test_a_version_gets_ready_without_traffic_and_answers_by_its_own_digest(site: Site) -> None:
    target = site.target
    with target.lock():
        target.deploy(site.version(1))
        status = target.status()
        assert (status.traffic, status.deployments[1].state) == ({}, "ready")
        golden = read_golden(site.packages[1])
        assert judge_digest(status.deployments[1], site.version(1).digest).outcome == "promote"
        assert judge_golden(golden, "int8", predict(status.deployments[1], golden), 0.02).outcome == "promote"


def test_a_canary_has_its_share_before_it_has_all_and_the_last_version_goes(serving: Site) -> None:
    target = serving.target
    target.deploy(serving.version(2))
    target.set_traffic({1: 50, 2: 50})
    expect(serving, {1: 50, 2: 50}, [1, 2])
    for number in (1, 2):
        golden, one = read_golden(serving.packages[number]), serving.target.status().deployments[number]
        assert judge_golden(golden, "int8", predict(one, golden), 0.02).outcome == "promote", "past the split"
    if serving.stage.kubernetes.traffic == "replicas":
        assert [serving.deployment(number)["spec"]["replicas"] for number in (1, 2)] == [1, 1]
    target.set_traffic({2: 100})
    target.remove(1)
    expect(serving, {2: 100}, [2])
    name = version_name(serving.stage.model, 1)
    for api_version, kind in (("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "ConfigMap")):
        assert name not in serving.names(api_version, kind)
    assert name not in serving.names("policy/v1", "PodDisruptionBudget")


def spoiled(version: Deployment, what: str) -> Deployment:
    """Return a version whose package is not the declared one, or whose images are none."""
    if what == "digest":
        return replace(version, digest=f"sha256:{'0' * 64}")
    return replace(version, images={**version.images, "runtime": NOTHING, "model": NOTHING})


@pytest.mark.parametrize("what, error, says", [("digest", DeployError, "sha256:000"), ("image", TargetError, "")])
def test_a_version_that_fails_leaves_nothing_behind_and_the_other_serves_on(
    serving: Site, what: str, error: type[Exception], says: str
) -> None:
    before = {kind: serving.names("v1", kind) for kind in ("Service", "ConfigMap")}
    target = serving.hurried().target if what == "image" else serving.target
    with pytest.raises(error, match=f"version 2 does not get ready.*{says}"):
        target.deploy(spoiled(serving.version(2), what))
    expect(serving, {1: 100}, [1])
    assert before == {kind: serving.names("v1", kind) for kind in before}


def test_what_was_changed_by_hand_is_seen_and_put_back(serving: Site) -> None:
    name = version_name(serving.stage.model, 1)
    wanted = serving.deployment(1)["spec"]["replicas"]
    edit = lambda one: one["spec"].update(replicas=wanted + 1)  # noqa: E731
    serving.change("apps/v1", "Deployment", name, edit, "kubectl-edit")
    assert not seen(serving).is_as_declared(serving.stage, 1)
    assert list(serving.target.status().deployments) == []
    serving.target.deploy(serving.version(1))
    expect(serving, {1: 100}, [1])
    assert serving.deployment(1)["spec"]["replicas"] == wanted


def test_a_version_that_somebody_deleted_is_known_and_comes_again(serving: Site) -> None:
    path = serving.path("apps/v1", "Deployment", version_name(serving.stage.model, 1))
    serving.cluster.request("DELETE", path)
    wait_for(lambda: serving.cluster.find(path) is None)
    assert 1 in seen(serving).declared.versions
    serving.target.deploy(serving.version(1))
    serving.target.set_traffic({1: 100})
    expect(serving, {1: 100}, [1])


def test_a_field_that_another_controller_took_is_named_and_left_alone(serving: Site) -> None:
    model = serving.stage.model
    edit = lambda one: one["metadata"]["annotations"].update({ANNOTATION_TRAFFIC: '{"1":100}'})  # noqa: E731
    serving.change("v1", "Service", model, edit, "some-controller")
    with pytest.raises(
        TargetError, match=f"Service {model}: field .* is managed by some-controller: let one of the two"
    ):
        serving.target.set_traffic({1: 100})
    service = serving.cluster.request("GET", serving.path("v1", "Service", model))
    assert service["metadata"]["annotations"][ANNOTATION_TRAFFIC] == '{"1":100}'
    assert seen(serving).traffic == {1: 100}


def test_a_release_serves_and_a_rollback_takes_it_away(site: Site, own_platform: Path, tmp_path: Path) -> None:
    context = Context(site.stage, tmp_path / "run", lambda line: None)
    register(site.stage, [site.packages[1], site.packages[2]], site.images)
    for number in (1, 2):
        context.registry.set_tag(site.stage.model, number, site.stage.name, APPROVED)
        assert deploy(context).outcome == "served"
        expect(site, {number: 100}, [number])
    assert deploy(context).outcome == "unchanged"
    record = rollback(context, "a test")
    assert (record.revoked, record.served) == (2, 1)
    expect(site, {1: 100}, [1])


def test_without_images_it_is_skipped_and_says_what_to_set() -> None:
    with pytest.raises(pytest.skip.Exception, match="set VISIONLINE_TEST_RUNTIME, VISIONLINE_TEST_MODEL_1"):
        with site_of({}):
            raise AssertionError("there is nothing to pull")
