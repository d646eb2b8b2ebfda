"""The way to an AKS cluster that a stage names: through Azure, as who this process is there, without a kubeconfig."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from azurefake.clusters import SERVERS, add_cluster
from azurefake.state import Azure
from azurefake.tokens import claims_of, now
from cluster_stages import cluster_stage
from kubefake.cluster import Cluster

from mlops.adapters.kubernetes import aks
from mlops.adapters.kubernetes.aks import open_cluster
from mlops.adapters.kubernetes.target import open_target
from mlops.config import Stage
from mlops.errors import ConfigError, StepError

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/team"
ID = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/edge"


@pytest.fixture
def stage(azure: Azure, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a stage that names a cluster, on a machine where no kubeconfig leads to one."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    add_cluster(azure, ID, cluster.url)
    cluster.takes = is_of_servers
    return named("edge")


def named(name: str, **azureml: str) -> Stage:
    made = cluster_stage(aks=name)
    place = {"subscription": GROUP.split("/")[2], "resource_group": "team", **azureml}
    return replace(made, azureml=replace(made.azureml, **place))  # type: ignore[arg-type]


def is_of_servers(authorization: str) -> bool:
    """Tell whether an AKS cluster's API lets a token in."""
    claims = claims_of(authorization.removeprefix("Bearer "))
    return claims is not None and claims["aud"] == SERVERS and claims["exp"] > now()


def test_a_cluster_is_reached_by_its_name_as_who_the_process_is_to_azure(stage: Stage, cluster: Cluster) -> None:
    assert open_target(stage).status().traffic == {}
    assert cluster.calls and all(is_of_servers(call.headers["authorization"]) for call in cluster.calls)
    assert open_cluster(named("team/edge", resource_group="")).server == cluster.url


def test_a_token_is_asked_for_once_and_again_before_it_runs_out(
    stage: Stage, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, times = open_cluster(stage), []
    ask = type(aks.credential()).get_token

    def get_token(self: object, *scopes: str, **more: object) -> object:
        times.append(scopes)
        return ask(self, *scopes, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(aks.credential()), "get_token", get_token)
    for _ in range(3):
        made.request("GET", "/version")
    assert times == []
    later = aks.time.time() + 3600
    monkeypatch.setattr(aks.time, "time", lambda: later)
    made.request("GET", "/version")
    assert times == [(f"{SERVERS}/.default",)]


def test_a_cluster_without_entra_id_lets_in_by_what_azure_gives_for_it(
    azure: Azure, stage: Stage, cluster: Cluster
) -> None:
    add_cluster(azure, ID, cluster.url, {"token": "of-a-local-account"})
    cluster.takes = lambda authorization: authorization == "Bearer of-a-local-account"
    open_cluster(stage).request("GET", "/version")


@pytest.mark.parametrize(
    "name, azureml, says",
    [
        ("gone", {}, "404 .*managedClusters/gone"),
        ("edge", {"subscription": ""}, "kubernetes.aks needs azureml.subscription: fill it in"),
        ("edge", {"resource_group": ""}, "kubernetes.aks needs azureml.resource_group: fill it in"),
    ],
)
def test_a_cluster_that_is_not_there_or_half_named_is_told_in_a_line(
    stage: Stage, name: str, azureml: dict[str, str], says: str
) -> None:
    with pytest.raises(StepError, match=says) as caught:
        open_cluster(named(name, **azureml))
    assert "\n" not in str(caught.value)


def test_an_answer_without_a_kubeconfig_is_told_in_a_line(azure: Azure, stage: Stage) -> None:
    azure.put(ID, {"kubeconfig": "not: [a kubeconfig"})
    with pytest.raises(StepError, match="edge: Azure's answer holds no kubeconfig"):
        open_cluster(stage)


def test_where_azures_packages_are_absent_it_is_said_which_to_install(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aks, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install -r environments/ci/azureml.txt"):
        open_cluster(stage)
