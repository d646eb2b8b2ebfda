"""What a cluster said of itself, as lines: which version it is, which APIs it has, what this user may do there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mlops.config import Stage
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning

IMAGE_VOLUMES = (1, 35)  # before, only where the feature gate ImageVolume is switched on
GATEWAY, KEDA = "gateway.networking.k8s.io", "keda.sh"
MONITORING = "monitoring.coreos.com"
METRICS = "custom.metrics.k8s.io"


def kubectl_line(path: str | None) -> CheckLine:
    """Return whether kubectl, which renders the manifests, is on the PATH."""
    if path is None:
        return failure("kubectl", "is not on the PATH: install it (https://kubernetes.io/docs/tasks/tools)")
    return ok("kubectl", path)


def version_line(server: str, said: Mapping[str, Any]) -> CheckLine:
    """Return which version a cluster has, and whether it mounts images."""
    text = f"{server} is Kubernetes {said.get('gitVersion')}"
    numbers = [re.match(r"\d+", str(said.get(key))) for key in ("major", "minor")]
    found = tuple(int(number[0]) for number in numbers if number)
    if len(found) == 2 and found < IMAGE_VOLUMES:
        without = "mounts no images unless ImageVolume is switched on: use the component model-by-init-container"
        return warning("cluster", f"{text}, which {without}")
    return ok("cluster", text)


def api_lines(stage: Stage, groups: Collection[str]) -> Iterator[CheckLine]:
    """Yield for each API that the stage needs beyond Kubernetes' own whether it is there."""
    kubernetes = stage.kubernetes
    if kubernetes.traffic == "gateway":
        yield _api("gateway API", GATEWAY, groups, "install it with a controller, or set kubernetes.traffic: replicas")
    if kubernetes.autoscaling == "keda":
        yield _api("KEDA", KEDA, groups, "install it, or set kubernetes.autoscaling: hpa or none")
    if kubernetes.autoscaling == "hpa":
        yield _api("metrics API", METRICS, groups, "install prometheus-adapter, or set kubernetes.autoscaling: none")


def monitoring_lines(parts: Collection[str], groups: Collection[str]) -> Iterator[CheckLine]:
    """Yield whether the cluster has Prometheus Operator's kinds, where a part of the overlay is of them."""
    if any("/components/monitoring/" in part for part in parts):
        advice = "install Prometheus Operator, or leave components/monitoring out of the overlay"
        yield _api("monitoring", MONITORING, groups, advice)


def rights_line(namespace: str, missing: Sequence[str], asked: int) -> CheckLine:
    """Return whether this user may do all that a release does; `missing` as `patch deployments.apps`."""
    if missing:
        return failure(
            "rights", f"in namespace {namespace} this user may not {', '.join(missing)}: bind a role that may"
        )
    return ok("rights", f"all {asked} that a release needs in namespace {namespace}")


def _api(check: str, group: str, groups: Collection[str], advice: str) -> CheckLine:
    return ok(check, f"{group} is there") if group in groups else failure(check, f"{group} is not there: {advice}")
