"""How requests find a version: the stage's Service, its HTTPRoute, and replicas where they make the shares. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlops.config import Stage
from mlops.delivery.declared import (
    ANNOTATION_TRAFFIC,
    LABEL_NAME,
    LABEL_TRAFFIC,
    LABEL_VERSION,
    PORT,
    Declared,
    Object,
    version_name,
)

VERSION_HEADER = "x-model-version"
GATEWAY = "visionline"


def replicas(stage: Stage, declared: Declared) -> dict[int, int]:
    """Return each version's replicas, where nothing scales it.

    With `traffic: replicas` the versions that have traffic share the stage's replicas by largest remainder, and each
    has one at least: of N replicas, shares are multiples of 1/N. Where there is a gateway, each version has them all.
    """
    total = stage.kubernetes.replicas
    if stage.kubernetes.traffic == "gateway":
        return dict.fromkeys(declared.versions, total)
    return dict.fromkeys(declared.versions, 1) | largest_remainder(declared.traffic, total)


def largest_remainder(traffic: Mapping[int, int], total: int) -> dict[int, int]:
    """Split `total` by percents, at least one for each that has some; the sum is `total`, or else their number."""
    shares = {version: percent * total / 100 for version, percent in sorted(traffic.items()) if percent}
    counts = {version: max(1, int(share)) for version, share in shares.items()}
    while shares and sum(counts.values()) < total:
        counts[min(counts, key=lambda one: counts[one] - shares[one])] += 1
    while sum(counts.values()) > max(total, len(counts)):
        counts[max((one for one in counts if counts[one] > 1), key=lambda one: counts[one] - shares[one])] -= 1
    return counts


def lane(declared: Declared, version: int) -> str:
    """Return the label by which a pod counts among those that share the traffic, or is set aside."""
    return "aside" if len(declared.live) > 1 and version not in declared.live else "live"


def service(stage: Stage, declared: Declared) -> Object:
    """Return the stage's Service: its pods are those of the versions that have traffic.

    A selector can't name two versions. So where several share the traffic it takes all pods but those set aside; only
    then does a version that comes or goes beside two others have its pods replaced.
    """
    live = declared.live
    choice = {LABEL_TRAFFIC: "live"} if len(live) > 1 else {LABEL_VERSION: str(live[0]) if live else "none"}
    spec = {
        "selector": {LABEL_NAME: stage.model, **choice},
        "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(stage, declared), "spec": spec}


def route(stage: Stage, declared: Declared) -> Object:
    """Return the HTTPRoute: a request that names a version gets it, the others are shared by weight."""
    named = [_rule(stage.model, {version: 1}, version) for version in sorted(declared.versions)]
    shared = [_rule(stage.model, declared.traffic)] if declared.live else []
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(stage, declared),
        "spec": {"parentRefs": [{"name": GATEWAY}], "rules": [*named, *shared]},
    }


def _rule(model: str, weights: Mapping[int, int], named: int | None = None) -> Object:
    match: Object = {"path": {"type": "PathPrefix", "value": "/"}}
    if named is not None:
        match["headers"] = [{"name": VERSION_HEADER, "value": str(named)}]
    backends = [{"name": version_name(model, one), "port": PORT, "weight": weights[one]} for one in sorted(weights)]
    return {"matches": [match], "backendRefs": backends}


def _metadata(stage: Stage, declared: Declared) -> Object:
    traffic = json.dumps({str(version): percent for version, percent in sorted(declared.traffic.items())})
    labels = {LABEL_NAME: stage.model, "app.kubernetes.io/part-of": "visionline"}
    return {"name": stage.model, "labels": labels, "annotations": {ANNOTATION_TRAFFIC: traffic}}
