"""Tracker on Azure DevOps: work items of the type Task, which every process has, with the cause as a tag.

What a state is called differs between processes; its category does not: an item is open where that is neither Completed
nor Removed. The identity needs "Edit work items in this node".

Sources: learn.microsoft.com/rest/api/azure/devops: Wiql - Query By Wiql, Work Items - List, Create, Update, Work Item
Type States - List; "Add work item tags" for what a tag may hold.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from mlops.adapters.azuredevops.login import NOT_TAKEN, open_api
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.issues import MARK, Issue
from mlops.ports import Secrets
from mlops.records import Origin
from mlops.rest import Refused, Rest, field_of, persistently

T = TypeVar("T")
API = "api-version=7.1"
TYPE = "Task"
PATCHES = {"Content-Type": "application/json-patch+json"}
COMPLETED, REMOVED = "Completed", "Removed"
TITLE, TEXT, STATE, TAGS, HISTORY = (f"System.{name}" for name in ("Title", "Description", "State", "Tags", "History"))
IDS_AT_ONCE = 200
ADVICE = {
    302: NOT_TAKEN,
    401: NOT_TAKEN,
    403: "the identity needs to edit work items in the project's area",
    404: "the project is not there, has no Boards, or the identity does not see it",
}


@dataclass(frozen=True)
class AzureDevOpsTracker:
    """Work items of a project; `secret` names a token's secret, None takes SYSTEM_ACCESSTOKEN or the own identity."""

    secret: str | None

    def opened(self, origin: Origin, secrets: Secrets) -> tuple[str, ...]:
        """Return the keys of the open work items that bear the tag."""
        return self._ask(origin, secrets, lambda read, write: tuple(_open(read)))

    def show(self, issue: Issue, origin: Origin, secrets: Secrets) -> str | None:
        """Make a work item for a cause, or change the one that is open, and return its page."""
        number = self._ask(origin, secrets, lambda read, write: _show(read, write, issue))
        return f"{origin.api.rstrip('/')}/{quote(origin.project)}/_workitems/edit/{number}"

    def close(self, key: str, why: str, origin: Origin, secrets: Secrets) -> None:
        """Complete the open work item of a cause, with the reason in its discussion."""
        self._ask(origin, secrets, lambda read, write: _close(read, write, key, why))

    def _ask(self, origin: Origin, secrets: Secrets, work: Callable[[Rest, Rest], T]) -> T:
        if origin.host != "azure-devops":
            raise ConfigError(f"report: azure-devops, but this pipeline runs for {origin.host}: change the stage file")
        read = open_api(self.secret, origin, secrets)
        write = open_api(self.secret, origin, secrets, PATCHES)
        try:
            return persistently(lambda: work(read, write))
        except Refused as error:
            raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None


def open_tracker(stage: Stage) -> AzureDevOpsTracker:
    """Return the tracker of a stage that reports to Azure DevOps."""
    return AzureDevOpsTracker(stage.report_secret)


def _open(api: Rest) -> dict[str, dict[str, Any]]:
    """Return the open work items that bear the mark, by key; of two of a key the older one."""
    shut = {name for name, category in _states(api) if category in (COMPLETED, REMOVED)}
    found: dict[str, dict[str, Any]] = {}
    for item in sorted(_marked(api), key=lambda one: int(field_of(one, "id"))):
        fields = item.get("fields") or {}
        tags = [tag.strip() for tag in str(fields.get(TAGS) or "").split(";")]
        if fields.get(STATE) not in shut and MARK in tags:
            for key in (tag for tag in tags if tag.startswith("visionline/")):
                found.setdefault(key, item)
    return found


def _marked(api: Rest) -> Iterator[dict[str, Any]]:
    words = f"[System.TeamProject] = @project AND [{TAGS}] CONTAINS '{MARK}' AND [System.WorkItemType] = '{TYPE}'"
    answer = api.request("POST", f"/wit/wiql?{API}", {"query": f"SELECT [System.Id] FROM WorkItems WHERE {words}"})
    ids = [str(field_of(one, "id")) for one in (answer or {}).get("workItems") or ()]
    for start in range(0, len(ids), IDS_AT_ONCE):
        listed = ",".join(ids[start : start + IDS_AT_ONCE])
        fields = ",".join((TITLE, TEXT, STATE, TAGS))
        yield from api.request("GET", f"/wit/workitems?ids={listed}&fields={fields}&{API}").get("value") or ()


def _states(api: Rest) -> list[tuple[str, str]]:
    answer = api.request("GET", f"/wit/workitemtypes/{TYPE}/states?{API}")
    return [(str(one.get("name")), str(one.get("category"))) for one in (answer or {}).get("value") or ()]


def _show(read: Rest, write: Rest, issue: Issue) -> int:
    wanted = {TITLE: issue.title, TEXT: f"<pre>{html.escape(issue.body, quote=False)}</pre>"}
    known = _open(read).get(issue.key)
    if known is None:
        made = write.request(
            "POST", f"/wit/workitems/${TYPE}?{API}", _changes({**wanted, TAGS: f"{MARK}; {issue.key}"})
        )
        return int(field_of(made, "id"))
    number, fields = int(field_of(known, "id")), known.get("fields") or {}
    if any(_plain(fields.get(name)) != _plain(value) for name, value in wanted.items()):
        write.request("PATCH", f"/wit/workitems/{number}?{API}", _changes(wanted))
    return number


def _close(read: Rest, write: Rest, key: str, why: str) -> None:
    known = _open(read).get(key)
    done = next((name for name, category in _states(read) if category == COMPLETED), None)
    if known is not None and done is not None:
        closed = _changes({STATE: done, HISTORY: html.escape(why, quote=False)})
        write.request("PATCH", f"/wit/workitems/{field_of(known, 'id')}?{API}", closed)


def _changes(fields: dict[str, str]) -> list[dict[str, str]]:
    return [{"op": "add", "path": f"/fields/{name}", "value": value} for name, value in fields.items()]


def _plain(text: Any) -> str:
    """Return a field as it compares: Azure DevOps rewrites HTML's white space and entities."""
    return " ".join(html.unescape(str(text or "")).split())
