"""Code of jobs: folders under a name, known by the hash of their content, uploaded by a signed address.

Source: learn.microsoft.com/rest/api/azureml, "Code Versions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azurefake.assets import container_body, listed
from azurefake.message import Answer, Request, refusal
from azurefake.routes import WS, route
from azurefake.tokens import SECRET

if TYPE_CHECKING:
    from azurefake.state import Azure

VERSIONS = WS + "/codes/{name}/versions"


@route("GET", VERSIONS)
def versions(azure: Azure, request: Request, name: str, **names: str) -> Answer:
    """Answer the versions of a name; of one hash, where the query has it, under whatever name they are."""
    above = request.path.rpartition("/")[0]
    wanted = request.query.get("hash")
    if wanted is None:
        return listed(azure, request, above)
    codes = azure.children(above.rpartition("/codes/")[0], "codes")
    found = [one for code in codes for one in azure.children(code["id"], "versions") if _hash_of(one) == wanted]
    return Answer(body={"value": found})


@route("POST", VERSIONS + "/{version}/startPendingUpload")
def start_upload(azure: Azure, request: Request, workspace: str, name: str, **names: str) -> Answer:
    """Answer a signed address of a container for this code alone."""
    account = azure.get(request.path.rpartition("/codes/")[0])["properties"]["storageAccount"].rpartition("/")[2]
    container = f"https://{account}.blob.core.windows.net/{name.lower()}"
    reference = {
        "blobUri": container,
        "storageAccountArmId": account,
        "credential": {"credentialType": "SAS", "sasUri": f"{container}?sv=2023-11-03&sr=c&sp=rcwl&sig={SECRET}"},
    }
    upload = {"pendingUploadId": name, "pendingUploadType": "TemporaryBlobReference"}
    return Answer(body={"blobReferenceForConsumption": reference, **upload})


@route("GET", VERSIONS + "/{version}")
def version(azure: Azure, request: Request, name: str, version: str, **names: str) -> Answer:
    """Answer one version."""
    found = azure.get(request.path)
    return Answer(body=found) if found else refusal(404, "UserError", f"Code {name}:{version} not found.")


@route("PUT", VERSIONS + "/{version}")
def define(azure: Azure, request: Request, **names: str) -> Answer:
    """Make a version; the path of one that is there never changes."""
    known, given = azure.get(request.path), request.json["properties"]
    if known and given.get("codeUri") != known["properties"].get("codeUri"):
        return refusal(400, "UserError", "Asset paths are immutable.")
    above = request.path.rpartition("/versions/")[0]
    if azure.get(above) is None:
        azure.put(above, container_body({}, None))
    return Answer(200 if known else 201, azure.put(request.path, {"properties": _properties(given)}))


def files_of(azure: Azure, id: str) -> dict[str, bytes]:
    """Return what was uploaded as a version of some code, by path: what a job's node finds in its folder."""
    found = azure.get(id.removeprefix("azureml:"))
    assert found is not None, id
    address = urlsplit(found["properties"]["codeUri"])
    container, _, above = address.path.strip("/").partition("/")
    with azure.lock:
        placed = {(*key[:2], f"/{key[2]}"): content for key, content in azure.blobs.items()}
    start = f"/{above}/" if above else "/"
    place = (address.netloc.partition(".")[0], container)
    return {
        key[2].removeprefix(start): one for key, one in placed.items() if key[:2] == place and key[2].startswith(start)
    }


def _hash_of(version: dict[str, Any]) -> str | None:
    return version["properties"]["properties"].get("hash_sha256")


def _properties(given: dict[str, Any]) -> dict[str, Any]:
    empty = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}
    return {**empty, "provisioningState": "Succeeded", **{key: one for key, one in given.items() if one is not None}}
