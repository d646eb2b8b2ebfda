"""Computes of a workspace: clusters that are made and resized, attached ones that a test puts there.

Source: learn.microsoft.com/rest/api/azureml, "Compute". No node runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

COMPUTES = WS + "/computes"
PRINCIPAL = "66666666-6666-6666-6666-666666666666"
LASTING = ("vmSize", "vmPriority")


@route("GET", COMPUTES)
def all_of_workspace(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the computes of a workspace."""
    above = request.path.rpartition("/")[0]
    return Answer(body={"value": azure.children(above, "computes")})


@route("GET", COMPUTES + "/{name}")
def get(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer one compute."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "ResourceNotFound", f"Compute '{name}' was not found.")


@route("PUT", COMPUTES + "/{name}")
def change(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Start to make a compute or to change one. `azure.more["computes"]` may hold the error that this ends with."""
    known, given = azure.get(request.path), request.json
    if known and _lasting(given) != _lasting(known):
        return refusal(400, "BadRequest", f"The size and the priority of {name} can't be changed.")
    error = azure.more.pop("computes", None)
    body = azure.put(request.path, _body(given, "Updating" if known else "Creating"))

    def finish() -> None:
        body["properties"]["provisioningState"] = "Failed" if error else "Succeeded"

    return Answer(200 if known else 201, body, azure.operation(finish, error=error))


@route("DELETE", COMPUTES + "/{name}")
def delete(azure: Azure, request: Request, **names: str) -> Answer:
    """Start to delete a compute."""

    def finish() -> None:
        azure.delete(request.path)

    return Answer(202, None, azure.operation(finish))


def _lasting(body: dict[str, Any]) -> list[str]:
    properties = body["properties"].get("properties") or {}
    return [str(properties.get(key)).lower() for key in LASTING]


def _body(given: dict[str, Any], state: str) -> dict[str, Any]:
    inner = dict(given["properties"].get("properties") or {})
    # Azure answers sizes in capitals, whatever it was given.
    inner["vmSize"] = str(inner.get("vmSize", "")).upper()
    inner["scaleSettings"] = {"minNodeCount": 0, **(inner.get("scaleSettings") or {})}
    identity = given.get("identity")
    known = {"identity": {**identity, "principalId": PRINCIPAL}} if identity else {}
    properties = {**given["properties"], "properties": inner, "provisioningState": state, "provisioningErrors": None}
    return {**given, **known, "properties": properties}
