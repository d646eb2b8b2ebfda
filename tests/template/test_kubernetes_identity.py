"""Pods that act as an identity of Entra ID: the component gives both halves, and a tree with one of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from manifest_policy import CLIENT_ID, NOBODY, USES_IDENTITY, identity_problems, problems
from rendered_trees import CASES, Case, Object, Trees, render_trees
from sources import ROOT

SITE = Case("edge-cameras")
COMPONENT = ROOT / "infra/kubernetes/components/workload-identity"
CLIENT = "6f1c0f6e-0c51-4b2b-9a0a-1d2f3a4b5c6d"
PARTS = {"versions": "", "stage": "stage/", "streams": "streams/"}


@pytest.fixture(scope="module")
def sites(kubectl: Path, tmp_path_factory: pytest.TempPathFactory) -> Trees:
    """Return a site whose overlay takes the component in each of its parts, or in one alone."""
    parts = {"whole": ("stage", "streams"), "account": ("stage",), "pods": ("streams", "versions"), "nobody": PARTS}
    trees = {name: with_identity(name, taken, NOBODY if name == "nobody" else CLIENT) for name, taken in parts.items()}
    return render_trees(kubectl, tmp_path_factory.mktemp("identity"), trees)


def with_identity(name: str, parts: object, client: str) -> dict[str, str]:
    """Return a site's tree, with the component where the overlay's parts say, for a client."""
    files = dict(SITE.files)
    for path in COMPONENT.iterdir():
        text = path.read_text(encoding="utf-8").replace(NOBODY, client)
        files[f"kubernetes/components/{COMPONENT.name}/{path.name}"] = text
    for part, folder in PARTS.items():
        path = f"kubernetes/overlays/edge-cameras/{folder}kustomization.yaml"
        up = "../../../" if folder else "../../"
        if part in parts:  # type: ignore[operator]
            components = {"components": [f"{up}components/{COMPONENT.name}"]}
            files[path] = yaml.safe_dump({**yaml.safe_load(files[path]), **components})
    root = yaml.safe_load(files["kustomization.yaml"])
    return {**files, "kustomization.yaml": yaml.safe_dump({**root, "namespace": name})}


def test_the_component_gives_the_account_its_annotation_and_the_pods_their_label(sites: Trees) -> None:
    (account,) = (one for one in sites.objects["whole"] if one["kind"] == "ServiceAccount")
    assert account["metadata"]["annotations"] == {CLIENT_ID: CLIENT}
    labelled = {one["kind"] for one in sites.objects["whole"] if is_labelled(one)}
    assert labelled == {"StatefulSet"}, "an overlay says which pods"
    assert list(identity_problems(sites.objects["whole"])) == []
    assert [text for one in sites.objects["whole"] for text in problems(one)] == []


def is_labelled(one: Object) -> bool:
    template = one.get("spec", {}).get("template", {})
    return template.get("metadata", {}).get("labels", {}).get(USES_IDENTITY) == "true"


@pytest.mark.parametrize(
    "name, says",
    [
        ("account", f"visionline: names a {CLIENT_ID}, and no pod of it is labelled"),
        ("pods", f"streams: is labelled {USES_IDENTITY}, and its account names no {CLIENT_ID}"),
        ("nobody", f"visionline: {CLIENT_ID} {NOBODY} is nobody's: give the output serving_client_id"),
    ],
)
def test_half_an_identity_or_nobodys_is_refused(sites: Trees, name: str, says: str) -> None:
    assert any(text.startswith(says) for text in identity_problems(sites.objects[name]))


def test_no_tree_has_half_an_identity_or_nobodys(rendered_trees: Trees) -> None:
    found = {case.name: list(identity_problems(rendered_trees.objects[case.name])) for case in CASES}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_a_selector_never_asks_for_the_label(sites: Trees) -> None:
    workloads = [one for one in sites.objects["nobody"] if one["kind"] in ("Deployment", "StatefulSet")]
    assert workloads and all(is_labelled(one) for one in workloads)
    assert not any(USES_IDENTITY in one["spec"]["selector"]["matchLabels"] for one in workloads)
