"""Blob storage: containers made on demand, block blobs with metadata, conditions, ranges and leases.

Source: learn.microsoft.com/rest/api/storageservices, "Blob service REST API". Page and append blobs are left out.
"""

from __future__ import annotations

import base64
import hashlib
import math
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from azurefake.message import Answer, Request
from azurefake.routes import route
from azurefake.tokens import now

if TYPE_CHECKING:
    from azurefake.state import Azure

HOST = "*.blob.core.windows.net"
PATH = "/{container}/{name:path}"
DATE = "Sat, 01 Jan 2028 00:00:00 GMT"
Key = tuple[str, str, str]


@dataclass
class Side:
    """What is known of a blob beside its bytes. `lease` is the id of who holds it, `until` a time of the clock."""

    metadata: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, bytes] = field(default_factory=dict)
    lease: str = ""
    seconds: float = 0.0
    until: float = 0.0
    type: str = "application/octet-stream"
    encoding: str = ""


def url_of(key: Key) -> str:
    """Return the address of a blob, without a signature."""
    return f"https://{key[0]}.blob.core.windows.net/{key[1]}/{key[2]}"


def end_leases(azure: Azure) -> None:
    """Let all leases have run out, as if nobody had renewed one for a minute."""
    for side in azure.more.get("blobs", {}).values():
        side.until = 0.0


def side_of(azure: Azure, key: Key) -> Side:
    """Return what is kept beside a blob's bytes."""
    return azure.more.setdefault("blobs", {}).setdefault(key, Side())


@route("HEAD", PATH, HOST)
@route("GET", PATH, HOST)
def read(azure: Azure, request: Request, container: str, name: str) -> Answer:
    """Answer a blob, a range of it, or its properties."""
    key = _key(request, container, name)
    if key not in azure.blobs:
        return _refusal(404, "BlobNotFound")
    content, headers = azure.blobs[key], _headers(azure, key)
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    if request.method == "HEAD":
        return Answer(200, None, {**headers, "Content-Length": str(len(content)), "Accept-Ranges": "bytes"})
    if not asked:
        return Answer(200, content, headers)
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
    if start >= len(content):
        return _refusal(416, "InvalidRange")
    return Answer(206, content[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"})


@route("PUT", PATH, HOST)
def write(azure: Azure, request: Request, container: str, name: str) -> Answer:
    """Store a blob, a block of one, the list of its blocks, or its metadata; or take, keep and give back its lease."""
    key = _key(request, container, name)
    part = request.query.get("comp", "")
    if part == "lease":
        return _leased(azure, request, key)
    forbidden = _is_held(azure, request, key) or _is_unmet(azure, request, key)
    if forbidden:
        return forbidden
    side = side_of(azure, key)
    if part == "block":
        side.blocks[request.query["blockid"]] = request.body
        return Answer(201, None, {"x-ms-request-server-encrypted": "true"})
    if part in ("metadata", "properties"):
        return _described(azure, request, key)
    listed = _listed(request, side) if part == "blocklist" else request.body
    if listed is None:
        return _refusal(400, "InvalidBlockList")
    azure.blobs[key] = listed
    side.blocks.clear()
    _describe(side, request)
    return Answer(201, None, _headers(azure, key))


@route("DELETE", PATH, HOST)
def remove(azure: Azure, request: Request, container: str, name: str) -> Answer:
    """Delete a blob that nobody holds."""
    key = _key(request, container, name)
    if key not in azure.blobs:
        return _refusal(404, "BlobNotFound")
    forbidden = _is_held(azure, request, key) or _is_unmet(azure, request, key)
    if forbidden:
        return forbidden
    del azure.blobs[key]
    azure.more.get("blobs", {}).pop(key, None)
    return Answer(202)


@route("PUT", "/{container}", HOST)
@route("HEAD", "/{container}", HOST)
def contain(azure: Azure, request: Request, container: str) -> Answer:
    """Answer that a container is there: all are, once somebody asks."""
    return Answer(201 if request.method == "PUT" else 200, None, {"ETag": '"0x1"', "Last-Modified": DATE})


@route("GET", "/{container}", HOST)
def entries(azure: Azure, request: Request, container: str) -> Answer:
    """Answer the container's blobs whose names begin with a prefix, or the container's properties."""
    if request.query.get("comp") != "list":
        return contain(azure, request, container)
    account = request.host.partition(".")[0]
    prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
    found = sorted(key for key in azure.blobs if key[:2] == (account, container) and key[2].startswith(prefix))
    folders = {_folder(key[2], prefix, delimiter) for key in found} - {""}
    files = [_entry(azure, key) for key in found if not _folder(key[2], prefix, delimiter)]
    inner = "".join([*files, *(f"<BlobPrefix><Name>{escape(one)}</Name></BlobPrefix>" for one in sorted(folders))])
    text = f"<Prefix>{escape(prefix)}</Prefix><Blobs>{inner}</Blobs><NextMarker />"
    body = f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">{text}'
    return Answer(200, f"{body}</EnumerationResults>", {"Content-Type": "application/xml"})


def _key(request: Request, container: str, name: str) -> Key:
    return request.host.partition(".")[0], container, name


def _etag(content: bytes) -> str:
    return f'"0x{hashlib.md5(content).hexdigest()[:16].upper()}"'


def _headers(azure: Azure, key: Key) -> dict[str, str]:
    content, side = azure.blobs[key], side_of(azure, key)
    encoding = {"Content-Encoding": side.encoding} if side.encoding else {}
    return {
        "ETag": _etag(content),
        "Last-Modified": DATE,
        "Content-Type": side.type,
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": DATE,
        "x-ms-lease-state": "leased" if _holder(side) else "available",
        "x-ms-lease-status": "locked" if _holder(side) else "unlocked",
        "x-ms-blob-content-md5": base64.b64encode(hashlib.md5(content).digest()).decode(),
        **encoding,
        **{f"x-ms-meta-{name}": value for name, value in side.metadata.items()},
    }


def _described(azure: Azure, request: Request, key: Key) -> Answer:
    if key not in azure.blobs:
        return _refusal(404, "BlobNotFound")
    side = side_of(azure, key)
    if request.query["comp"] == "metadata":
        side.metadata = _metadata(request)
    return Answer(200, None, _headers(azure, key))


def _describe(side: Side, request: Request) -> None:
    side.metadata = _metadata(request)
    side.type = request.headers.get("x-ms-blob-content-type", "application/octet-stream")
    side.encoding = request.headers.get("x-ms-blob-content-encoding", "")


def _metadata(request: Request) -> dict[str, str]:
    start = "x-ms-meta-"
    return {name[len(start) :]: value for name, value in request.headers.items() if name.startswith(start)}


def _listed(request: Request, side: Side) -> bytes | None:
    wanted = [element.text or "" for element in ElementTree.fromstring(request.body)]
    known = all(block in side.blocks for block in wanted)
    return b"".join(side.blocks[block] for block in wanted) if known else None


def _is_held(azure: Azure, request: Request, key: Key) -> Answer | None:
    lease, given = _holder(side_of(azure, key)), request.headers.get("x-ms-lease-id", "")
    if lease and not given:
        return _refusal(412, "LeaseIdMissing")
    return _refusal(412, "LeaseIdMismatchWithBlobOperation") if lease != given and given else None


def _is_unmet(azure: Azure, request: Request, key: Key) -> Answer | None:
    content = azure.blobs.get(key)
    if request.headers.get("if-none-match") == "*" and content is not None:
        return _refusal(409, "BlobAlreadyExists")
    wanted = request.headers.get("if-match")
    if wanted and (content is None or wanted not in ("*", _etag(content))):
        return _refusal(412, "ConditionNotMet")
    return None


def _holder(side: Side) -> str:
    # Who held it last may still renew a lease that ran out, as long as nobody else took it.
    return side.lease if now() < side.until else ""


def _leased(azure: Azure, request: Request, key: Key) -> Answer:
    if key not in azure.blobs:
        return _refusal(404, "BlobNotFound")
    side, action = side_of(azure, key), request.headers["x-ms-lease-action"]
    given = request.headers.get("x-ms-lease-id", "")
    proposed = request.headers.get("x-ms-proposed-lease-id") or str(uuid.uuid4())
    if action == "acquire" and _holder(side) not in ("", proposed):
        return _refusal(409, "LeaseAlreadyPresent")
    if action in ("renew", "release", "change") and side.lease != given:
        return _refusal(409, "LeaseIdMismatchWithLeaseOperation")
    side.lease = {"acquire": proposed, "renew": given, "change": proposed}.get(action, "")
    if action == "acquire":
        side.seconds = float(request.headers["x-ms-lease-duration"])
    if action in ("acquire", "renew"):
        side.until = math.inf if side.seconds < 0 else now() + side.seconds
    status = {"acquire": 201, "break": 202}.get(action, 200)
    return Answer(status, None, {**_headers(azure, key), "x-ms-lease-id": side.lease, "x-ms-lease-time": "0"})


def _folder(name: str, prefix: str, delimiter: str) -> str:
    inner, found, _ = name[len(prefix) :].partition(delimiter or "\0")
    return f"{prefix}{inner}{delimiter}" if found else ""


def _entry(azure: Azure, key: Key) -> str:
    content, side = azure.blobs[key], side_of(azure, key)
    metadata = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in side.metadata.items())
    length = f"<Content-Length>{len(content)}</Content-Length><Content-Type>{side.type}</Content-Type>"
    properties = f"<Last-Modified>{DATE}</Last-Modified><Etag>{_etag(content)}</Etag>{length}"
    kind = "<BlobType>BlockBlob</BlobType>"
    named = f"<Name>{escape(key[2])}</Name><Properties>{properties}{kind}</Properties>"
    return f"<Blob>{named}<Metadata>{metadata}</Metadata></Blob>"


def _refusal(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Answer(status, body, {"Content-Type": "application/xml", "x-ms-error-code": code})
