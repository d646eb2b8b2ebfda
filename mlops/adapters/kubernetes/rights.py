"""What a release must be allowed to do in its namespace, and whether this user is.

Source: kubernetes.io, "Checking API Access" (SelfSubjectAccessReview); "Server-Side Apply" (create and patch).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlops.adapters.kubernetes.cluster import Cluster
from mlops.config import Stage
from mlops.errors import TargetError

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
APPLIED = ("get", "list", "create", "patch", "delete")
KEPT = ("create", "patch")


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


PROBING = Right("create", "", "services", "proxy")


def needed(stage: Stage) -> Iterator[Right]:
    """Yield all rights that a release of the stage needs."""
    yield from (Right(verb, "", "namespaces") for verb in ("get", *KEPT))
    yield from (Right(verb, "coordination.k8s.io", "leases") for verb in ("get", "create", "update"))
    for group, resource in _kinds(stage):
        yield from (Right(verb, group, resource) for verb in APPLIED)
    yield from (Right(verb, "", "serviceaccounts") for verb in KEPT)
    yield from (Right(verb, "networking.k8s.io", "networkpolicies") for verb in KEPT)
    yield Right("watch", "apps", "deployments")
    yield Right("list", "", "pods")
    yield Right("get", "", "pods", "log")
    yield Right("get", "", "pods", "proxy")
    yield PROBING


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


def expect(cluster: Cluster, namespace: str, right: Right) -> None:
    """Raise TargetError where this user lacks a right whose lack would look like a version's fault."""
    if not is_allowed(cluster, namespace, right):
        advice = "bind a role that may: `python -m mlops preflight` names all rights"
        raise TargetError(f"this user may not {right} in namespace {namespace}: {advice}")


def _kinds(stage: Stage) -> Iterator[tuple[str, str]]:
    yield from (("apps", "deployments"), ("", "services"), ("", "configmaps"), ("policy", "poddisruptionbudgets"))
    if stage.kubernetes.traffic == "gateway":
        yield from (("gateway.networking.k8s.io", "httproutes"), ("gateway.networking.k8s.io", "gateways"))
    if stage.kubernetes.autoscaling == "hpa":
        yield "autoscaling", "horizontalpodautoscalers"
    if stage.kubernetes.autoscaling == "keda":
        yield "keda.sh", "scaledobjects"
