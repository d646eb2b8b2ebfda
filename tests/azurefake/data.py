"""Data assets of a workspace: names and their versions, whose path never changes.

Source: learn.microsoft.com/rest/api/azureml, "Data Versions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azurefake.assets import container_body, listed, visible
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

DATA = WS + "/data"
VERSIONS = DATA + "/{name}/versions"
LASTING = ("dataUri", "dataType")


@route("GET", DATA)
def containers(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the names of the workspace's data assets."""
    above = request.path.rpartition("/")[0]
    return Answer(body={"value": visible(azure.children(above, "data"), request)})


@route("GET", VERSIONS)
def versions(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer the versions of a name, the newest first."""
    above = request.path.rpartition("/")[0]
    if azure.get(above) is None:
        return refusal(404, "UserError", f"Could not find asset with name {name}.")
    return listed(azure, request, above)


@route("GET", VERSIONS + "/{version}")
def version(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Answer one version."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Could not find asset {name}:{version}.")


@route("PUT", VERSIONS + "/{version}")
def publish(azure: Azure, request: Request, **names: str) -> Answer:
    """Make a version, or change what may change of one."""
    known, given = azure.get(request.path), request.json["properties"]
    if known and any(given.get(key) != known["properties"].get(key) for key in LASTING):
        return refusal(400, "UserError", "Asset paths are immutable.")
    above = request.path.rpartition("/versions/")[0]
    if azure.get(above) is None:
        azure.put(above, container_body({"dataType": given.get("dataType")}, None))
    return Answer(200 if known else 201, azure.put(request.path, {"properties": _properties(given)}))


def _properties(given: dict[str, Any]) -> dict[str, Any]:
    empty = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
    return {**empty, **{key: value for key, value in given.items() if value is not None}}
