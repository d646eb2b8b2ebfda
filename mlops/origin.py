"""Where a training was started from: gathered from CI's own variables, and handed to the job as one word.

It asks nobody anything. In a job the word comes back through the input `origin` of mlops/jobs/training.yml: JSON in
base64url, which means nothing to any shell, whatever stands in a project's name.

Sources: GitHub's "Variables reference" for workflows; learn.microsoft.com, "Use predefined variables".
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError
from mlops.loading import build
from mlops.records import Origin

GITHUB_API = "https://api.github.com"


def here() -> Origin | None:
    """Return where this process was started from, or None outside CI."""
    return origin_of(os.environ, _event(os.environ.get("GITHUB_EVENT_PATH")))


def origin_of(variables: Mapping[str, str], event: Mapping[str, Any]) -> Origin | None:
    """Return the origin that CI's variables tell, or None. `event` is what started a GitHub workflow."""
    if variables.get("GITHUB_REPOSITORY") and variables.get("GITHUB_SHA"):
        return _github(variables, event)
    if variables.get("SYSTEM_COLLECTIONURI") and variables.get("BUILD_SOURCEVERSION"):
        return _azure_pipelines(variables)
    return None


def encoded(origin: Origin) -> str:
    """Return an origin as one word: letters, digits, hyphens and underscores."""
    plain = json.dumps(asdict(origin), sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def decoded(word: str) -> Origin:
    """Return the origin that `encoded` wrote. Raises ConfigError on any other word."""
    try:
        plain = json.loads(base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise ConfigError(
            "--origin: is not what `python -m mlops train` writes: leave it out, or copy it whole"
        ) from None
    return build(Origin, plain, "--origin")


def _github(variables: Mapping[str, str], event: Mapping[str, Any]) -> Origin:
    repository, run = variables["GITHUB_REPOSITORY"], variables.get("GITHUB_RUN_ID", "")
    server = variables.get("GITHUB_SERVER_URL", "https://github.com")
    pull = event.get("pull_request") or {}
    head = (pull.get("head") or {}).get("sha")
    return Origin(
        host="github",
        api=variables.get("GITHUB_API_URL", GITHUB_API),
        repository=repository,
        project="",
        commit=head or variables["GITHUB_SHA"],
        pull_request=str(pull["number"]) if pull.get("number") else None,
        run=run,
        link=f"{server}/{repository}/actions/runs/{run}" if run else None,
    )


def _azure_pipelines(variables: Mapping[str, str]) -> Origin:
    given = variables.get
    collection, project, run = (
        given("SYSTEM_COLLECTIONURI", ""),
        given("SYSTEM_TEAMPROJECT", ""),
        given("BUILD_BUILDID", ""),
    )
    is_github = given("BUILD_REPOSITORY_PROVIDER") == "GitHub"
    number = "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER" if is_github else "SYSTEM_PULLREQUEST_PULLREQUESTID"
    return Origin(
        host="github" if is_github else "azure-devops",
        api=GITHUB_API if is_github else collection,
        repository=given("BUILD_REPOSITORY_NAME" if is_github else "BUILD_REPOSITORY_ID", ""),
        project="" if is_github else project,
        commit=given("SYSTEM_PULLREQUEST_SOURCECOMMITID") or variables["BUILD_SOURCEVERSION"],
        pull_request=given(number) or None,
        run=run,
        link=f"{collection.rstrip('/')}/{project.replace(' ', '%20')}/_build/results?buildId={run}" if run else None,
    )


def _event(path: str | None) -> Mapping[str, Any]:
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}
