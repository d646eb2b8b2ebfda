"""Where objects of a kind stand in a cluster's API, as the cluster itself says; in which order kinds are applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mlops.adapters.kubernetes.cluster import Cluster
from mlops.errors import TargetError

Object = dict[str, Any]
# What others need comes first; what sends requests to them comes last.
ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "Secret",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Job",
    "PodDisruptionBudget",
    "Deployment",
    "StatefulSet",
    "Service",
    "HorizontalPodAutoscaler",
    "TriggerAuthentication",
    "ScaledObject",
    "ServiceMonitor",
    "HTTPRoute",
)
# Group of an API that is no part of Kubernetes itself -> what to do where a cluster has it not.
MISSING = {
    "gateway.networking.k8s.io": "set kubernetes.traffic: replicas, or install the Gateway API",
    "keda.sh": "set kubernetes.autoscaling: hpa or none, or install KEDA",
    "monitoring.coreos.com": "leave its component out of the overlay, or install Prometheus Operator",
}
OTHERWISE = "install what brings it, or leave it out of infra/kubernetes"


@dataclass(frozen=True)
class Resource:
    """One kind's place: /apis/apps/v1, deployments."""

    base: str
    plural: str
    is_namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of an object, or of all objects of the namespace."""
        place = f"/namespaces/{namespace}" if self.is_namespaced else ""
        return f"{self.base}{place}/{self.plural}{f'/{name}' if name else ''}"


@dataclass(frozen=True)
class Kinds:
    """The kinds of one cluster; each API version is asked for once."""

    cluster: Cluster
    _known: dict[str, dict[str, Resource]] = field(default_factory=dict, compare=False, repr=False)

    def find(self, api_version: str, kind: str) -> Resource | None:
        """Return a kind's place, None where the cluster has it not."""
        if api_version not in self._known:
            base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            listed = self.cluster.find(base) or {"resources": []}
            found = [one for one in listed["resources"] if "/" not in one["name"]]
            places = {one["kind"]: Resource(base, one["name"], bool(one["namespaced"])) for one in found}
            if not places:
                return None  # and not kept: whoever installs it meanwhile is believed
            self._known[api_version] = places
        return self._known[api_version].get(kind)

    def place(self, api_version: str, kind: str) -> Resource:
        """Return a kind's place. Raises TargetError, saying what to do, where the cluster has it not."""
        found = self.find(api_version, kind)
        if found is None:
            advice = MISSING.get(api_version.partition("/")[0], OTHERWISE)
            raise TargetError(f"{self.cluster.server} has no {kind} ({api_version}): {advice}")
        return found

    def path(self, one: Object) -> str:
        """Return the path of an object. Raises TargetError as `place` does."""
        metadata = one["metadata"]
        return self.place(one["apiVersion"], one["kind"]).path(metadata.get("namespace", ""), metadata["name"])


def is_owned(one: Object) -> bool:
    """Tell whether a controller made an object for another one, with whose labels, and takes it away with that.

    So are a gateway's Service and autoscaler of its Gateway, and KEDA's autoscaler of its ScaledObject.
    Source: kubernetes.io, "Owners and Dependents"; istio.io, "Kubernetes Gateway API" (Automated Deployment).
    """
    return bool(one["metadata"].get("ownerReferences"))


def in_order(objects: Iterable[Object]) -> list[Object]:
    """Return objects in the order in which they are applied."""
    return sorted(objects, key=lambda one: ORDER.index(one["kind"]) if one["kind"] in ORDER else len(ORDER))
