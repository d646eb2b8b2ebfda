"""Models of a workspace: containers and their versions, which never change but for their tags and their archiving.

Source: learn.microsoft.com/rest/api/azureml, "Model Versions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azurefake.assets import container_body, listed, next_version, visible
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

MODELS = WS + "/models"
VERSIONS = MODELS + "/{name}/versions"
LASTING = ("modelUri", "modelType")


@route("GET", MODELS)
def containers(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the names of the workspace's models."""
    above = request.path.rpartition("/")[0]
    return Answer(body={"value": visible(azure.children(above, "models"), request)})


@route("GET", MODELS + "/{name}")
def container(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer one name, with the version that would come next."""
    found = azure.get(request.path)
    if found is None:
        return refusal(404, "UserError", f"Model container with name: {name} not found.")
    properties = {**found["properties"], "nextVersion": next_version(azure, request.path)}
    return Answer(body={**found, "properties": properties})


@route("PUT", MODELS + "/{name}")
def change_container(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Make or change a name, as archiving all versions does."""
    known = azure.get(request.path)
    body = container_body(request.json["properties"], known)
    return Answer(200 if known else 201, azure.put(request.path, body))


@route("GET", VERSIONS)
def versions(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer the versions of a name: the newest first, at most $top of them."""
    above = request.path.rpartition("/")[0]
    if azure.get(above) is None:
        return refusal(404, "UserError", f"Model container with name: {name} not found.")
    return listed(azure, request, above)


@route("GET", VERSIONS + "/{version}")
def version(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Answer one version."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Model {name}:{version} not found.")


@route("PUT", VERSIONS + "/{version}")
def register(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Make a version, or change the tags, the description and the archiving of one."""
    known = azure.get(request.path)
    given = request.json["properties"]
    if known and any(given.get(key) not in (None, known["properties"].get(key)) for key in LASTING):
        return refusal(409, "UserError", f"A model with this name and version already exists: {name}:{version}.")
    if known and _changes(given.get("properties") or {}, known["properties"]["properties"]):
        return refusal(400, "UserError", "Properties of a model version can be added, and never be changed.")
    body = keep(azure, request.path, {"properties": _properties(given, known["properties"] if known else {})})
    return Answer(200 if known else 201, body)


def keep(azure: Azure, id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Keep a version, and the name that it is below."""
    above = id.rpartition("/versions/")[0]
    if azure.get(above) is None:
        azure.put(above, container_body({}, None))
    return azure.put(id, body)


def _changes(given: dict[str, Any], known: dict[str, Any]) -> bool:
    return any(key in given and given[key] != value for key, value in known.items())


def _properties(given: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {"description": None, "tags": {}, "isArchived": False, "isAnonymous": False, "stage": None}
    said = {key: value for key, value in given.items() if value is not None}
    lasting = {**known.get("properties", {}), **said.get("properties", {})}
    added: dict[str, Any] = {"flavors": {}, "jobName": None, "provisioningState": "Succeeded"}
    return {**empty, **added, **known, **said, "properties": lasting}
