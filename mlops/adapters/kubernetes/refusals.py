"""What a cluster's API refuses, as one line that says what to do. No token gets into it."""

from __future__ import annotations

import json
import re
from typing import Any

from mlops import hiding
from mlops.errors import TargetError

LONGEST = 500
FORBIDDEN = re.compile(r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)"')
ADVICE = {
    401: "log in again: the kubeconfig's token or certificate is not taken",
    409: "somebody else changed it meanwhile: run the step again",
    422: "mend it in infra/kubernetes",
}
AGAIN = "run the step again; what was done stays done"


class Refused(TargetError):
    """The API's refusal. `details` are those of its Status: causes of a conflict."""

    def __init__(self, message: str, status: int, details: Any = None, reason: str = "") -> None:
        """Say what was refused, with which HTTP status and reason."""
        super().__init__(message)
        self.status = status
        self.details = details if isinstance(details, dict) else {}
        self.reason = reason


def refusal(status: int, body: bytes, what: str) -> Refused:
    """Return the error of an answer to `what`, as PATCH and its path."""
    said = _status(body)
    message, details, reason = str(said.get("message") or ""), said.get("details"), str(said.get("reason") or "")
    forbidden = FORBIDDEN.search(message)
    if status == 403 and forbidden:
        text = f"{forbidden['user']} may not {forbidden['verb']} {forbidden['resource']}{_where(message)}"
        return Refused(f"{text}: bind a role that may: `python -m mlops preflight` names all rights", 403, details)
    text = f"{what}: {status} {hidden(message or body.decode(errors='replace'))}"
    return Refused(f"{text.rstrip('.: ')}: {ADVICE.get(status, AGAIN)}", status, details, reason)


def hidden(text: str) -> str:
    """Return a text in one line, cut, and without what is secret."""
    return " ".join(hiding.hidden(text).split())[:LONGEST]


def _status(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _where(message: str) -> str:
    group = re.search(r'API group "([^"]+)"', message)
    namespace = re.search(r'namespace "([^"]+)"', message)
    return (f".{group[1]}" if group else "") + (f" in namespace {namespace[1]}" if namespace else "")
