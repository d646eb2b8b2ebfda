"""What a cluster runs now, as mlops.delivery declares it: versions by their Deployments, traffic by route or Service.

The cluster is the only state. Declared versions are written into the tree's ConfigMap, so that one whose Deployment
was deleted or changed by hand is known, and can be put back; so is the traffic, for where the route or the Service is
not there: deleted by hand, or not yet made, as where the stage has just got a gateway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.adapters.kubernetes.kinds import Kinds, Object
from mlops.adapters.kubernetes.refusals import Refused
from mlops.config import Stage
from mlops.delivery import (
    ANNOTATION_DIGEST,
    ANNOTATION_TRAFFIC,
    ANNOTATION_VARIANT,
    DECLARED_SUFFIX,
    LABEL_NAME,
    LABEL_TRAFFIC,
    LABEL_VERSION,
    Declared,
    Served,
    namespace_of,
    read_tree,
    replicas,
    version_name,
)
from mlops.delivery.declared import ANNOTATION_MODEL_IMAGE, IMAGE
from mlops.errors import ConfigError

ROUTES = "gateway.networking.k8s.io/v1"
STAGE_LABEL = "visionline/stage"
ANNOTATION_URL = "visionline/url"  # of a Gateway that is reached by another address than its status says
ANNOTATION_PORT = "visionline/port"  # of one that takes requests at another port than its listener's


@dataclass(frozen=True)
class Live:
    """What was found: Deployments by version, percent of traffic by version, and what is declared of both.

    Where nothing steers, there is no route or Service, and the traffic is what was written of it.
    """

    deployments: dict[int, Object]
    traffic: dict[int, int]
    declared: Declared
    is_steered: bool

    def is_as_declared(self, stage: Stage, version: int) -> bool:
        """Tell whether a version's Deployment runs what is declared, as far as a person's hand would change it."""
        deployment, served = self.deployments[version], self.declared.versions.get(version)
        if served is None or served_of(deployment) != served:
            return False
        fixed = stage.kubernetes.autoscaling == "none"
        return not fixed or deployment["spec"].get("replicas") == replicas(stage, self.declared)[version]


def look(kinds: Kinds, stage: Stage) -> Live:
    """Return what the stage's cluster runs. Raises TargetError where it can't be asked."""
    deployments = _deployments(kinds, stage)
    steered = _weights(kinds, stage) if stage.kubernetes.traffic == "gateway" else _selected(kinds, stage)
    written = _written(kinds, stage)
    weights = written.traffic if steered is None else steered
    kept = {number: one for number, one in written.versions.items() if number in deployments or number in weights}
    found = {number: served_of(one) for number, one in deployments.items()}
    versions = {**{number: one for number, one in found.items() if one is not None}, **kept}
    # Whatever a person made of the weights, what serves goes on serving: the shares of those known are kept.
    known = percents({number: weight for number, weight in weights.items() if number in versions})
    shown = percents(weights)
    declared = Declared(dict(sorted(versions.items())), known)
    traffic = {number: percent for number, percent in shown.items() if number in deployments}
    return Live(deployments, traffic, declared, steered is not None)


def percents(weights: Mapping[int, int]) -> dict[int, int]:
    """Return the percent of each version that has any weight; they sum to 100, unless there is none."""
    total, kept = sum(weights.values()), {version: weight for version, weight in weights.items() if weight > 0}
    floors = {version: 100 * weight // total for version, weight in kept.items()}
    most_cut = sorted(kept, key=lambda version: (-(100 * kept[version] % total), version))
    for version in most_cut[: 100 - sum(floors.values()) if kept else 0]:
        floors[version] += 1
    return dict(sorted(floors.items()))


def served_of(deployment: Object) -> Served | None:
    """Return the version that a Deployment runs, None where its images are none by digest."""
    notes = deployment["metadata"].get("annotations") or {}
    pod = deployment["spec"]["template"]["spec"]
    runtime = next((one["image"] for one in pod["containers"] if one["name"] == "runtime"), "")
    mounted = [volume["image"]["reference"] for volume in pod.get("volumes") or [] if "image" in volume]
    told = (deployment["spec"]["template"]["metadata"].get("annotations") or {}).get(ANNOTATION_MODEL_IMAGE, "")
    images = {"runtime": runtime, "model": next(iter(mounted), told)}  # told: to an init container, which fetches it
    if not all(IMAGE.fullmatch(image) for image in images.values()):
        return None
    version = int(deployment["metadata"]["labels"][LABEL_VERSION])
    return Served(version, notes.get(ANNOTATION_DIGEST, ""), notes.get(ANNOTATION_VARIANT, ""), images)


def gateway_url(kinds: Kinds, stage: Stage) -> str | None:
    """Return the address where the stage's live requests come in, None where no gateway says one, or may be asked."""
    if stage.kubernetes.traffic != "gateway":
        return None
    try:
        return _address(kinds, stage)
    except Refused as error:
        if error.status != 403:
            raise
        return None


def _address(kinds: Kinds, stage: Stage) -> str | None:
    route = kinds.cluster.find(_path(kinds, stage, ROUTES, "HTTPRoute", stage.model))
    for ref in (route or {}).get("spec", {}).get("parentRefs") or []:
        namespace = ref.get("namespace") or namespace_of(stage)
        found = kinds.cluster.find(kinds.place(ROUTES, "Gateway").path(namespace, ref["name"]))
        notes = (found or {}).get("metadata", {}).get("annotations") or {}
        addresses = ((found or {}).get("status") or {}).get("addresses") or []
        listeners = (found or {}).get("spec", {}).get("listeners") or []
        if notes.get(ANNOTATION_URL):
            return str(notes[ANNOTATION_URL])
        if addresses and listeners:
            scheme = "https" if listeners[0]["protocol"] == "HTTPS" else "http"
            return f"{scheme}://{addresses[0]['value']}:{notes.get(ANNOTATION_PORT, listeners[0]['port'])}"
    return None


def _deployments(kinds: Kinds, stage: Stage) -> dict[int, Object]:
    query = {"labelSelector": f"{LABEL_NAME}={stage.model},{STAGE_LABEL}={stage.name}"}
    listed = kinds.cluster.request("GET", _path(kinds, stage, "apps/v1", "Deployment"), query=query)["items"]
    # Items of a list bear no kind of their own.
    found = [{"apiVersion": "apps/v1", "kind": "Deployment", **one} for one in listed]
    numbers = [(one["metadata"]["labels"].get(LABEL_VERSION, ""), one) for one in found]
    numbered = sorted(((int(n), one) for n, one in numbers if n.isdecimal()), key=lambda pair: pair[0])
    # By name, too: whatever else bears the labels of a version, as its streams, is none.
    return {number: one for number, one in numbered if one["metadata"]["name"] == version_name(stage.model, number)}


def _weights(kinds: Kinds, stage: Stage) -> dict[int, int] | None:
    """Return the weight of each version in the route, None without one; foreign backends count for nothing."""
    if kinds.find(ROUTES, "HTTPRoute") is None:
        return None
    route = kinds.cluster.find(_path(kinds, stage, ROUTES, "HTTPRoute", stage.model))
    if route is None:
        return None
    rules = [rule for rule in route["spec"].get("rules") or [] if not _is_named(rule)]
    prefix = version_name(stage.model, 0)[:-1]
    weights: dict[int, int] = {}
    for backend in (rules[0].get("backendRefs") or []) if rules else []:
        number = backend["name"].removeprefix(prefix)
        if backend["name"].startswith(prefix) and number.isdecimal():
            weights[int(number)] = int(backend.get("weight", 1))
    return weights


def _selected(kinds: Kinds, stage: Stage) -> dict[int, int] | None:
    """Return the percent of each version that the stage's Service selects, as was asked for; None without one."""
    service = kinds.cluster.find(_path(kinds, stage, "v1", "Service", stage.model))
    if service is None:
        return None
    selector: Mapping[str, str] = service["spec"].get("selector") or {}
    if selector.get(LABEL_VERSION, "").isdecimal():
        return {int(selector[LABEL_VERSION]): 100}
    if LABEL_TRAFFIC not in selector:
        return {}
    try:
        asked = json.loads((service["metadata"].get("annotations") or {}).get(ANNOTATION_TRAFFIC, "{}"))
        return {int(version): int(percent) for version, percent in asked.items()}
    except (ValueError, TypeError, AttributeError):
        return dict(_written(kinds, stage).traffic)  # spoiled by hand: what was declared goes on


def _written(kinds: Kinds, stage: Stage) -> Declared:
    found = kinds.cluster.find(_path(kinds, stage, "v1", "ConfigMap", f"{stage.model}{DECLARED_SUFFIX}"))
    try:
        return read_tree((found or {}).get("data") or {})
    except ConfigError:
        return Declared({}, {})  # absent, or spoiled by hand: the Deployments say it, too


def _path(kinds: Kinds, stage: Stage, api_version: str, kind: str, name: str = "") -> str:
    return kinds.place(api_version, kind).path(namespace_of(stage), name)


def _is_named(rule: Mapping[str, Any]) -> bool:
    return any(match.get("headers") for match in rule.get("matches") or [])
