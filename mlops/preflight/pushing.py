"""What a registry of images answered, as lines: whether it is there, lets this user in, and lets `package` push."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection
from typing import Any

from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning

CHECK = "image registry"
LOGIN = "image login"
PARAMETER = re.compile(r'(\w+)="([^"]*)"')
PUSH = "push"


def challenge(header: str) -> tuple[str, dict[str, str]]:
    """Return how a registry wants to be asked (`bearer`, `basic`), and with what (realm, service).

    Source: distribution.github.io, "Token Authentication Specification".
    """
    scheme, _, rest = header.strip().partition(" ")
    return scheme.lower(), dict(PARAMETER.findall(rest))


def granted(token: str, repository: str) -> set[str] | None:
    """Return what a token allows on a repository, None where that can't be read from it."""
    try:
        part = token.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        access = [one for one in claims["access"] if one["type"] == "repository" and one["name"] == repository]
        return {str(action) for one in access for action in one["actions"]}
    except (LookupError, ValueError, TypeError):
        return None


def push_line(repository: str, actions: Collection[str] | None) -> CheckLine:
    """Return whether `package` may push to a repository; `actions` None: the registry's token does not say."""
    if actions is None:
        return warning(LOGIN, f"{repository}: let in; whether it may push shows at the first push alone")
    if PUSH in actions or "*" in actions:
        return ok(LOGIN, f"{repository}: may be pushed to")
    seen = ", ".join(sorted(actions)) or "nothing"
    return failure(LOGIN, f"{repository}: allowed is {seen}, not push: give this login the role to push (ACR: AcrPush)")


def missing_line(host: str) -> CheckLine:
    """Return that nobody is logged in: a pipeline may do that later."""
    return warning(LOGIN, f"nobody is logged in to {host} here: before `package`, `az acr login` or `docker login`")


def unread_line(host: str) -> CheckLine:
    """Return that the login lies where it is not looked at."""
    return warning(LOGIN, f"a helper program keeps the login to {host}: whether it may push was not looked at")
