"""The kustomization of one version, or of the one Deployment that Flagger copies, or of the streams' workers. Pure."""

from __future__ import annotations

from math import ceil

from mlops.config import Stage
from mlops.delivery.declared import (
    ANNOTATION_DIGEST,
    ANNOTATION_MODEL_IMAGE,
    ANNOTATION_VARIANT,
    LABEL_NAME,
    LABEL_TRAFFIC,
    LABEL_VERSION,
    TRITON_IMAGE,
    Declared,
    Object,
    Served,
    as_json,
    as_yaml,
    namespace_of,
    package_path,
)
from mlops.delivery.routing import GATEWAY, lane, replicas
from mlops.names import IMAGE_KINDS

PARTS = "../../kubernetes"
KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
LEAST_BAKE_SECONDS = 30  # of a step of Flagger's: two readings of Prometheus, below which there is no rate


def version_files(stage: Stage, declared: Declared, served: Served) -> dict[str, str]:
    """Return the files of a version's kustomization, by path within its folder."""
    scaling = stage.kubernetes.autoscaling
    patches = [{"path": "deployment.yaml"}, {"path": "mount.yaml", "target": {"kind": "Deployment"}}]
    files = {
        "desired.json": as_json(_desired(stage.model, served, package_path(stage.model, served.version))),
        "deployment.yaml": as_yaml(_deployment(stage, declared, served)),
        "mount.yaml": as_yaml(_mount(stage.model, served.version)),
    }
    if scaling == "keda":
        patches.append({"path": "scaling.yaml", "target": {"kind": "ScaledObject"}})
        files["scaling.yaml"] = as_yaml(_scaling(stage, declared, served))
    named = _by_flagger(stage) if stage.flux.flagger else _by_version(stage.model, served.version)
    if stage.flux.flagger:
        files["canary.yaml"] = as_yaml(_canary(stage))
        files["name.yaml"] = as_yaml([{"op": "replace", "path": "/metadata/name", "value": stage.model}])
    components = [*named.pop("components"), *([] if scaling == "none" else [f"{PARTS}/components/{scaling}"])]
    kustomization = {
        **KUSTOMIZATION,
        "resources": [f"{PARTS}/overlays/{stage.kubernetes.overlay}"],
        "components": components,
        "configMapGenerator": [config_map("v", "desired.json")],
        "images": _images(served),
        **named,
        "patches": [*patches, *named["patches"]],
    }
    return {**files, "kustomization.yaml": as_yaml(kustomization)}


def streams_files(stage: Stage, served: Served) -> dict[str, str]:
    """Return the files of the kustomization of the streams' workers, which score by the version of most traffic."""
    notes = {ANNOTATION_DIGEST: served.digest, ANNOTATION_VARIANT: served.variant}
    told = {**notes, ANNOTATION_MODEL_IMAGE: served.images["model"]}
    template = {"metadata": {"annotations": told, "labels": {LABEL_VERSION: str(served.version)}}}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "streams", "annotations": notes},
        "spec": {"template": template},
    }
    kustomization = {
        **KUSTOMIZATION,
        "resources": [f"../kubernetes/overlays/{stage.kubernetes.overlay}/streams"],
        "configMapGenerator": [config_map("streams-model", "desired.json")],
        "images": _images(served),
        "patches": [{"path": "workers.yaml"}],
    }
    return {
        "desired.json": as_json(_desired(stage.model, served, "/model")),
        "workers.yaml": as_yaml(patch),
        "kustomization.yaml": as_yaml(kustomization),
    }


def config_map(name: str, file: str) -> Object:
    """Return the generator of a ConfigMap of one file.

    It has one name for ever, so that whoever prunes has nothing to look for; the pods' annotations make them restart.
    """
    return {"name": name, "files": [file], "options": {"disableNameSuffixHash": True}}


def _by_version(model: str, version: int) -> Object:
    labels = {LABEL_NAME: model, LABEL_VERSION: str(version)}
    return {
        "namePrefix": f"{model}-",
        "nameSuffix": str(version),
        "labels": [{"pairs": labels, "includeSelectors": True}],
        "components": [],
        "patches": [],
    }


def _by_flagger(stage: Stage) -> Object:
    """Return what gives the one Deployment the model's name; a selector can't change, so it names no version."""
    rename = {"path": "name.yaml", "target": {"name": "v"}, "options": {"allowNameChange": True}}
    return {
        "labels": [{"pairs": {LABEL_NAME: stage.model}, "includeSelectors": True}],
        "components": [f"{PARTS}/components/flagger"],
        "patches": [{"path": "canary.yaml"}, rename],
    }


def _deployment(stage: Stage, declared: Declared, served: Served) -> Object:
    notes = {ANNOTATION_DIGEST: served.digest, ANNOTATION_VARIANT: served.variant}
    told = {**notes, ANNOTATION_MODEL_IMAGE: served.images["model"]}
    ready = {"httpGet": {"path": f"/v2/models/{stage.model}/versions/{served.version}/ready"}}
    labels = {LABEL_TRAFFIC: lane(declared, served.version), LABEL_VERSION: str(served.version)}
    runtime = {"name": "runtime", "startupProbe": ready, "readinessProbe": ready}
    template = {"metadata": {"annotations": told, "labels": labels}, "spec": {"containers": [runtime]}}
    # What scales a Deployment owns its replicas: a number here would set them back at each deploy. Flagger, too,
    # scales it, to none where nothing is analysed: docs.flagger.app/faq.
    is_fixed = stage.kubernetes.autoscaling == "none" and not stage.flux.flagger
    count = {"replicas": replicas(stage, declared)[served.version]} if is_fixed else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "v", "annotations": notes},
        "spec": {**count, "progressDeadlineSeconds": _deadline(stage), "template": template},
    }


def _deadline(stage: Stage) -> int:
    """Return the seconds in which a pod must get ready, or the cluster says why it does not: whole ones, and not 0."""
    return max(1, ceil(stage.kubernetes.rollout_seconds))


def _mount(model: str, version: int) -> list[Object]:
    mount = "/spec/template/spec/containers/0/volumeMounts/0"
    return [
        {"op": "test", "path": f"{mount}/name", "value": "model"},
        {"op": "replace", "path": f"{mount}/mountPath", "value": package_path(model, version)},
    ]


def _desired(model: str, served: Served, package: str) -> Object:
    deployment = {"package": package, "digest": served.digest, "variant": served.variant}
    number = str(served.version)
    return {"generation": 1, "models": {model: {"deployments": {number: deployment}, "traffic": {number: 100}}}}


def _scaling(stage: Stage, declared: Declared, served: Served) -> list[Object]:
    """Return what KEDA asks Prometheus for this version, and that it never sends a version to sleep in a rollout.

    Only a version that is alone, with all the traffic, may have no replica: else one is being verified. The first of
    all is looked at once more when it has got it: it stays for as long as its pods, and then its traffic, may take.
    Source: keda.sh, "ScaledObject specification" (initialCooldownPeriod, since 2.15).
    """
    place = f'namespace="{namespace_of(stage)}"'
    lag = f'sum(visionline:lag_frames{{{place},model="{stage.model}",version="{served.version}"}}) or vector(0)'
    # A counter that knows no namespace knows the route: waking/*, of infra/kubernetes.
    route = f'route="{namespace_of(stage)}-{stage.model}"'
    counter = "visionline:unserved_requests:rate1m"
    asked = f"sum({counter}{{{place}}}) or sum({counter}{{{route}}}) or vector(0)"
    patch: list[Object] = [
        {"op": "replace", "path": "/spec/triggers/0/metadata/query", "value": lag},
        {"op": "replace", "path": "/spec/triggers/1/metadata/query", "value": asked},
        {"op": "add", "path": "/spec/initialCooldownPeriod", "value": 2 * _deadline(stage)},
    ]
    if len(declared.versions) > 1 or declared.traffic.get(served.version) != 100:
        patch.append({"op": "replace", "path": "/spec/minReplicaCount", "value": 1})
    return patch


def _canary(stage: Stage) -> Object:
    """Return how Flagger moves the traffic: by the stage's own steps and limits."""
    limits = stage.release.verify
    analysis = {
        "interval": f"{max(LEAST_BAKE_SECONDS, int(limits.bake_seconds))}s",
        "stepWeights": [step for step in stage.release.traffic_steps if step < 100] or [50],
        "metrics": [
            _metric("errors", 100 * limits.max_error_rate),
            _metric("latency", limits.max_latency_ratio),
        ],
    }
    kinds = {"hpa": ("autoscaling/v2", "HorizontalPodAutoscaler"), "keda": ("keda.sh/v1alpha1", "ScaledObject")}
    version, kind = kinds.get(stage.kubernetes.autoscaling, ("", ""))
    scaler = {"autoscalerRef": {"apiVersion": version, "kind": kind, "name": "v"}} if kind else {}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "v"},
        "spec": {
            **scaler,
            "progressDeadlineSeconds": _deadline(stage),
            "service": {"gatewayRefs": [{"name": GATEWAY}]},
            "analysis": analysis,
        },
    }


def _metric(name: str, most: float) -> Object:
    return {"name": name, "templateRef": {"name": name}, "thresholdRange": {"max": most}, "interval": "1m"}


def _images(served: Served) -> list[Object]:
    runtime, model = (
        dict(zip(("newName", "digest"), served.images[kind].split("@"), strict=True)) for kind in IMAGE_KINDS
    )
    return [
        {"name": "visionline-runtime", **runtime},
        {"name": TRITON_IMAGE, **runtime},  # the very same: where an overlay names it, it is what runs the version
        {"name": "visionline-model", **model},
    ]
