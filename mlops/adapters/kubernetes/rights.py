"""What a release must be allowed to do in its namespace, and whether this user is.

Source: kubernetes.io, "Checking API Access" (SelfSubjectAccessReview); "Server-Side Apply" (create and patch).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mlops.adapters.kubernetes.cluster import Cluster
from mlops.config import Stage
from mlops.delivery import WORKERS_FILE, manifests
from mlops.errors import TargetError

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
APPLIED = ("get", "list", "create", "patch", "delete")
KEPT = ("create", "patch")
LEFT = ("list", "delete")  # of what may be left of a version, whether the stage still has its kind or not
SCALERS = (("autoscaling", "horizontalpodautoscalers"), ("keda.sh", "scaledobjects"))
RULES = ("monitoring.coreos.com", "prometheusrules")
WORKERS = ("apps", "statefulsets")
PARTS = {  # of infra/kubernetes, where the stage's overlay takes them; a folder, or a file
    "kubernetes/components/monitoring/monitor.yaml": ("monitoring.coreos.com", "servicemonitors"),
    "kubernetes/components/monitoring/rules.yaml": RULES,
    "kubernetes/waking/": RULES,
    WORKERS_FILE: WORKERS,
    "kubernetes/overlays/gpu/stage/engines.yaml": ("", "persistentvolumeclaims"),
}
PRUNED = (
    *(("gateway.networking.k8s.io", "httproutes"), ("gateway.networking.k8s.io", "gateways"), *SCALERS),
    *(("monitoring.coreos.com", "servicemonitors"), RULES, WORKERS),
    ("networking.k8s.io", "networkpolicies"),
)


class Lacking(TargetError):
    """A right that is needed and not there, as the cluster says."""


@dataclass(frozen=True)
class Right:
    """One verb on one resource of an API group ("" is the core's), or on its part."""

    verb: str
    group: str
    resource: str
    part: str = ""

    def __str__(self) -> str:
        """Return it as messages of the API do: patch deployments.apps."""
        group = f".{self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group}{f'/{self.part}' if self.part else ''}"


# What a version is judged by once it is ready: its answers, and what its pods have counted.
JUDGING = (Right("get", "", "pods", "proxy"), Right("create", "", "services", "proxy"))


def needed(stage: Stage, groups: Collection[str]) -> Iterator[Right]:
    """Yield all rights that a release of the stage needs on a cluster that has these groups of APIs."""
    yield from (Right(verb, "", "namespaces") for verb in ("get", *KEPT))
    yield from (Right(verb, "coordination.k8s.io", "leases") for verb in ("get", "create", "update"))
    for group, resource in _kinds(stage):
        yield from (Right(verb, group, resource) for verb in APPLIED)
    for group, resource in PRUNED:
        if group in groups and (group, resource) not in _kinds(stage):
            yield from (Right(verb, group, resource) for verb in LEFT)
    yield from (Right(verb, "", "serviceaccounts") for verb in KEPT)
    yield from (Right(verb, "networking.k8s.io", "networkpolicies") for verb in KEPT)
    yield Right("watch", "apps", "deployments")
    if WORKERS in _kinds(stage):
        yield Right("watch", *WORKERS)
    if stage.kubernetes.traffic == "gateway":
        yield Right("watch", "gateway.networking.k8s.io", "httproutes")
    yield Right("list", "", "pods")
    yield Right("get", "", "pods", "log")
    yield from JUDGING


def is_allowed(cluster: Cluster, namespace: str, right: Right) -> bool:
    """Tell whether this user has a right. Raises TargetError where the cluster can't be asked."""
    asked = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": right.resource}
    if right.part:
        asked["subresource"] = right.part
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    return bool(cluster.request("POST", REVIEWS, body)["status"].get("allowed"))


def expect(cluster: Cluster, namespace: str, rights: Iterable[Right]) -> None:
    """Raise Lacking where this user has not a right whose lack would show only when a version runs already.

    Raises TargetError where the cluster can't be asked.
    """
    for right in rights:
        if not is_allowed(cluster, namespace, right):
            advice = "bind a role that may: `python -m mlops preflight` names all rights"
            raise Lacking(f"this user may not {right} in namespace {namespace}: {advice}")


def _kinds(stage: Stage) -> list[tuple[str, str]]:
    found = [("apps", "deployments"), ("", "services"), ("", "configmaps"), ("policy", "poddisruptionbudgets")]
    if stage.kubernetes.traffic == "gateway":
        found += [("gateway.networking.k8s.io", "httproutes"), ("gateway.networking.k8s.io", "gateways")]
    found += [one for one, name in zip(SCALERS, ("hpa", "keda"), strict=True) if name == stage.kubernetes.autoscaling]
    parts = [kind for path in manifests(stage) for part, kind in PARTS.items() if path.startswith(part)]
    return [*found, *dict.fromkeys(parts)]
