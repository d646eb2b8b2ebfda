"""What a cluster is given to pull by: each stage, from git or a registry, with and without Flagger."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kubectl import render
from manifest_schemas import objections
from rendered_trees import LOADER, Object, write_files
from sources import ROOT

from mlops.config import load_stage

FLUX = ROOT / "infra/flux"
STAGES = ("qa", "production")
# Components beside a stage, by the name of the case.
SOURCES: dict[str, list[str]] = {"git": [], "oci": ["oci"], "flagger": ["flagger"], "both": ["oci", "flagger"]}
KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}

Rendered = dict[str, list[Object]]


@pytest.fixture(scope="module")
def rendered(kubectl: Path, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Return the objects of each case by its name, as qa-oci; all in one call, in a namespace each."""
    folder = tmp_path_factory.mktemp("flux")
    files = {str(path.relative_to(FLUX)): path.read_text(encoding="utf-8") for path in FLUX.rglob("*.yaml")}
    write_files(folder, files)
    names = [f"{stage}-{source}" for stage in STAGES for source in SOURCES]
    for name in names:
        stage, source = name.split("-")
        components = [f"../components/{one}" for one in SOURCES[source]]
        case = {**KUSTOMIZATION, "namespace": name, "resources": [f"../stages/{stage}"], "components": components}
        write_files(folder, {f"{name}/kustomization.yaml": yaml.safe_dump(case)})
    write_files(folder, {"kustomization.yaml": yaml.safe_dump({**KUSTOMIZATION, "resources": names})})
    objects: Rendered = {name: [] for name in names}
    for one in yaml.load_all(render(kubectl, folder), LOADER):
        objects[one["metadata"]["namespace"]].append(one)
    return objects


def kustomization(objects: list[Object], name: str) -> Object:
    """Return the spec of one of Flux's Kustomizations."""
    found = (one for one in objects if one["kind"] == "Kustomization" and one["metadata"]["name"] == name)
    spec: Object = next(found)["spec"]
    return spec


def test_flux_takes_each_object_as_it_is(rendered: Rendered) -> None:
    found = [f"{name}: {text}" for name, objects in rendered.items() for one in objects for text in objections(one)]
    assert found == []


@pytest.mark.parametrize("kind, key", [("Kustomization", "dependOn"), ("GitRepository", "intervall")])
def test_a_key_by_mistake_is_refused(rendered: Rendered, kind: str, key: str) -> None:
    one = next(one for one in rendered["qa-git"] if one["kind"] == kind)
    assert objections({**one, "spec": {**one["spec"], key: []}}) != []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_waits_for_the_platform_and_for_all_that_it_applied(rendered: Rendered, stage: str) -> None:
    for source in SOURCES:
        spec = kustomization(rendered[f"{stage}-{source}"], stage)
        assert (spec["path"], spec["dependsOn"]) == (f"./clusters/{stage}", [{"name": "platform"}])
        assert (spec["wait"], spec["prune"]) == (True, True)


@pytest.mark.parametrize("stage", STAGES)
def test_a_rollback_outwaits_the_watch_over_the_commit_before_it(rendered: Rendered, stage: str) -> None:
    minutes = kustomization(rendered[f"{stage}-git"], stage)["timeout"]
    assert 60 * int(minutes.removesuffix("m")) < load_stage(stage).kubernetes.rollout_seconds


def test_the_platform_is_ready_when_what_it_holds_is_with_a_gateway_or_without_and_is_never_taken_away(
    rendered: Rendered,
) -> None:
    spec = kustomization(rendered["production-git"], "platform")
    assert (spec["prune"], spec["wait"], "healthChecks" in spec) == (False, True, False)


@pytest.mark.parametrize("source, kind", [("git", "GitRepository"), ("oci", "OCIRepository")])
def test_all_that_is_applied_comes_from_the_one_source_that_is_there(
    rendered: Rendered, source: str, kind: str
) -> None:
    objects = rendered[f"production-{source}"]
    named = {(one["spec"]["sourceRef"]["kind"], one["spec"]["sourceRef"]["name"]) for one in objects if _applies(one)}
    assert (
        named
        == {(kind, "visionline")}
        == {(one["kind"], one["metadata"]["name"]) for one in objects if not _applies(one)}
    )


def test_an_artifact_is_taken_only_with_its_signature(rendered: Rendered) -> None:
    (source,) = (one for one in rendered["production-oci"] if one["kind"] == "OCIRepository")
    assert source["spec"]["verify"]["provider"] == "cosign"


def test_with_flagger_a_stage_is_ready_when_its_canary_is(rendered: Rendered) -> None:
    (check,) = kustomization(rendered["qa-flagger"], "qa")["healthCheckExprs"]
    assert (check["kind"], "Succeeded" in check["current"], "Failed" in check["failed"]) == ("Canary", True, True)
    assert "healthCheckExprs" not in kustomization(rendered["qa-flagger"], "platform")


def _applies(one: Object) -> bool:
    return bool(one["kind"] == "Kustomization")
