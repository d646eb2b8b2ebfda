"""Reads what `terraform show -json PLAN` and `az deployment sub what-if --no-pretty-print` say will change.

It reads files and runs neither. Formats: developer.hashicorp.com/terraform/internals/json-format and
learn.microsoft.com/rest/api/resources/deployments/what-if (az leaves out the outer `properties`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError
from mlops.infra.change import CREATE, DELETE, DEPLOYMENT, KEEP, REPLACE, UNCLEAR, UPDATE, Change
from mlops.infra.kinds import azure_kind
from mlops.infra.told import read_told

TERRAFORM, BICEP = "terraform", "bicep"
WAY_OUT = "give `terraform show -json PLAN` or `az deployment sub what-if --no-pretty-print`"
# In Terraform's words, `forget` leaves the resource in Azure; `read` is of data sources.
_ACTIONS = {
    ("no-op",): KEEP,
    ("create",): CREATE,
    ("update",): UPDATE,
    ("delete",): DELETE,
    ("delete", "create"): REPLACE,
    ("create", "delete"): REPLACE,
}
# Ignored resources are in the group but not in the template: they stay as they are, and are no concern of it.
_CHANGE_TYPES = {
    "Create": CREATE,
    "Modify": UPDATE,
    "Delete": DELETE,
    "NoChange": KEEP,
    "NoEffect": KEEP,
    "Deploy": UNCLEAR,
    "Unsupported": UNCLEAR,
}
# How what-if's diagnostics begin that say it has not looked into a nested deployment: ...ShortCircuited, where its
# parameters are known later only, and ...SkippedFromInternalExpansion, where there are too many.
_NOT_LOOKED_INTO = "NestedDeployment"


def read_plan(path: Path, language: str | None = None) -> list[Change]:
    """Return all changes that a file announces, those that keep a resource among them.

    Without a language the file says itself which it is. Raises ConfigError where the file is no plan, or is of a
    deployment that failed to be planned.
    """
    content = _load(path)
    found = TERRAFORM if "resource_changes" in content else BICEP if _what_if(content, "changes") is not None else None
    if found is None or language not in (None, found):
        raise ConfigError(f"{path}: holds no plan{f' of {language}' if language else ''}: {WAY_OUT}")
    try:
        return list(_of_terraform(content) if found == TERRAFORM else _of_what_if(content))
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: is no whole plan ({type(error).__name__} {error}): {WAY_OUT}") from None


def _load(path: Path) -> dict[str, Any]:
    content = read_told(path, WAY_OUT)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no plan: {WAY_OUT}")
    failure = content.get("error")
    if failure or content.get("errored"):
        reason = failure.get("message", failure) if isinstance(failure, Mapping) else "Terraform says: errored"
        raise ConfigError(f"{path}: the plan failed ({' '.join(str(reason).split())}): mend that and plan again")
    return content


def _of_terraform(content: Mapping[str, Any]) -> Iterator[Change]:
    for one in content["resource_changes"]:
        change = one["change"]
        actions = tuple(change["actions"])
        if one.get("mode") == "data" or actions == ("read",):
            continue
        before, after = _state(change.get("before")), _state(change.get("after"))
        unknown = change.get("after_unknown") or {}
        action = _ACTIONS.get(actions, UNCLEAR)
        cause = f"Terraform says {', '.join(actions)}" if action == UNCLEAR else ""
        kind = azure_kind(one["type"], after or before)
        paths = _differing(before, after, unknown) if action in (UPDATE, REPLACE) else ()
        yield Change(action, kind, one["address"], before, after, paths, unknown, cause)


def _state(state: dict[str, Any] | None) -> dict[str, Any]:
    # The azapi provider has what Azure is sent within `body`.
    body = (state or {}).get("body")
    return {**(state or {}), **(body if isinstance(body, dict) else {})}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], unknown: Any) -> tuple[str, ...]:
    names = {*before, *after}
    later = {name for name in names if isinstance(unknown, Mapping) and unknown.get(name) is True}
    return tuple(sorted(name for name in names if name in later or before.get(name) != after.get(name)))


def _what_if(content: Mapping[str, Any], key: str) -> Any:
    inner = content.get("properties")
    return content.get(key, inner.get(key) if isinstance(inner, Mapping) else None)


def _of_what_if(content: Mapping[str, Any]) -> Iterator[Change]:
    for one in _what_if(content, "changes"):
        if one["changeType"] == "Ignore":
            continue
        action = _CHANGE_TYPES.get(one["changeType"], UNCLEAR)
        before, after = one.get("before") or {}, one.get("after") or {}
        cause = one.get("unsupportedReason") or f"Azure says {one['changeType']}"
        paths = tuple(_changed_paths(one.get("delta") or ()))
        where = _below_group(one["resourceId"])
        yield Change(action, _kind_of(one["resourceId"]), where, before, after, paths, None, cause)
    yield from map(_potential, _what_if(content, "potentialChanges") or ())
    for one in _what_if(content, "diagnostics") or ():
        if (code := str(one.get("code"))).startswith(_NOT_LOOKED_INTO):
            where = _below_group(one.get("target") or DEPLOYMENT)
            yield Change(UNCLEAR, DEPLOYMENT, where, {}, {}, cause=f"what-if has not looked into it ({code})")


def _potential(one: Mapping[str, Any]) -> Change:
    """Return what may happen, where a condition or a name is known later only; then there may be no id yet."""
    known, after = str(one.get("resourceId") or ""), one.get("after") or {}
    kind = _kind_of(known) if known else str(after.get("type") or DEPLOYMENT)
    where = _below_group(known) if known else str(one.get("symbolicName") or kind)
    cause = f"what-if says {one['changeType']}, and only perhaps"
    return Change(UNCLEAR, kind, where, one.get("before") or {}, after, cause=cause)


def _changed_paths(delta: Any) -> Iterator[str]:
    yield from (one["path"] for one in delta if one.get("propertyChangeType") != "NoEffect")


def _kind_of(resource_id: str) -> str:
    head, found, tail = resource_id.rpartition("/providers/")
    if not found:
        return "Microsoft.Resources/resourceGroups"
    namespace, *rest = tail.split("/")
    return "/".join([namespace, *rest[::2]])


def _below_group(resource_id: str) -> str:
    parts = resource_id.split("/")
    at = next((index for index, part in enumerate(parts) if part.lower() == "resourcegroups"), None)
    below = parts[at + 2 :] if at is not None else parts
    return "/".join(below[1:] if below[:1] == ["providers"] else below) or resource_id
