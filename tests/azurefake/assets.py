"""What models, data, components and environments have alike: a container for a name, and versions below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azurefake.message import Answer, Request

if TYPE_CHECKING:
    from azurefake.state import Azure

VIEWS = {"activeonly": (False,), "archivedonly": (True,), "all": (False, True)}


def container_body(given: dict[str, Any], known: dict[str, Any] | None) -> dict[str, Any]:
    """Return a container's body: what was known of it, changed by what is given."""
    empty: dict[str, Any] = {
        "description": None,
        "tags": {},
        "properties": {},
        "isArchived": False,
        "provisioningState": "Succeeded",
    }
    said = {key: value for key, value in given.items() if value is not None}
    return {"properties": {**empty, **(known["properties"] if known else {}), **said}}


def next_version(azure: Azure, container: str) -> str:
    """Return the number after the highest one of a container's versions that are numbers."""
    numbers = [int(one["name"]) for one in azure.children(container, "versions") if one["name"].isdigit()]
    return str(max(numbers, default=0) + 1)


def visible(found: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Return those of a list that listViewType lets be seen: what is not archived, where the query says nothing."""
    view = VIEWS[request.query.get("listViewType", "ActiveOnly").lower()]
    return [one for one in found if one["properties"].get("isArchived", False) in view]


def listed(azure: Azure, request: Request, container: str) -> Answer:
    """Answer the visible versions of a container: the newest first, at most $top of them."""
    found = visible(azure.children(container, "versions"), request)[::-1]
    wanted = request.query.get("hash")
    if wanted is not None:
        found = [one for one in found if one["properties"].get("properties", {}).get("hash") == wanted]
    return Answer(body={"value": found[: int(request.query.get("$top", len(found) or 1))]})
