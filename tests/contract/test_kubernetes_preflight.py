"""What `preflight` says of a cluster: reachable, which version, which APIs and rights it lacks; nothing is changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cluster_stages import cluster_stage
from kubefake.cluster import Cluster, write_kubeconfig

from mlops.adapters.kubernetes import preflight as looking
from mlops.adapters.kubernetes.rights import PARTS
from mlops.context import Context
from mlops.delivery import MANIFESTS
from mlops.ports import CheckLine
from mlops.preflight import retired
from mlops.preflight.cluster import version_line
from mlops.preflight.retired import End, cluster_lines
from mlops.steps.preflight import lines

ALL = ("kubernetes", "kubectl", "cluster", "gateway API", "namespace", "rights")


def seen(tmp_path: Path, **changes: Any) -> dict[str, CheckLine]:
    """Return the lines of a stage on a cluster, by check."""
    found = {line.check: line for line in lines(Context(cluster_stage(**changes), tmp_path))}
    assert not any("\n" in line.text for line in found.values())
    return found


def test_a_cluster_that_has_all_is_ok_and_nothing_is_changed(cluster: Cluster, tmp_path: Path) -> None:
    found = seen(tmp_path)
    assert {check: found[check].state for check in ALL} == dict.fromkeys(ALL, "ok")
    assert f"{cluster.url} is Kubernetes v1.35.2-fake" in found["cluster"].text
    assert cluster.store.objects == {}


def test_rights_that_are_missing_are_named_each(cluster: Cluster, tmp_path: Path) -> None:
    cluster.forbid("patch", "deployments.apps")
    cluster.forbid("create", "services/proxy")
    line = seen(tmp_path)["rights"]
    assert line.state == "failure"
    assert "may not patch deployments.apps, create services/proxy: bind a role" in line.text


def test_rights_are_those_of_what_the_overlay_brings(cluster: Cluster, tmp_path: Path) -> None:
    cluster.forbid("patch", "statefulsets.apps")
    assert seen(tmp_path)["rights"].state == "ok"
    assert "may not patch statefulsets.apps" in seen(tmp_path, overlay="edge-cameras")["rights"].text
    cluster.forbid("list", "horizontalpodautoscalers.autoscaling")
    assert "list horizontalpodautoscalers" in seen(tmp_path)["rights"].text, "what an older release left is looked for"
    assert all((MANIFESTS / path.removeprefix("kubernetes/")).exists() for path in PARTS)
    cluster.forbid("create", "prometheusrules.monitoring.coreos.com")
    scaled = seen(tmp_path, overlay="edge", autoscaling="keda")["rights"].text
    assert "create prometheusrules" in scaled, "what wakes a site is a rule"


@pytest.mark.parametrize(
    "changes, check, absent",
    [
        ({}, "gateway API", "gateway.networking.k8s.io"),
        ({"autoscaling": "keda"}, "KEDA", "keda.sh"),
        ({"autoscaling": "hpa"}, "metrics API", "custom.metrics.k8s.io"),
        ({"overlay": "production"}, "monitoring", "monitoring.coreos.com"),
    ],
)
def test_an_api_that_the_stage_needs_and_the_cluster_lacks_is_a_failure(
    cluster: Cluster, tmp_path: Path, changes: dict[str, str], check: str, absent: str
) -> None:
    cluster.absent.discard(absent)
    assert seen(tmp_path, **changes)[check].state == "ok"
    cluster.absent.add(absent)
    line = seen(tmp_path, **changes)[check]
    assert line.state == "failure" and f"{absent} is not there" in line.text
    assert "kubernetes." in line.text or "overlay" in line.text


def test_without_a_gateway_no_gateway_is_needed(cluster: Cluster, tmp_path: Path) -> None:
    assert "gateway API" not in seen(tmp_path, traffic="replicas")


def test_a_cluster_that_takes_no_login_or_is_away_is_a_failure(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "other", {"fake": cluster}, token="expired")))
    line = seen(tmp_path)["cluster"]
    assert line.state == "failure" and "log in again" in line.text and "expired" not in line.text
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "away", {"fake": _away(cluster)})))
    line = seen(tmp_path)["cluster"]
    assert line.state == "failure" and "does not answer" in line.text


def test_without_kubectl_nothing_can_be_rendered(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert seen(tmp_path)["kubectl"].state == "failure"


def test_a_cluster_that_mounts_no_images_is_a_warning() -> None:
    assert version_line("there", {"major": "1", "minor": "31+", "gitVersion": "v1.31.4"}).state == "warning"
    assert version_line("there", {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}).state == "warning"
    assert version_line("there", {"major": "1", "minor": "35", "gitVersion": "v1.35.0"}).state == "ok"


@pytest.mark.parametrize(
    "version, today, told",
    [
        ("v1.34.9", date(2026, 11, 21), "Kubernetes 1.34 ended on 2026-10-27"),
        ("v1.9.0", date(2026, 11, 21), "Kubernetes up to 1.28 ended"),
        ("v1.35.2+k3s1", date(2026, 11, 21), "Kubernetes 1.35 ends on 2027-02-28"),
        ("v1.35.2", date(2026, 6, 1), ""),
        ("v1.136.0", date(2030, 1, 1), ""),
    ],
)
def test_a_cluster_whose_version_ends_is_warned_of(version: str, today: date, told: str) -> None:
    found = list(cluster_lines(version, today))
    assert [line.state for line in found] == ["warning"] * bool(told) and all(told in line.text for line in found)


def test_a_clusters_own_version_is_the_one_that_is_looked_up(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [End("a fake", r"v1\.35\.2-fake", date(2020, 1, 1))]
    monkeypatch.setattr(retired, "ends", lambda kind: ended if kind == "kubernetes" else [])
    told = [line.text for line in lines(Context(cluster_stage(), tmp_path)) if line.check == "retirement"]
    assert any("cluster: a fake ended on 2020-01-01" in text for text in told)


def _away(cluster: Cluster) -> Cluster:
    from copy import copy

    other = copy(cluster)
    other.url = "http://127.0.0.1:9"
    return other
