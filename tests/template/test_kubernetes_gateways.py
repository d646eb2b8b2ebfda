"""The Gateway of each overlay is one that its controller takes up, and whose pods the stage's namespace lets run."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifest_policy import restricted_containers
from mlops.adapters.kubernetes.live import ANNOTATION_PORT
from rendered_trees import CASES, Case, Object, Trees, render_trees
from sources import ROOT

ENFORCED = "pod-security.kubernetes.io/enforce"
COMPONENTS = ROOT / "infra/kubernetes/components"
# Where a controller looks for a listener's port: Traefik among its entry points, Istio makes what it is asked for.
PORTS = {"traefik": 8000, "approuting-istio": 80, "istio": 80}
# What Istio sets of the pods that it makes for a Gateway: manifests/charts/istio-control/.../kube-gateway.yaml. Its one
# sysctl is among those that "restricted" calls safe.
ISTIO: Object = {
    "securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]},
    "containers": [
        {
            "name": "istio-proxy",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "runAsUser": 1337,
            },
        }
    ],
}


@pytest.fixture(scope="module")
def istio(kubectl: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """Return production's tree with Istio's own gateway in place of AKS'."""
    files = dict(Case("production").files)
    for path in (COMPONENTS / "gateway-istio").iterdir():
        files[f"kubernetes/components/gateway-istio/{path.name}"] = path.read_text(encoding="utf-8")
    place = "kubernetes/overlays/production/gateway/kustomization.yaml"
    files[place] = files[place].replace("gateway-aks", "gateway-istio")
    root = yaml.safe_load(files["kustomization.yaml"])
    files["kustomization.yaml"] = yaml.safe_dump({**root, "namespace": "of-istio"})
    return render_trees(kubectl, tmp_path_factory.mktemp("istio"), {"of-istio": files}).objects["of-istio"]


def of_kind(objects: list[Object], kind: str) -> Object:
    (found,) = (one for one in objects if one["kind"] == kind)
    return dict(found)


def merged(one: Any, patch: Any) -> Any:
    """Return a pod with a patch merged into it, as Istio does; no list is in such a patch."""
    if not isinstance(patch, dict):
        return patch
    return {**one, **{key: merged(one.get(key, {}), value) for key, value in patch.items()}}


def test_a_listener_has_a_port_that_its_controller_knows_and_says_at_which_it_is_reached(rendered_trees: Trees) -> None:
    for case in CASES:
        for gateway in rendered_trees.of(case, "Gateway"):
            (listener,) = gateway["spec"]["listeners"]
            assert listener["port"] == PORTS[gateway["spec"]["gatewayClassName"]], case.name
            assert gateway["metadata"].get("annotations", {}).get(ANNOTATION_PORT, str(listener["port"])) == "80"


def test_a_namespace_is_less_strict_only_where_aks_makes_a_gateways_pods_in_it(rendered_trees: Trees) -> None:
    for case in CASES:
        labels = rendered_trees.one(case, "Namespace", case.name)["metadata"]["labels"]
        classes = {one["spec"]["gatewayClassName"] for one in rendered_trees.of(case, "Gateway")}
        assert labels[ENFORCED] == ("baseline" if classes == {"approuting-istio"} else "restricted"), case.name
        assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("warn", "audit")} == {"restricted"}
        assert bool(classes) == (case.traffic == "gateway")


def test_the_pods_of_istios_own_gateway_are_restricted_by_what_is_added_to_them(istio: list[Object]) -> None:
    assert of_kind(istio, "Namespace")["metadata"]["labels"][ENFORCED] == "restricted"
    gateway = of_kind(istio, "Gateway")
    reference = gateway["spec"]["infrastructure"]["parametersRef"]
    (options,) = (one for one in istio if one["metadata"]["name"] == reference["name"])
    assert (reference["kind"], reference["group"], options["kind"]) == ("ConfigMap", "", "ConfigMap")
    assert options["metadata"]["namespace"] == gateway["metadata"]["namespace"]
    made: Object = {"kind": "Deployment", "spec": {"template": {"spec": deepcopy(ISTIO)}}}
    assert list(restricted_containers(made)) == ["container istio-proxy: seccompProfile is not restricted"]
    assert list(restricted_containers(merged(made, yaml.safe_load(options["data"]["deployment"])))) == []
