"""What a cluster still has of a stage though it is not declared any more, and when a version may go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from mlops.adapters.kubernetes.kinds import Kinds, Object, is_owned
from mlops.adapters.kubernetes.live import STAGE_LABEL, Live
from mlops.adapters.kubernetes.pods import Pods
from mlops.config import Stage
from mlops.delivery import DECLARED_SUFFIX, LABEL_VERSION, namespace_of
from mlops.errors import TargetError

# Deployments are not among them: they go last, once drained.
PRUNED = (
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "StatefulSet"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
)
LOOK_SECONDS = 0.1
LONGEST_DRAIN_SECONDS = 30.0


def expect_alone(kinds: Kinds, stage: Stage) -> None:
    """Raise TargetError where the stage's namespace is another model's, or another stage's.

    What versions share has one name there, and what the stage does not declare is taken for its leftovers.
    """
    path = kinds.place("v1", "ConfigMap").path(namespace_of(stage))
    for one in kinds.cluster.request("GET", path, query={"labelSelector": STAGE_LABEL})["items"]:
        name, owner = one["metadata"]["name"], one["metadata"]["labels"][STAGE_LABEL]
        if name.endswith(DECLARED_SUFFIX) and (name, owner) != (f"{stage.model}{DECLARED_SUFFIX}", stage.name):
            other = f"namespace {namespace_of(stage)} is that of {name.removesuffix(DECLARED_SUFFIX)} in stage {owner}"
            advice = f"name another as kubernetes.namespace, or delete ConfigMap {name} if nothing else of that runs"
            raise TargetError(f"{stage.name}: {other}: {advice}")


def leftovers(kinds: Kinds, stage: Stage, kept: Iterable[Object], live: Live) -> Iterator[Object]:
    """Yield the stage's objects that are not among those kept. None of a version that has traffic is.

    What a controller made for one of them bears its labels, and is the controller's to take away.
    """
    names = {(one["kind"], one["metadata"]["name"]) for one in kept}
    for api_version, kind in PRUNED:
        place = kinds.find(api_version, kind)
        if place is None:
            continue
        query = {"labelSelector": f"{STAGE_LABEL}={stage.name}"}
        for one in kinds.cluster.request("GET", place.path(namespace_of(stage)), query=query)["items"]:
            version = (one["metadata"].get("labels") or {}).get(LABEL_VERSION, "")
            has_traffic = version.isdecimal() and int(version) in live.traffic
            if (kind, one["metadata"]["name"]) not in names and not has_traffic and not is_owned(one):
                yield {"apiVersion": api_version, "kind": kind, **one}


def drained(pods: Pods, versions: Iterable[int], seconds: float) -> None:
    """Return when no pod of the versions has a request in flight, and none came between two looks; or after a while.

    What a gateway still sends then is answered, too: each pod drains by itself when it is told to end.
    """
    deadline = time.monotonic() + min(seconds, LONGEST_DRAIN_SECONDS)
    for version in versions:
        before = None
        while time.monotonic() < deadline:
            now = [(one["requests"], one["in_flight"]) for one in pods.reports(version)]
            if now == before and not any(in_flight for _, in_flight in now):
                break
            before = now
            time.sleep(LOOK_SECONDS)
