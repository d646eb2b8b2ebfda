"""Every tree that makes sense, rendered: each overlay with each way of routing and scaling, in one call of kubectl.

Each tree is a namespace of its own, so all of them stand under one kustomization, and are told apart afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl import render
from mlops.config import Stage, load_stage
from mlops.delivery import MANIFESTS, Declared, Served, manifests, tree

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
OVERLAYS = ("qa", "production", "edge", "gpu")
FLAGGERS = ("production", "edge")
MODEL = "fashion-classifier"
CANARY = {7: 90, 8: 10}

Object = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One tree: an overlay, a way of routing, a way of scaling, whether Flagger has it, and the traffic."""

    overlay: str
    traffic: str = "gateway"
    autoscaling: str = "none"
    flagger: bool = False
    is_settled: bool = False
    component: str = ""

    @property
    def name(self) -> str:
        """Return its name, which is its namespace's."""
        parts = (
            self.overlay,
            self.traffic,
            self.autoscaling,
            "flagger" * self.flagger,
            "settled" * self.is_settled,
            self.component,
        )
        return "-".join(part for part in parts if part)

    @property
    def stage(self) -> Stage:
        """Return the stage whose file says so."""
        stage = _stage("qa" if self.overlay == "qa" else "production")
        own = replace(
            stage.kubernetes,
            overlay=self.overlay,
            namespace=self.name,
            traffic=self.traffic,
            autoscaling=self.autoscaling,
            replicas=4,
        )
        return replace(stage, target="kubernetes", kubernetes=own, flux=replace(stage.flux, flagger=self.flagger))

    @property
    def declared(self) -> Declared:
        """Return what it runs: version 7 by itself, or 7 and a canary, 8."""
        versions = (7,) if self.is_settled else (7, 8)
        return Declared({one: served(one) for one in versions}, {7: 100} if self.is_settled else CANARY)

    @property
    def files(self) -> dict[str, str]:
        """Return the tree, with the component added to its overlay where the case has one."""
        files = {**manifests(self.stage), **tree(self.stage, self.declared)}
        if self.component:
            own = MANIFESTS / "components"
            files |= {f"kubernetes/components/{one.relative_to(own)}": one.read_text() for one in own.glob("*/*.yaml")}
            _take(files, f"kubernetes/overlays/{self.overlay}", f"../../components/{self.component}")
            _take(files, f"kubernetes/overlays/{self.overlay}/streams", "../../../components/model-fetched")
        return files


def _take(files: dict[str, str], folder: str, component: str) -> None:
    """Let a kustomization of a tree take a component, if there is one."""
    path = f"{folder}/kustomization.yaml"
    if path in files:
        content = yaml.safe_load(files[path])
        files[path] = yaml.safe_dump({**content, "components": [*content.get("components", ()), component]})


@cache
def _stage(name: str) -> Stage:
    return load_stage(name)


BY_INIT_CONTAINER = "model-by-init-container"
WAYS = (("gateway", "none"), ("gateway", "hpa"), ("gateway", "keda"), ("replicas", "none"))
CASES = (
    # Triton has no metric of frames waiting or of busy workers: on GPUs there is no HPA.
    *(Case(overlay, *way) for overlay in OVERLAYS for way in WAYS if (overlay, way[1]) != ("gpu", "hpa")),
    *(Case(overlay, "gateway", scaling, flagger=True) for overlay in FLAGGERS for scaling in ("none", "hpa", "keda")),
    Case("production", "gateway", "keda", is_settled=True),
    Case("edge-cameras"),
    Case("edge-cameras", "gateway", "keda"),
    *(Case(overlay, component=BY_INIT_CONTAINER) for overlay in ("production", "edge", "edge-cameras", "gpu")),
)


def served(version: int) -> Served:
    """Return a version whose digests are told from another's at a glance."""
    digest = f"sha256:{version:x}{version:063x}"
    images = {kind: f"team.azurecr.io/visionline/{kind}@{digest}" for kind in ("runtime", "model")}
    return Served(version, digest, "int8", images)


@dataclass(frozen=True)
class Trees:
    """The objects of each tree, by its name."""

    objects: Mapping[str, list[Object]]

    def of(self, case: Case, kind: str) -> list[Object]:
        """Return a tree's objects of a kind, in the order of their names."""
        found = [one for one in self.objects[case.name] if one["kind"] == kind]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def one(self, case: Case, kind: str, name: str) -> Object:
        """Return one object."""
        return next(one for one in self.of(case, kind) if one["metadata"]["name"] == name)

    def all(self) -> Iterator[tuple[str, Object]]:
        """Yield each object with the name of its tree; what trees have in common comes once, of the first of them."""
        seen = set()
        for name, objects in self.objects.items():
            for one in objects:
                text = json.dumps(one, sort_keys=True).replace(name, "")
                if text not in seen:
                    yield name, one
                seen.add(text)


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write a tree into a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def render_trees(kubectl: Path, folder: Path, trees: Mapping[str, Mapping[str, str]]) -> Trees:
    """Render several trees at once, each of which is of the namespace that it is called."""
    for name, files in trees.items():
        write_files(folder / name, files)
    root = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(trees)}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(root), encoding="utf-8")
    objects: dict[str, list[Object]] = {name: [] for name in trees}
    for one in yaml.load_all(render(kubectl, folder), LOADER):
        objects[one["metadata"].get("namespace", one["metadata"]["name"])].append(one)
    return Trees(objects)


@pytest.fixture(scope="session")
def rendered_trees(kubectl: Path, tmp_path_factory: pytest.TempPathFactory) -> Trees:
    """Return all trees of CASES, rendered."""
    return render_trees(kubectl, tmp_path_factory.mktemp("trees"), {case.name: case.files for case in CASES})
