"""The ways to a cluster: a kubeconfig's contexts, Arc's proxy on this machine, and from within a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from azurefake.certificates import Authority
from cluster_stages import cluster_stage
from kubefake.cluster import TOKEN, Cluster, new_cluster, write_kubeconfig
from kubefake.runtimes import Runtimes
from kubernetes.config import incluster_config

from mlops.adapters.kubernetes.cluster import connect
from mlops.adapters.kubernetes.target import open_target
from mlops.errors import ConfigError

DEAD = "http://127.0.0.1:9"


def test_the_context_that_the_stage_names_is_taken(
    cluster: Cluster, runtimes: Runtimes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_cluster(runtimes).running() as other:
        path = write_kubeconfig(tmp_path / "two", {"first": cluster, "second": other})
        monkeypatch.setenv("KUBECONFIG", str(path))
        open_target(cluster_stage()).status()
        open_target(cluster_stage(context="second")).status()
        assert cluster.calls and other.calls
        assert (connect(None).server, connect("second").server) == (cluster.url, other.url)


def test_a_proxy_of_arc_on_this_machine_is_reached_past_the_proxy_of_the_environment(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, DEAD)
    assert open_target(cluster_stage()).status().traffic == {}
    assert cluster.calls[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_within_a_cluster_its_own_account_is_used(
    azure_authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("token-of-the-pod")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(azure_authority.bundle))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    made = connect(None)
    headers: dict[str, str] = {}
    made.api.update_params_for_auth(headers, [], ["BearerToken"])
    assert (made.server, headers) == ("https://10.0.0.1:443", {"authorization": "bearer token-of-the-pod"})


@pytest.mark.parametrize("content", [None, "", "{}", "contexts: 7", "a: [", "apiVersion: v1\ncurrent-context: gone\n"])
def test_a_kubeconfig_that_leads_nowhere_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(ConfigError, match="leads to no cluster") as caught:
        connect(None)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
