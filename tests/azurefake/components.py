"""Components of a workspace: the anonymous ones that a pipeline's steps are made of, named by their content.

Source: learn.microsoft.com/rest/api/azureml, "Component Versions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azurefake.assets import container_body
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

VERSIONS = WS + "/components/{name}/versions"


@route("GET", VERSIONS + "/{version}")
def version(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Answer one version."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Component {name}:{version} not found.")


@route("PUT", VERSIONS + "/{version}")
def define(azure: Azure, request: Request, **names: str) -> Answer:
    """Make a version of code and an environment that are there; it never changes."""
    known, given = azure.get(request.path), request.json["properties"]
    spec = given["componentSpec"]
    for id in (spec.get("code"), spec["environment"]):
        if id and azure.get(id.removeprefix("azureml:")) is None:
            return refusal(400, "UserError", f"{id} was not found.")
    if known and _lasting(spec) != _lasting(known["properties"]["componentSpec"]):
        return refusal(400, "UserError", "A component's version can't be changed.")
    above = request.path.rpartition("/versions/")[0]
    if azure.get(above) is None:
        azure.put(above, container_body({}, None))
    return Answer(200 if known else 201, azure.put(request.path, {"properties": _properties(given)}))


def _lasting(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: spec.get(key) for key in ("command", "code", "environment", "inputs", "outputs")}


def _properties(given: dict[str, Any]) -> dict[str, Any]:
    empty = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
    return {**empty, "provisioningState": "Succeeded", **{key: one for key, one in given.items() if one is not None}}
