"""Registries that workspaces share: where they are found, their models, and the import of a workspace's model.

Source: azure-ai-ml 1.35.2, `_utils/_registry_utils.py`: the data plane, api-version 2021-10-01-dataplanepreview. What
an import carries over is the files, the description and the properties; that it leaves the tags behind is a guess. So a
registry can be made that gets no properties either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from azurefake import models, operations
from azurefake.assets import listed
from azurefake.message import Answer, Request, refusal
from azurefake.routes import ARM, GROUP, route
from azurefake.tokens import SECRET, TENANT

if TYPE_CHECKING:
    from azurefake.state import Azure

REGION = "westeurope"
PLANE = f"cert-{REGION}.experiments.azureml.net"
MFE = "/mferp/managementfrontend"
REGISTRY = GROUP + "/providers/Microsoft.MachineLearningServices/registries/{registry}"
MODELS = MFE + REGISTRY + "/models"
VERSION = MODELS + "/{name}/versions/{version}"
SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
BARE = "registries whose imports leave the properties behind"


def add_registry(
    azure: Azure, name: str = "shared", subscription: str = SUBSCRIPTION, group: str = "rg", properties: bool = True
) -> str:
    """Make a registry with storage of its own; return its ARM id. `properties`: imports bring a model's along."""
    id = REGISTRY.format(subscription=subscription, group=group, registry=name)
    if not properties:
        azure.more.setdefault(BARE, set()).add(name)
    azure.put(id, {"location": REGION, "properties": {"publicNetworkAccess": "Enabled"}})
    return id


@route("GET", "/registrymanagement/v1.0/registries/{registry}/discovery", "*.api.azureml.ms")
def discovery(azure: Azure, request: Request, registry: str) -> Answer:
    """Answer in whose subscription a registry is, and who answers for its assets."""
    found = _registry(azure, registry)
    if found is None:
        return refusal(404, "RegistryNotFound", f"Registry {registry} was not found.")
    parts = found["id"].split("/")
    return Answer(
        body={
            "registryName": registry,
            "tenantId": TENANT,
            "subscriptionId": parts[2],
            "resourceGroup": parts[4],
            "primaryRegion": REGION,
            "regions": [REGION],
            "registryFqdns": {REGION: {"uri": PLANE}},
            "primaryRegionResourceProviderUri": f"https://{PLANE}/",
        }
    )


@route("GET", REGISTRY)
def get(azure: Azure, request: Request, registry: str, **names: str) -> Answer:
    """Answer a registry as a resource."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "ResourceNotFound", f"Registry {registry} was not found.")


@route("GET", MODELS, PLANE)
def containers(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the names of the registry's models."""
    return models.containers(azure, _inner(request))


@route("GET", MODELS + "/{name}", PLANE)
def container(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer one name, with the version that would come next."""
    return models.container(azure, _inner(request), name)


@route("GET", MODELS + "/{name}/versions", PLANE)
def versions(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer the versions of a name: none of one that is unknown, or the SDK could not share a first version."""
    return listed(azure, _inner(request), _inner(request).path.rpartition("/")[0])


@route("GET", VERSION, PLANE)
def version(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Answer one version."""
    return models.version(azure, _inner(request), name, version)


@route("PUT", VERSION, PLANE)
def register(azure: Azure, request: Request, registry: str, name: str, version: str, **names: str) -> Answer:
    """Make a version, or change one; known when the operation has ended."""
    inner = _inner(request)
    answer = models.register(azure, inner, name, version)
    if answer.status < 300:
        answer.body["id"] = _asset(registry, name, version)
        return replace(answer, headers=_operation(azure))
    return answer


@route("PUT", MFE + REGISTRY + "/tempdatarefs/{name}/versions/{version}", PLANE)
def upload_place(azure: Azure, request: Request, registry: str, name: str, version: str, **names: str) -> Answer:
    """Answer where the files of a version that is not there yet may be written to."""
    if azure.get(_inner(request).path.replace("/tempdatarefs/", "/models/")):
        return refusal(409, "Conflict", f"{request.json['assetId']} already exists.")
    return _place(f"{_storage(registry)}/{name}-{version}")


@route("POST", MFE + REGISTRY + "/datarefs/{name}/versions/{version}", PLANE)
def download_place(azure: Azure, request: Request, registry: str, name: str, version: str, **names: str) -> Answer:
    """Answer where the files of a version can be read."""
    return _place("/".join(request.json["blobUri"].split("/")[:4]))


@route("POST", MFE + REGISTRY + "/import", PLANE)
def share(azure: Azure, request: Request, registry: str, **names: str) -> Answer:
    """Copy a workspace's model to the registry, in an operation; a source that is not there makes it fail."""
    wanted = request.json["properties"]
    source = _source(azure, wanted["sourceAssetId"])
    if source is None:
        return refusal(404, "UserError", f"{wanted['sourceAssetId']} was not found.")
    name, version = wanted["destinationName"], wanted["destinationVersion"]
    above = f"{_inner(request).path.rpartition('/')[0]}/models/{name}"
    if azure.get(f"{above}/versions/{version}"):
        return refusal(409, "UserError", f"{_asset(registry, name, version)} already exists.")

    def finish() -> None:
        place = f"{_storage(registry)}/{name}-{version}"
        uri = _copied(azure, source["properties"]["modelUri"], place)
        kept = {**source["properties"], "modelUri": uri, "tags": {}}
        if registry in azure.more.get(BARE, ()):
            kept["properties"] = {}
        models.keep(azure, f"{above}/versions/{version}", {"id": _asset(registry, name, version), "properties": kept})

    return Answer(202, None, _operation(azure, finish))


@route("GET", MFE + operations.STATUSES, PLANE)
def status(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer how an operation stands."""
    return operations.status(azure, request, **names)


@route("GET", MFE + operations.RESULTS, PLANE)
def result(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer what a finished import has to say: nothing, which makes the SDK ask for the model."""
    return Answer(200)


def _registry(azure: Azure, name: str) -> dict[str, Any] | None:
    found = (body for id, body in azure.resources.items() if id.endswith(f"/registries/{name.lower()}"))
    return next(found, None)


def _inner(request: Request) -> Request:
    return replace(request, path=request.path.removeprefix(MFE))


def _asset(registry: str, name: str, version: str) -> str:
    return f"azureml://registries/{registry}/models/{name}/versions/{version}"


def _storage(registry: str) -> str:
    return f"https://registry{registry.replace('-', '')}.blob.core.windows.net"


def _place(url: str) -> Answer:
    credential = {"credentialType": "SAS", "sasUri": f"{url}?sv=2024-11-04&sr=c&sig={SECRET}"}
    return Answer(body={"blobReferenceForConsumption": {"blobUri": url, "credential": credential}})


def _operation(azure: Azure, finish: Callable[[], None] = lambda: None) -> dict[str, str]:
    headers = azure.operation(finish)
    here = headers["Azure-AsyncOperation"].replace(f"https://{ARM}", f"https://{PLANE}{MFE}")
    ended = here.replace("mfeOperationsStatus", "mfeOperationResults")
    return {**headers, "Azure-AsyncOperation": here, "Location": ended}


def _source(azure: Azure, asset: str) -> dict[str, Any] | None:
    # azureml://locations/REGION/workspaces/GUID/models/NAME/versions/VERSION
    guid, rest = asset.split("/")[5], "/".join(asset.split("/")[6:])
    found = (id for id, body in azure.resources.items() if body["properties"].get("workspaceId") == guid)
    workspace = next(found, None)
    return azure.get(f"{workspace}/{rest}") if workspace else None


def _copied(azure: Azure, uri: str, place: str) -> str:
    datastore, _, path = uri.removeprefix("azureml:/").partition("/paths/")
    group, _, rest = datastore.partition("/workspaces/")
    store = azure.resources[f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{rest}".lower()]
    source = (store["properties"]["accountName"], store["properties"]["containerName"])
    account, container = place.removeprefix("https://").partition(".")[0], place.rpartition("/")[2]
    found = [key for key in azure.blobs if key[:2] == source and f"{key[2]}/".startswith(f"{path.rstrip('/')}/")]
    for key in found:
        azure.blobs[(account, container, key[2])] = azure.blobs[key]
    return f"{place}/{path}"
