"""What a stage's cluster shall run, as a kustomize tree: the one description that pushing and pulling targets share.

A version is a Deployment and a Service of its own; the stage has one Service and, with `traffic: gateway`, one
HTTPRoute. The tree stands by itself beside a copy of the parts of infra/kubernetes that it names, in its folder
kubernetes/ (`manifests`), and `kubectl kustomize` renders both. It writes nothing and asks no cluster.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from mlops.config import REPOSITORY, Stage
from mlops.errors import ConfigError
from mlops.loading import build
from mlops.names import IMAGE_KINDS, endpoint_name

MANIFESTS = REPOSITORY / "infra" / "kubernetes"
COPY = "kubernetes"  # the folder of a tree that holds the parts of infra/kubernetes
SHARED = ("base", "stage", "components")
DECLARED_FILE = "declared.json"
PORT = 8080
LABEL_NAME = "app.kubernetes.io/name"
LABEL_VERSION = "app.kubernetes.io/version"
LABEL_TRAFFIC = "visionline/traffic"  # of pods: live, or aside where several other versions share the traffic
ANNOTATION_DIGEST = "visionline/digest"
ANNOTATION_VARIANT = "visionline/variant"
ANNOTATION_TRAFFIC = "visionline/traffic"  # of the stage's Service and HTTPRoute: the percents that were asked for
VERSION_HEADER = "x-model-version"
GATEWAY = "visionline"
DNS_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
IMAGE = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}

Object = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """One version on a cluster: the digest of its package, which variant, and its images by kind, by digest."""

    version: int
    digest: str
    variant: str
    images: dict[str, str]


@dataclass(frozen=True)
class Declared:
    """All that a stage's cluster shall run, by version; `traffic` in percent, for the versions that have some."""

    versions: dict[int, Served]
    traffic: dict[int, int]


def namespace_of(stage: Stage) -> str:
    """Return the namespace of a stage: the one that its file names, or else model and stage."""
    return stage.kubernetes.namespace or endpoint_name(stage.model, stage.name)


def version_name(model: str, version: int) -> str:
    """Return the name of a version's Deployment, Service and ConfigMap: fashion-classifier-v7."""
    return f"{model}-v{version}"


def package_path(model: str, version: int) -> str:
    """Return where a pod finds the package of a version."""
    return f"/models/{model}/{version}"


def manifests(stage: Stage) -> dict[str, str]:
    """Return the files of infra/kubernetes that the stage's tree needs beside it, by path within the tree.

    Raises ConfigError where the stage's overlay is none of infra/kubernetes/overlays.
    """
    overlay = f"overlays/{stage.kubernetes.overlay}"
    if not (MANIFESTS / overlay / "kustomization.yaml").exists():
        raise ConfigError(f"{stage.name}: kubernetes.overlay: there is no infra/kubernetes/{overlay}: make it")
    found = [path for part in (*SHARED, overlay) for path in (MANIFESTS / part).rglob("*") if path.is_file()]
    return {f"{COPY}/{path.relative_to(MANIFESTS)}": path.read_text(encoding="utf-8") for path in sorted(found)}


def tree(stage: Stage, declared: Declared) -> dict[str, str]:
    """Return the files of the stage's kustomize tree by relative path; kustomization.yaml renders all of it.

    Raises ConfigError where a name or an image is nothing for a cluster, or the traffic names a version that is not
    declared.
    """
    _check(stage, declared)
    files = {DECLARED_FILE: _json(asdict(declared)), "kustomization.yaml": _yaml(_root(stage, declared))}
    files["service.yaml"] = _yaml(_service(stage, declared))
    if stage.kubernetes.traffic == "gateway" and declared.versions:
        files["route.yaml"] = _yaml(_route(stage, declared))
    for served in declared.versions.values():
        files |= {
            f"versions/v{served.version}/{path}": text for path, text in _version(stage, declared, served).items()
        }
    return files


def read_tree(files: Mapping[str, str]) -> Declared:
    """Return what a tree, or the ConfigMap that holds its declared.json, declares. Raises ConfigError."""
    try:
        content = json.loads(files[DECLARED_FILE])
    except KeyError:
        raise ConfigError(f"{DECLARED_FILE} is missing: `deploy` writes it; restore the folder") from None
    except ValueError as error:
        raise ConfigError(f"{DECLARED_FILE}: is not JSON ({error}): restore it, or deploy again") from None
    read = build(_Written, content, DECLARED_FILE)
    return Declared(
        {_number(key): served for key, served in read.versions.items()},
        {_number(key): percent for key, percent in read.traffic.items()},
    )


@dataclass(frozen=True)
class _Written:
    """A Declared as JSON holds it, where keys are texts."""

    versions: dict[str, Served]
    traffic: dict[str, int]


def _number(key: str) -> int:
    if not key.isdecimal():
        raise ConfigError(f"{DECLARED_FILE}: '{key}' should be a version's number: restore it, or deploy again")
    return int(key)


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
    shares = {version: percent * total / 100 for version, percent in traffic.items() if percent}
    counts = {version: max(1, int(share)) for version, share in shares.items()}
    for version in sorted(shares, key=lambda one: (int(shares[one]) - shares[one], one)):
        counts[version] += sum(counts.values()) < total
    while sum(counts.values()) > max(total, len(counts)):
        counts[max(counts, key=lambda one: (counts[one] - shares[one], counts[one]))] -= 1
    return counts


def _check(stage: Stage, declared: Declared) -> None:
    for name in (stage.model, namespace_of(stage), *(version_name(stage.model, one) for one in declared.versions)):
        if len(name) > 63 or not DNS_LABEL.fullmatch(name):
            raise ConfigError(f"{stage.name}: '{name}' is no name for a cluster: use small letters, digits and hyphens")
    unknown = sorted(version for version, percent in declared.traffic.items() if version not in declared.versions)
    if unknown or sum(declared.traffic.values()) not in (0, 100):
        raise ConfigError(f"{stage.name}: traffic {declared.traffic} should sum to 100 over the declared versions")
    for served in declared.versions.values():
        for kind in IMAGE_KINDS:
            if not IMAGE.fullmatch(served.images.get(kind, "")):
                raise ConfigError(
                    f"{stage.name}: version {served.version} has no {kind} image by digest: "
                    f"run `python -m mlops package --stage {stage.name}` first"
                )


def _root(stage: Stage, declared: Declared) -> Object:
    versions = [f"versions/v{number}" for number in sorted(declared.versions)]
    route = ["route.yaml"] if stage.kubernetes.traffic == "gateway" and declared.versions else []
    return {
        **KUSTOMIZATION,
        "namespace": namespace_of(stage),
        "resources": [f"{COPY}/overlays/{stage.kubernetes.overlay}/stage", "service.yaml", *route, *versions],
        "configMapGenerator": [_config_map(f"{stage.model}-declared", DECLARED_FILE)],
        "labels": [{"pairs": {"visionline/stage": stage.name}, "includeTemplates": False}],
    }


def _version(stage: Stage, declared: Declared, served: Served) -> dict[str, str]:
    scaling = stage.kubernetes.autoscaling
    kustomization = {
        **KUSTOMIZATION,
        "namePrefix": f"{stage.model}-",
        "nameSuffix": str(served.version),
        "resources": [f"../../{COPY}/overlays/{stage.kubernetes.overlay}"],
        "components": [] if scaling == "none" else [f"../../{COPY}/components/{scaling}"],
        "labels": [{"pairs": _labels(stage.model, served.version), "includeSelectors": True}],
        "images": [_image(kind, served.images[kind]) for kind in IMAGE_KINDS],
        "configMapGenerator": [_config_map("v", "desired.json")],
        "patches": [{"path": "deployment.yaml"}, {"path": "mount.yaml", "target": {"kind": "Deployment"}}],
    }
    return {
        "kustomization.yaml": _yaml(kustomization),
        "desired.json": _json(_desired(stage.model, served)),
        "deployment.yaml": _yaml(_deployment(stage, declared, served)),
        "mount.yaml": _yaml(_mount(stage.model, served.version)),
    }


def _deployment(stage: Stage, declared: Declared, served: Served) -> Object:
    notes = {ANNOTATION_DIGEST: served.digest, ANNOTATION_VARIANT: served.variant}
    ready = {"httpGet": {"path": f"/v2/models/{stage.model}/versions/{served.version}/ready"}}
    runtime = {"name": "runtime", "startupProbe": ready, "readinessProbe": ready}
    shared = sum(1 for percent in declared.traffic.values() if percent) > 1
    lane = "aside" if shared and not declared.traffic.get(served.version) else "live"
    template = {
        "metadata": {"annotations": notes, "labels": {LABEL_TRAFFIC: lane}},
        "spec": {"containers": [runtime]},
    }
    count = replicas(stage, declared)[served.version]
    # What scales a Deployment owns its replicas: a number here would set them back at each deploy.
    fixed = {"replicas": count} if stage.kubernetes.autoscaling == "none" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "v", "annotations": notes},
        "spec": {**fixed, "template": template},
    }


def _mount(model: str, version: int) -> list[Object]:
    mount = "/spec/template/spec/containers/0/volumeMounts/0"
    return [
        {"op": "test", "path": f"{mount}/name", "value": "model"},
        {"op": "replace", "path": f"{mount}/mountPath", "value": package_path(model, version)},
    ]


def _desired(model: str, served: Served) -> Object:
    package = package_path(model, served.version)
    deployment = {"package": package, "digest": served.digest, "variant": served.variant}
    number = str(served.version)
    return {"generation": 1, "models": {model: {"deployments": {number: deployment}, "traffic": {number: 100}}}}


def _service(stage: Stage, declared: Declared) -> Object:
    """Return the stage's Service: its pods are those of the versions that have traffic.

    A selector can't name two versions. So where several share the traffic it takes all pods but those set aside.
    """
    live = [version for version, percent in declared.traffic.items() if percent]
    choice = {LABEL_TRAFFIC: "live"} if len(live) > 1 else {LABEL_VERSION: str(live[0]) if live else "none"}
    spec = {
        "selector": {LABEL_NAME: stage.model, **choice},
        "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(stage, declared), "spec": spec}


def _route(stage: Stage, declared: Declared) -> Object:
    """Return the HTTPRoute: a request that names a version gets it, the others are shared by weight."""
    named = [_rule(stage.model, {version: 1}, version) for version in sorted(declared.versions)]
    shared = [_rule(stage.model, declared.traffic)] if any(declared.traffic.values()) else []
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": _metadata(stage, declared),
        "spec": {"parentRefs": [{"name": GATEWAY}], "rules": [*named, *shared]},
    }


def _rule(model: str, weights: Mapping[int, int], named: int | None = None) -> Object:
    header = {"name": VERSION_HEADER, "value": str(named)}
    match: Object = {"path": {"type": "PathPrefix", "value": "/"}}
    backends = [
        {"name": version_name(model, version), "port": PORT, "weight": weight}
        for version, weight in sorted(weights.items())
    ]
    return {"matches": [match if named is None else {**match, "headers": [header]}], "backendRefs": backends}


def _metadata(stage: Stage, declared: Declared) -> Object:
    traffic = json.dumps({str(version): percent for version, percent in sorted(declared.traffic.items())})
    labels = {LABEL_NAME: stage.model, "app.kubernetes.io/part-of": "visionline"}
    return {"name": stage.model, "labels": labels, "annotations": {ANNOTATION_TRAFFIC: traffic}}


def _labels(model: str, version: int) -> dict[str, str]:
    return {LABEL_NAME: model, LABEL_VERSION: str(version)}


def _image(kind: str, reference: str) -> Object:
    name, digest = reference.split("@")
    return {"name": f"visionline-{kind}", "newName": name, "digest": digest}


def _config_map(name: str, file: str) -> Object:
    # By one name for ever, so that whoever prunes has nothing to look for; the pods' annotations make them restart.
    return {"name": name, "files": [file], "options": {"disableNameSuffixHash": True}}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _yaml(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, width=110))
