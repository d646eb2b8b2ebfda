"""What a step asked of Azure, for comparing it with what is written down in tests/azurefake/golden.

What changes something is kept in its order: method, path and body, with all that differs from run to run (ids, times,
digests, tokens, folders) replaced by what it is. Files that go to storage are sent side by side, so those that follow
each other stand as one, and what is only read as a sorted list without repetitions. A login is left out.

To write the files anew after a change that was meant: `VISIONLINE_WRITE_GOLDEN=1`, and look at the difference. The
tests fail in that run, so that no pipeline can pass by writing what it should check.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from azurefake.message import Request

GOLDEN = Path(__file__).with_name("azurefake") / "golden"
WRITE = "VISIONLINE_WRITE_GOLDEN"
LOGIN = ("login.microsoftonline.com", "127.0.0.1")
# Asked by POST, and changing nothing.
ASKED = ("/listsecrets", "/listkeys", "/token", "/score")
STORAGE = ".blob.core.windows.net"
# A container that the service makes for one upload of code. Else each new file of the project would be a request.
CODE = re.compile(r"(https://[^/]+/<id>/).*")
VARYING = (
    (re.compile(r"eyJ[\w-]+\.[\w.-]+"), "<token>"),
    (re.compile(r"https?://127\.0\.0\.1:\d+"), "<host>"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"(?<=training-)\d{8}-\d{6}-[0-9a-f]{6}"), "<time and number>"),
    (re.compile(r"(?<=/mfeOperationsStatus/)\d+"), "<number>"),
    (re.compile(r"(?<=/mfeOperationResults/)\d+"), "<number>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?"), "<time>"),
    (re.compile(r"(?<![0-9a-zA-Z])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-zA-Z])"), "<digest>"),
)


def plain(value: Any, places: dict[str, str]) -> Any:
    """Return a JSON value in which what differs from run to run is replaced by what it is."""
    if isinstance(value, dict):
        return {plain(key, places): plain(one, places) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one, places) for one in value]
    return _plain_text(value, places) if isinstance(value, str) else value


def summary(requests: Iterable[Request], places: dict[str, str]) -> dict[str, Any]:
    """Return what was asked; `places` has a word for each text that is this run's own, as a folder."""
    asked = [one for one in requests if _is_counted(one)]
    changes = [one for one in asked if _changes(one)]
    reads = {_read(one, places) for one in asked if not _changes(one)}
    return {"changes": _folded(changes, places), "reads": sorted(reads)}


def difference(step: str, found: dict[str, Any]) -> str:
    """Return in a line where a step's requests are not those that are written down; empty where they are.

    Raises AssertionError after it wrote them down, where the environment asks for that.
    """
    file = GOLDEN / f"{step}.json"
    if os.environ.get(WRITE):
        file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        raise AssertionError(f"{file.name} is written: look at the difference, and run again without {WRITE}")
    return first_difference(json.loads(file.read_text(encoding="utf-8")), json.loads(json.dumps(found)), step)


def _changes(request: Request) -> bool:
    return request.method not in ("GET", "HEAD") and not request.path.lower().endswith(ASKED)


def _is_counted(request: Request) -> bool:
    # A lock is renewed by the clock, in the middle of whatever else is asked.
    return request.host not in LOGIN and request.query.get("comp") != "lease"


def _address(request: Request, places: dict[str, str]) -> str:
    return str(plain(f"https://{request.host}{request.path}", places))


def _folded(requests: list[Request], places: dict[str, str]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for is_storage, group in groupby(requests, lambda one: one.host.endswith(STORAGE)):
        if is_storage:
            entries.append({"storage": sorted({_stored(one, places) for one in group})})
        else:
            entries += [_entry(one, places) for one in group]
    return entries


def _stored(request: Request, places: dict[str, str]) -> str:
    return CODE.sub(r"\1*", f"{request.method} {_address(request, places)}")


def _read(request: Request, places: dict[str, str]) -> str:
    address = _address(request, places)
    # Which file is looked at first is for the file system to say.
    shown = "/".join([*address.split("/")[:4], "*"]) if request.host.endswith(STORAGE) else address
    return f"{request.method} {shown}"


def _entry(request: Request, places: dict[str, str]) -> dict[str, Any]:
    version = request.query.get("api-version")
    body = plain(request.json, places) if request.body else None
    return {"method": request.method, "address": _address(request, places), "api-version": version, "body": body}


def _plain_text(text: str, places: dict[str, str]) -> str:
    for own, word in places.items():
        text = text.replace(own, word)
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text


def first_difference(wanted: Any, found: Any, where: str) -> str:
    """Return the first place where two JSON values differ, with what is there; empty where they are the same."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        keys = sorted({*wanted, *found})
        return next(
            filter(None, (first_difference(wanted.get(key), found.get(key), f"{where}.{key}") for key in keys)), ""
        )
    if isinstance(wanted, list) and isinstance(found, list):
        pairs = enumerate(zip(wanted, found, strict=False))
        first = next(filter(None, (first_difference(*pair, f"{where}[{number}]") for number, pair in pairs)), "")
        counted = f"{where}: {len(found)} instead of {len(wanted)}" if len(wanted) != len(found) else ""
        return first or counted
    return "" if wanted == found else f"{where}: {found!r} instead of {wanted!r}"
