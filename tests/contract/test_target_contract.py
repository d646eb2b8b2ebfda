"""What every deployment target does, whatever stands behind it. Another adapter joins by a line in TARGETS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from azurefake.stages import azure_stage
from azurefake.state import Azure
from cluster_stages import cluster_stage, images_of_digest, packaged
from flux_stages import flux_place
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package

from mlops.adapters.azureml.online import open_target as open_online
from mlops.adapters.azureml.registry import open_registry
from mlops.adapters.flux.target import open_target as open_flux
from mlops.adapters.kubernetes.target import open_target as open_kubernetes
from mlops.adapters.local.stop import stop_endpoints
from mlops.adapters.local.target import open_target as open_local
from mlops.client import JsonClient
from mlops.config import Stage, load_stage
from mlops.errors import BusyError, DeployError, TargetError
from mlops.ports import Deployment, DeployTarget
from mlops.probe import predict, read_golden
from mlops.verification import judge_digest, judge_golden
from modelpackage import package_digest


@dataclass(frozen=True)
class Place:
    """One stage of a platform: how to open its target, and the path and headers of its live traffic."""

    stage: Stage
    open: Callable[[Stage], DeployTarget]
    live_path: str
    live_headers: Callable[[DeployTarget], dict[str, str]]

    @property
    def target(self) -> DeployTarget:
        """Return the stage's target as a new process would open it."""
        return self.open(self.stage)


@contextmanager
def local(packages: dict[int, Path], request: pytest.FixtureRequest) -> Iterator[Place]:
    stage = load_stage("production")
    yield Place(stage, open_local, f"/v2/models/{MODEL}/infer", lambda target: {})
    stop_endpoints(stage.home)


@contextmanager
def azure_online(packages: dict[int, Path], request: pytest.FixtureRequest) -> Iterator[Place]:
    azure: Azure = request.getfixturevalue("azure")
    stage = azure_stage("production", target="azureml-online")
    for package in packages.values():
        open_registry(stage).register(MODEL, package, {})
    yield Place(stage, open_online, "/score", live_headers)
    assert azure.unknown == []


@contextmanager
def kubernetes(packages: dict[int, Path], request: pytest.FixtureRequest) -> Iterator[Place]:
    cluster: Cluster = request.getfixturevalue("cluster")
    for package in packages.values():
        packaged(cluster, package)
    yield Place(cluster_stage(), open_kubernetes, f"/v2/models/{MODEL}/infer", lambda target: {})


@contextmanager
def flux(packages: dict[int, Path], request: pytest.FixtureRequest) -> Iterator[Place]:
    cluster: Cluster = request.getfixturevalue("cluster")
    for package in packages.values():
        packaged(cluster, package)
    with flux_place(cluster, request) as stage:
        yield Place(stage, open_flux, f"/v2/models/{MODEL}/infer", lambda target: {})


def live_headers(target: DeployTarget) -> dict[str, str]:
    one = next(iter(target.status().deployments.values()))
    return {name: value for name, value in one.headers.items() if name == "Authorization"}


TARGETS = {"local": local, "azureml-online": azure_online, "flux": flux, "kubernetes": kubernetes}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("packages")
    return {number: make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)}


@pytest.fixture(params=sorted(TARGETS))
def place(request: pytest.FixtureRequest, packages: dict[int, Path], own_platform: Path) -> Iterator[Place]:
    with TARGETS[request.param](packages, request) as opened:
        yield opened


def deployment(packages: dict[int, Path], version: int) -> Deployment:
    package = packages[version]
    digest = package_digest(package)
    return Deployment(MODEL, version, digest, package, "int8", images_of_digest(digest))


def test_where_nothing_runs_nothing_is_served(place: Place) -> None:
    status = place.target.status()
    assert (status.url, status.traffic, status.deployments) == (None, {}, {})
    place.target.remove(1)


def test_a_deployment_gets_ready_without_traffic_and_answers_by_itself(place: Place, packages: dict[int, Path]) -> None:
    one = deployment(packages, 1)
    place.target.deploy(one)
    status = place.target.status()
    assert status.traffic == {} and list(status.deployments) == [1]
    seen = status.deployments[1]
    assert (seen.state, seen.reason) == ("ready", None)
    golden = read_golden(packages[1])
    assert judge_digest(seen, one.digest).outcome == "promote"
    assert judge_golden(golden, "int8", predict(seen, golden), 1e-5).outcome == "promote"


def test_each_call_may_be_repeated(place: Place, packages: dict[int, Path]) -> None:
    for _ in range(2):
        place.target.deploy(deployment(packages, 1))
    for _ in range(2):
        place.target.set_traffic({1: 100})
    before = place.target.status()
    place.target.deploy(deployment(packages, 1))
    assert place.target.status().traffic == before.traffic == {1: 100}
    place.target.deploy(deployment(packages, 2))
    place.target.set_traffic({2: 100})
    for _ in range(2):
        place.target.remove(1)
    assert (place.target.status().traffic, list(place.target.status().deployments)) == ({2: 100}, [2])


def test_traffic_is_split_by_percent_and_each_deployment_is_reached_past_the_split(
    place: Place, packages: dict[int, Path]
) -> None:
    for version in (1, 2):
        place.target.deploy(deployment(packages, version))
    place.target.set_traffic({1: 80, 2: 20})
    status = place.target.status()
    assert status.traffic == {1: 80, 2: 20} and status.url is not None
    body = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [9, 0, 0]}]}
    with JsonClient(status.url) as client:
        headers = live_headers(place.target) if place.live_path == "/score" else {}
        answers = [client.request("POST", place.live_path, body, headers) for _ in range(100)]
        shares = Counter(answer.body["model_version"] for answer in answers)
        assert shares.total() == 100 and shares["2"] in range(18, 23), "each worker splits its own"
        for version, one in status.deployments.items():
            assert client.request("POST", one.infer_path, body, one.headers).body["model_version"] == str(version)
    counts = {version: one.requests for version, one in place.target.status().deployments.items()}
    assert all(
        counts[version] - shares[str(version)] in (0, 2) for version in (1, 2)
    ), "Azure Monitor counts probes, too"


def test_a_version_that_does_not_load_is_named_and_taken_away_and_the_other_serves_on(
    place: Place, packages: dict[int, Path]
) -> None:
    place.target.deploy(deployment(packages, 1))
    place.target.set_traffic({1: 100})
    other = replace(deployment(packages, 2), digest=f"sha256:{'0' * 64}")
    with pytest.raises(DeployError, match="version 2.*sha256:000") as caught:
        place.target.deploy(other)
    assert "\n" not in str(caught.value)
    status = place.target.status()
    assert (status.traffic, list(status.deployments)) == ({1: 100}, [1])


def test_a_version_with_traffic_is_never_removed(place: Place, packages: dict[int, Path]) -> None:
    place.target.deploy(deployment(packages, 1))
    place.target.set_traffic({1: 100})
    with pytest.raises(TargetError, match="version 1 has traffic"):
        place.target.remove(1)
    assert place.target.status().traffic == {1: 100}


def test_one_release_at_a_time_holds_the_endpoint(place: Place) -> None:
    with place.target.lock():
        with pytest.raises(BusyError, match=r"process \d+") as caught:
            with place.target.lock():
                raise AssertionError("two hold it")
        assert "\n" not in str(caught.value)
    with place.target.lock():
        pass
