"""The kustomize tree of a stage, and the parts of infra/kubernetes that it needs beside it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mlops.config import REPOSITORY, Stage
from mlops.delivery.declared import (
    DECLARED_FILE,
    DECLARED_SUFFIX,
    TRITON_IMAGE,
    Declared,
    Object,
    as_json,
    as_yaml,
    check,
    namespace_of,
)
from mlops.delivery.routing import route, service
from mlops.delivery.scaling import stage_rival, untold_by_triton
from mlops.delivery.workload import KUSTOMIZATION, config_map, streams_files, version_files
from mlops.errors import ConfigError
from mlops.loading import read_mapping

MANIFESTS = REPOSITORY / "infra" / "kubernetes"
COPY = "kubernetes"  # the folder of a tree that holds the parts of infra/kubernetes
# Of an overlay, each a kustomization of its own: streams where it has cameras.
PARTS = ("stage", "gateway", "streams")
WORKERS_FILE = f"{COPY}/streams/workers.yaml"  # among the manifests of a stage that has cameras
WAKING = "waking"  # and this one with KEDA alone: whose counter tells that a version is asked for which sleeps
KUSTOMIZATION_FILE = "kustomization.yaml"


def manifests(stage: Stage) -> dict[str, str]:
    """Return the files of infra/kubernetes that the stage's tree needs beside it, by path within the tree.

    Raises ConfigError where the stage's overlay is none of infra/kubernetes/overlays, or needs files from elsewhere.
    """
    kubernetes, own = stage.kubernetes, MANIFESTS / "overlays" / stage.kubernetes.overlay
    if not (own / KUSTOMIZATION_FILE).exists():
        raise ConfigError(f"{stage.name}: kubernetes.overlay: there is no {own.relative_to(REPOSITORY)}: make it")
    parts = [*PARTS, WAKING] if kubernetes.autoscaling == "keda" else PARTS
    if not (own / parts[-1]).is_dir() and parts[-1] == WAKING:
        raise ConfigError(
            f"{own.relative_to(REPOSITORY)}: has no folder {WAKING}: copy that of an overlay of its gateway"
        )
    components = [kubernetes.autoscaling, "flagger" if stage.flux.flagger else "none"]
    begin = [own, *(own / part for part in parts), *(MANIFESTS / "components" / one for one in components)]
    folders: set[Path] = set()
    for folder in begin:
        _add_needed(folder, folders)
    found = sorted(path for folder in folders for path in folder.glob("[!.]*") if path.is_file())
    return {f"{COPY}/{path.relative_to(MANIFESTS)}": path.read_text(encoding="utf-8") for path in found}


def is_tritons(stage: Stage) -> bool:
    """Tell whether Triton runs the stage's versions: its overlay names that image. Raises as `manifests` does."""
    return any(TRITON_IMAGE in text for text in manifests(stage).values())


def _add_needed(folder: Path, found: set[Path]) -> None:
    """Add a kustomization's folder, and those that it names."""
    file = folder / KUSTOMIZATION_FILE
    if folder in found or not file.exists():
        return
    if not folder.is_relative_to(MANIFESTS):
        raise ConfigError(f"{folder}: lies outside infra/kubernetes: a cluster that pulls would not have it")
    found.add(folder)
    content = read_mapping(file, "restore it from the template")
    for entry in (*content.get("resources", ()), *content.get("components", ())):
        _add_needed((folder / str(entry)).resolve(), found)


def tree(stage: Stage, declared: Declared) -> dict[str, str]:
    """Return the files of the stage's kustomize tree by relative path; kustomization.yaml renders all of it.

    With `flux.flagger` it holds the version of most traffic alone. Raises ConfigError where a name or an image is
    nothing for a cluster, where the traffic is not of the declared versions, where two would set the replicas, and
    where Triton is to be scaled or judged by what it does not tell.
    """
    check(stage, declared)
    if rival := stage_rival(stage):
        raise ConfigError(f"{stage.name}: kubernetes.autoscaling: {rival}")
    if (untold := untold_by_triton(stage)) and is_tritons(stage):
        raise ConfigError(f"{stage.name}: {untold}")
    is_flaggers = stage.flux.flagger
    shown = [declared.versions[one] for one in sorted(declared.versions)]
    if is_flaggers:
        shown = [declared.main] if declared.main else []
    folders = {f"versions/v{one.version}": version_files(stage, declared, one) for one in shown}
    if declared.main and (MANIFESTS / "overlays" / stage.kubernetes.overlay / "streams").is_dir():
        folders["streams"] = streams_files(stage, declared.main)
    files = {} if is_flaggers else _routes(stage, declared)
    return {
        DECLARED_FILE: as_json(asdict(declared)),
        KUSTOMIZATION_FILE: as_yaml(_root(stage, [*files, *folders])),
        **files,
        **{f"{folder}/{path}": text for folder, own in folders.items() for path, text in own.items()},
    }


def _routes(stage: Stage, declared: Declared) -> dict[str, str]:
    files = {"service.yaml": as_yaml(service(stage, declared))}
    if stage.kubernetes.traffic == "gateway" and declared.versions:
        files["route.yaml"] = as_yaml(route(stage, declared))
    return files


def _root(stage: Stage, resources: list[str]) -> Object:
    overlay = f"{COPY}/overlays/{stage.kubernetes.overlay}"
    gateway = [f"{overlay}/gateway"] if stage.kubernetes.traffic == "gateway" else []
    waking = [f"{overlay}/{WAKING}"] if stage.kubernetes.autoscaling == "keda" else []
    return {
        **KUSTOMIZATION,
        "namespace": namespace_of(stage),
        "resources": [f"{overlay}/stage", *waking, *resources],
        "components": gateway,  # it has a say in what the namespace lets run
        "configMapGenerator": [config_map(f"{stage.model}{DECLARED_SUFFIX}", DECLARED_FILE)],
        "labels": [{"pairs": {"visionline/stage": stage.name}}],
    }
