"""What a manifest must be before a cluster may have it: pure rules over rendered objects, each yields problems.

Pod Security "restricted" is that of https://kubernetes.io/docs/concepts/security/pod-security-standards/,
as of Kubernetes 1.33, which added image volumes (kubernetes/kubernetes pull request 130394).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]
Rule = Callable[[Object], Iterator[str]]

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
CLIENT_ID, USES_IDENTITY = "azure.workload.identity/client-id", "azure.workload.identity/use"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOBODY = "00000000-0000-0000-0000-000000000000"
DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
VOLUMES = {
    *("name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim"),
    *("projected", "secret"),
}
HOST_KEYS = ("hostNetwork", "hostPID", "hostIPC")
PROFILES = ("RuntimeDefault", "Localhost")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# Keys of a security context that "baseline", and so "restricted", leaves as they are by default.
UNTOUCHED = ("seLinuxOptions", "procMount", "windowsOptions", "appArmorProfile", "sysctls")


def problems(one: Object) -> list[str]:
    """Return what each rule finds in one object: nothing where it holds no pod."""
    return [problem for rule in RULES for problem in rule(one)] if one["kind"] in WORKLOADS else []


def identity_problems(objects: Iterable[Object]) -> Iterator[str]:
    """Yield what keeps pods of a tree from acting as an identity of Entra ID: its half, or an identity of nobody."""
    known = list(objects)
    accounts = {one["metadata"]["name"]: one["metadata"] for one in known if one["kind"] == "ServiceAccount"}
    clients = {name: (one.get("annotations") or {}).get(CLIENT_ID) for name, one in accounts.items()}
    acting = set()
    for one in known:
        if one["kind"] in WORKLOADS and one["spec"]["template"]["metadata"]["labels"].get(USES_IDENTITY) == "true":
            acting.add(_pod(one).get("serviceAccountName"))
            if not clients.get(_pod(one).get("serviceAccountName")):
                yield f"{one['metadata']['name']}: is labelled {USES_IDENTITY}, and its account names no {CLIENT_ID}"
    for name, client in clients.items():
        if client and not UUID.fullmatch(client) or client == NOBODY:
            yield f"{name}: {CLIENT_ID} {client} is nobody's: give the output serving_client_id"
        if client and name not in acting:
            yield f"{name}: names a {CLIENT_ID}, and no pod of it is labelled {USES_IDENTITY}"


def images_by_digest(one: Object) -> Iterator[str]:
    """Yield each image, of a container or of a volume, that a tag names, or nothing."""
    mounted = [volume["image"].get("reference", "") for volume in _pod(one).get("volumes", []) if "image" in volume]
    for image in [*(container.get("image", "") for container in _containers(one)), *mounted]:
        if not DIGEST.fullmatch(image):
            yield f"image {image!r} is not named by its digest"


def requests_and_limits(one: Object) -> Iterator[str]:
    """Yield each container that does not say what it needs, or that may take a node's memory."""
    for container in _containers(one):
        resources = container.get("resources", {})
        absent = [f"requests.{name}" for name in ("cpu", "memory") if name not in resources.get("requests", {})]
        absent += ["limits.memory"] if "memory" not in resources.get("limits", {}) else []
        if absent:
            yield f"container {container['name']} has no {', '.join(absent)}"


def probes(one: Object) -> Iterator[str]:
    """Yield each container that lacks a probe. What runs to its end, an init container, needs none."""
    for container in _pod(one).get("containers", []):
        absent = [probe for probe in PROBES if probe not in container]
        if absent and one["kind"] != "Job":
            yield f"container {container['name']} has no {', '.join(absent)}"


def no_token(one: Object) -> Iterator[str]:
    """Yield where a pod is given a token of the cluster's API, which none of ours asks anything."""
    if _pod(one).get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false"


def read_only_root(one: Object) -> Iterator[str]:
    """Yield each container that may write into its own image."""
    for container in _containers(one):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"container {container['name']} may write to its root"


def restricted_pod(one: Object) -> Iterator[str]:
    """Yield what Pod Security refuses of a pod as a whole."""
    pod = _pod(one)
    yield from (f"{key} is set" for key in HOST_KEYS if pod.get(key))
    for volume in pod.get("volumes", []):
        yield from (f"volume {volume['name']}: {kind}" for kind in sorted(set(volume) - VOLUMES))
    yield from (f"pod: {key} is set" for key in UNTOUCHED if key in pod.get("securityContext", {}))


def restricted_containers(one: Object) -> Iterator[str]:
    """Yield what Pod Security refuses of a container; what the pod says holds for those that say nothing."""
    shared = _pod(one).get("securityContext", {})
    for container in _containers(one):
        own = container.get("securityContext", {})
        both = {**shared, **own}
        wrong = {
            "privileged": own.get("privileged", False),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
            "runAsNonRoot": both.get("runAsNonRoot") is not True,
            "runAsUser": both.get("runAsUser") == 0,
            "seccompProfile": both.get("seccompProfile", {}).get("type") not in PROFILES,
            "capabilities.drop": "ALL" not in own.get("capabilities", {}).get("drop", []),
            "capabilities.add": not set(own.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"},
            "hostPort": any("hostPort" in port for port in container.get("ports", [])),
            **{key: key in own for key in UNTOUCHED},
        }
        yield from (
            f"container {container['name']}: {key} is not restricted" for key, is_wrong in wrong.items() if is_wrong
        )


RULES: tuple[Rule, ...] = (
    images_by_digest,
    requests_and_limits,
    probes,
    no_token,
    read_only_root,
    restricted_pod,
    restricted_containers,
)


def _pod(one: Object) -> Object:
    pod: Object = one["spec"]["template"]["spec"]
    return pod


def _containers(one: Object) -> list[Object]:
    pod = _pod(one)
    return [*pod.get("initContainers", []), *pod.get("containers", [])]
