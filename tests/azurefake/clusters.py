"""AKS clusters: the kubeconfig of a user, as listClusterUserCredential gives it.

Source: learn.microsoft.com/rest/api/aks/managed-clusters/list-cluster-user-credentials.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import yaml

from azurefake.message import Answer, Request, refusal
from azurefake.routes import GROUP, route

if TYPE_CHECKING:
    from azurefake.state import Azure

CLUSTER = GROUP + "/providers/Microsoft.ContainerService/managedClusters/{name}"
SERVERS = "6dae42f8-4368-4678-94ff-3960e28e3630"
# What az would run to log in; where it is not installed, as on an agent, nothing of it works.
KUBELOGIN = {
    "apiVersion": "client.authentication.k8s.io/v1beta1",
    "command": "kubelogin",
    "args": ["get-token", "--login", "devicecode", "--server-id", SERVERS],
    "installHint": "kubelogin is not installed",
}


def add_cluster(azure: Azure, id: str, server: str, user: dict[str, Any] | None = None) -> None:
    """Let a cluster be there, by its ARM id, whose API answers at an address; `user` None: one of Entra ID."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"exec": KUBELOGIN} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    azure.put(id, {"kubeconfig": yaml.safe_dump(content)})


@route("POST", CLUSTER + "/listClusterUserCredential")
def credentials(azure: Azure, request: Request, subscription: str, group: str, name: str) -> Answer:
    """Answer with the kubeconfig of a user."""
    found = azure.get(request.path.rpartition("/")[0])
    if found is None:
        return refusal(404, "ResourceNotFound", f"The Resource 'managedClusters/{name}' was not found.")
    value = base64.b64encode(found["kubeconfig"].encode()).decode()
    return Answer(body={"kubeconfigs": [{"name": "clusterUser", "value": value}]})
