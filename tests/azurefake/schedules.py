"""Schedules of a workspace: made, changed, deleted. Time does not pass here: none ever starts its job.

Source: learn.microsoft.com/rest/api/azureml, "Schedules".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route

if TYPE_CHECKING:
    from azurefake.state import Azure

SCHEDULES = WS + "/schedules"
STAMP = {"createdBy": "someone", "createdByType": "Application", "createdAt": "2026-01-01T00:00:00Z"}


@route("GET", SCHEDULES)
def all_of_workspace(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the schedules of a workspace: those that are enabled, where the query does not ask for others."""
    above = request.path.rpartition("/")[0]
    view = request.query.get("listViewType", "EnabledOnly").lower()
    wanted = {"enabledonly": (True,), "disabledonly": (False,), "all": (True, False)}[view]
    found = [one for one in azure.children(above, "schedules") if one["properties"]["isEnabled"] in wanted]
    return Answer(body={"value": found})


@route("GET", SCHEDULES + "/{name}")
def get(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer one schedule."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Schedule {name} was not found.")


@route("PUT", SCHEDULES + "/{name}")
def change(azure: Azure, request: Request, **names: str) -> Answer:
    """Start to make a schedule or to change one."""
    known = azure.get(request.path)
    empty = {"description": None, "tags": {}, "properties": {}, "isEnabled": True, "provisioningState": "Updating"}
    body = azure.put(request.path, {"properties": {**empty, **request.json["properties"]}, "systemData": STAMP})

    def finish() -> None:
        body["properties"]["provisioningState"] = "Succeeded"

    return Answer(200 if known else 201, body, azure.operation(finish))


@route("DELETE", SCHEDULES + "/{name}")
def delete(azure: Azure, request: Request, **names: str) -> Answer:
    """Start to delete a schedule; one that is not there is none of its business."""
    if azure.get(request.path) is None:
        return Answer(204)

    def finish() -> None:
        azure.delete(request.path)

    return Answer(202, None, azure.operation(finish))
