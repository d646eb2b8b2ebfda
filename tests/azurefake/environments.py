"""Environments of a workspace: names and their versions, each an image or a folder to build one from.

Source: learn.microsoft.com/rest/api/azureml, "Environment Versions". Nothing is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azurefake.assets import container_body, listed, visible
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

ENVIRONMENTS = WS + "/environments"
VERSIONS = ENVIRONMENTS + "/{name}/versions"
LASTING = ("build", "image", "condaFile")


@route("GET", ENVIRONMENTS)
def containers(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the names of the workspace's environments."""
    above = request.path.rpartition("/")[0]
    return Answer(body={"value": visible(azure.children(above, "environments"), request)})


@route("GET", VERSIONS)
def versions(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer the versions of a name, the newest first."""
    above = request.path.rpartition("/")[0]
    if azure.get(above) is None:
        return refusal(404, "UserError", f"Environment {name} not found.")
    return listed(azure, request, above)


@route("GET", VERSIONS + "/{version}")
def version(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Answer one version."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Environment {name}:{version} not found.")


@route("PUT", VERSIONS + "/{version}")
def define(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Make a version, or change the tags of one."""
    known, given = azure.get(request.path), request.json["properties"]
    if known and any(given.get(key) != known["properties"].get(key) for key in LASTING):
        return refusal(400, "UserError", f"Environment {name}:{version} exists, and an environment can't be changed.")
    above = request.path.rpartition("/versions/")[0]
    if azure.get(above) is None:
        azure.put(above, container_body({}, None))
    return Answer(200 if known else 201, azure.put(request.path, {"properties": _properties(given)}))


def _properties(given: dict[str, Any]) -> dict[str, Any]:
    empty = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
    made = {"environmentType": "UserCreated", "osType": "Linux", "provisioningState": "Succeeded"}
    return {**empty, **made, **{key: value for key, value in given.items() if value is not None}}
