"""Datastores of a workspace: names for containers of storage accounts, and the keys to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route
from azurefake.tokens import ACCOUNT_KEY

if TYPE_CHECKING:
    from azurefake.state import Azure


def add(azure: Azure, workspace: str, name: str, account: str, container: str, is_default: bool = False) -> None:
    """Make a datastore over a container. Its key is handed out; see `use_entra` for one without."""
    azure.put(
        f"{workspace}/datastores/{name}",
        {
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": account,
                "containerName": container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "credentials": {"credentialsType": "AccountKey"},
                "serviceDataAccessAuthIdentity": "None",
                "isDefault": is_default,
                "tags": {},
                "properties": {},
            }
        },
    )


def use_entra(azure: Azure) -> None:
    """Let no datastore have a key: storage is opened by the caller's own token."""
    for id, body in azure.resources.items():
        if "/datastores/" in id:
            body["properties"]["credentials"] = {"credentialsType": "None"}


@route("GET", WS + "/datastores")
def all_of_workspace(azure: Azure, request: Request, **names: str) -> Answer:
    """Answer the datastores of a workspace, only the default one where the query asks for it."""
    above = request.path.rpartition("/")[0]
    found = azure.children(above, "datastores")
    if request.query.get("isDefault", "").lower() == "true":
        found = [one for one in found if one["properties"]["isDefault"]]
    return Answer(body={"value": found})


@route("GET", WS + "/datastores/{name}")
def get(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer a datastore, without its key."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Could not find datastore {name}.")


@route("POST", WS + "/datastores/{name}/listSecrets")
def secrets(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer a datastore's key."""
    found = azure.get(request.path.rpartition("/")[0])
    if found is None:
        return refusal(404, "UserError", f"Could not find datastore {name}.")
    kind = found["properties"]["credentials"]["credentialsType"]
    if kind != "AccountKey":
        return refusal(400, "UserError", f"Datastore {name} has no secret.")
    return Answer(body={"secretsType": kind, "key": ACCOUNT_KEY})
