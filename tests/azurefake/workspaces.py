"""Azure ML workspaces: made by a test, read by clients."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from azurefake import datastores
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

REGION = "westeurope"
ID = "55555555-5555-5555-5555-555555555555"
PROVIDERS = "/subscriptions/{subscription}/resourceGroups/{group}/providers"


def add_workspace(
    azure: Azure,
    subscription: str = "11111111-1111-1111-1111-111111111111",
    group: str = "rg",
    name: str = "ws",
    account: str = "fakestore",
) -> str:
    """Make a workspace with its default datastore on a storage account of its own; return its ARM id."""
    id = WS.format(subscription=subscription, group=group, workspace=name)
    azure.put(id, _body(PROVIDERS.format(subscription=subscription, group=group), name, account))
    datastores.add(azure, id, "workspaceblobstore", account, "azureml-blobstore", is_default=True)
    datastores.add(azure, id, "workspaceartifactstore", account, "azureml")
    return id


def _body(providers: str, name: str, account: str) -> dict[str, Any]:
    return {
        "location": REGION,
        "tags": {},
        "identity": {"type": "SystemAssigned", "principalId": ID, "tenantId": ID},
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "properties": {
            "friendlyName": name,
            "description": "",
            "storageAccount": f"{providers}/Microsoft.Storage/storageAccounts/{account}",
            "keyVault": f"{providers}/Microsoft.Keyvault/vaults/kv-{name}",
            "applicationInsights": f"{providers}/Microsoft.insights/components/ai-{name}",
            "containerRegistry": f"{providers}/Microsoft.ContainerRegistry/registries/acr{name}",
            "hbiWorkspace": False,
            "provisioningState": "Succeeded",
            "workspaceId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{providers}/{name}")),
            "discoveryUrl": f"https://{REGION}.api.azureml.ms/discovery",
            "mlFlowTrackingUri": f"azureml://{REGION}.api.azureml.ms/mlflow/v1.0{providers}"
            f"/Microsoft.MachineLearningServices/workspaces/{name}",
            "publicNetworkAccess": "Enabled",
            "systemDatastoresAuthMode": "accesskey",
        },
    }


@route("GET", WS)
def get(azure: Azure, request: Request, workspace: str, **names: str) -> Answer:
    """Answer a workspace."""
    found = azure.get(request.path)
    if found is None:
        said = f"The Resource 'Microsoft.MachineLearningServices/workspaces/{workspace}' was not found."
        return refusal(404, "ResourceNotFound", said)
    return Answer(body=found)


@route("GET", WS.rpartition("/")[0])
def all_of_group(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the workspaces of a resource group."""
    above, _, segment = request.path.rpartition("/")
    return Answer(body={"value": azure.children(above, segment)})
