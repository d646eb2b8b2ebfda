"""Each pod of each tree keeps to the rules of manifest_policy, and each rule refuses the manifest that breaks it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from manifest_policy import WORKLOADS, problems
from mlops.delivery.scaling import rivals
from rendered_trees import CASES, Object, Trees

GOOD: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "v", "namespace": "here"},
    "spec": {
        "template": {
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": "runtime",
                        "image": f"team.azurecr.io/runtime@sha256:{'0' * 64}",
                        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                        "startupProbe": {},
                        "readinessProbe": {},
                        "livenessProbe": {},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }
                ],
                "volumes": [{"name": "model", "image": {"reference": f"team.azurecr.io/model@sha256:{'0' * 64}"}}],
            }
        }
    },
}
POD, OWN = "", "containers.0."
# The key of the pod that is set, what it is set to, and what is said of it. "absent" takes the key away.
BROKEN: list[tuple[str, Any, str]] = [
    (OWN + "image", "team.azurecr.io/runtime:latest", "is not named by its digest"),
    (OWN + "image", "runtime", "is not named by its digest"),
    ("volumes.0.image.reference", "team.azurecr.io/model:7", "is not named by its digest"),
    ("initContainers", [{"name": "first", "image": "busybox"}], "'busybox' is not named by its digest"),
    (OWN + "resources.limits", {}, "has no limits.memory"),
    (OWN + "resources.requests", {"cpu": "1"}, "has no requests.memory"),
    (OWN + "readinessProbe", "absent", "has no readinessProbe"),
    (OWN + "startupProbe", "absent", "has no startupProbe"),
    (OWN + "livenessProbe", "absent", "has no livenessProbe"),
    ("automountServiceAccountToken", "absent", "automountServiceAccountToken"),
    ("automountServiceAccountToken", True, "automountServiceAccountToken"),
    (OWN + "securityContext.readOnlyRootFilesystem", "absent", "may write to its root"),
    (OWN + "securityContext.allowPrivilegeEscalation", "absent", "allowPrivilegeEscalation"),
    (OWN + "securityContext.privileged", True, "privileged"),
    (OWN + "securityContext.runAsNonRoot", False, "runAsNonRoot"),
    (OWN + "securityContext.runAsUser", 0, "runAsUser"),
    (OWN + "securityContext.capabilities", {"drop": ["NET_RAW"]}, "capabilities.drop"),
    (OWN + "securityContext.capabilities.add", ["SYS_ADMIN"], "capabilities.add"),
    (OWN + "securityContext.seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    (OWN + "securityContext.procMount", "Unmasked", "procMount"),
    (OWN + "ports", [{"containerPort": 80, "hostPort": 80}], "hostPort"),
    ("securityContext.runAsNonRoot", "absent", "runAsNonRoot"),
    ("securityContext.seccompProfile", "absent", "seccompProfile"),
    ("securityContext.sysctls", [{"name": "kernel.shmmax", "value": "1"}], "sysctls"),
    ("hostNetwork", True, "hostNetwork"),
    ("hostPID", True, "hostPID"),
    ("volumes", [{"name": "host", "hostPath": {"path": "/"}}], "hostPath"),
]


def pod_with(dotted: str, value: Any) -> Object:
    """Return the good Deployment with one key of its pod set, or taken away."""
    one = deepcopy(GOOD)
    *way, last = dotted.split(".")
    inner: Any = one["spec"]["template"]["spec"]
    for key in way:
        inner = inner[int(key) if key.isdecimal() else key]
    if value == "absent":
        del inner[last]
    else:
        inner[last] = value
    return one


def scaler(kind: str, name: str, target: str = "v") -> Object:
    """Return an autoscaler of a workload."""
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "here"},
        "spec": {"scaleTargetRef": {"name": target}},
    }


def test_each_pod_of_each_tree_keeps_to_the_rules(rendered_trees: Trees) -> None:
    assert [f"{name}: {text}" for name, one in rendered_trees.all() for text in problems(one)] == []


def test_there_are_pods_in_each_tree(rendered_trees: Trees) -> None:
    kinds = {case.name: {one["kind"] for one in rendered_trees.objects[case.name]} for case in CASES}
    assert [name for name, found in kinds.items() if not found & set(WORKLOADS)] == []


def test_a_good_pod_passes() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize("dotted, value, says", BROKEN)
def test_a_pod_that_breaks_a_rule_is_refused(dotted: str, value: Any, says: str) -> None:
    assert any(says in text for text in problems(pod_with(dotted, value)))


def test_no_workload_of_any_tree_has_two_scalers(rendered_trees: Trees) -> None:
    assert [rival for objects in rendered_trees.objects.values() for rival in rivals(objects)] == []


def test_two_scalers_of_one_workload_are_refused() -> None:
    both = [GOOD, scaler("HorizontalPodAutoscaler", "v"), scaler("ScaledObject", "lag")]
    assert list(rivals(both)) == ["here/v: HorizontalPodAutoscaler v and ScaledObject lag would fight: keep one"]
    assert list(rivals([*both[:2], scaler("ScaledObject", "lag", target="other")])) == []


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
@pytest.mark.parametrize("labels", [{"ml.azure.com/deployment-name": "blue"}, {"isazuremlapp": "true"}])
def test_a_scaler_of_what_azures_router_scales_is_refused(kind: str, labels: dict[str, str]) -> None:
    by_azure = deepcopy(GOOD)
    by_azure["spec"]["template"]["metadata"] = {"labels": labels}
    (rival,) = rivals([by_azure, scaler(kind, "mine")])
    assert rival.startswith(f"here/v: {kind} mine and Azure ML's router would fight")
    assert list(rivals([by_azure])) == []
