"""Preflight of the registry that `package` pushes to: asks whether it is there and lets this user push. It only reads.

A token is asked for as skopeo does it, with the login that skopeo would take; what the token allows stands in it. So
nothing is uploaded to find that out.

Sources: the OCI distribution specification ("end-1", GET /v2/); distribution.github.io, "Token Authentication
Specification" and "Oauth2 Token Authentication".
"""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit

from mlops.adapters.images.acr import login_to
from mlops.adapters.images.logins import Login, login_of
from mlops.config import Stage
from mlops.delivery.carried import repository
from mlops.errors import RegistryError
from mlops.images import is_plain
from mlops.names import IMAGE_KINDS
from mlops.ports import CheckLine
from mlops.preflight import pushing
from mlops.preflight.line import failure, guarded, ok

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 1024 * 1024
MEND = "log in again, or mend images.registry of the stage file"


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    challenge: str
    body: bytes


@dataclass(frozen=True)
class ImagesPreflight:
    """What a stage needs of its registry of images."""

    stage: Stage

    def lines(self) -> Iterator[CheckLine]:
        """Yield a line per check; none where the stage names no registry."""
        if self.stage.images.registry:
            yield from guarded(pushing.CHECK, self._lines(), is_needed=True)

    def _lines(self) -> Iterator[CheckLine]:
        registry = self.stage.images.registry
        host = registry.partition("/")[0]
        root = f"{'http' if is_plain(registry) else 'https'}://{host}"
        reply = _get(f"{root}/v2/")
        if reply.status not in (200, 401):
            yield failure(pushing.CHECK, f"{host} answers {reply.status} to /v2/, as no registry does: {MEND}")
            return
        yield ok(pushing.CHECK, f"{host} answers")
        if reply.status == 401:
            yield from self._of_login(root, reply)

    def _of_login(self, root: str, reply: Reply) -> Iterator[CheckLine]:
        registry = self.stage.images.registry
        host = registry.partition("/")[0]
        login = login_of(registry) or login_to(host)
        scheme, told = pushing.challenge(reply.challenge)
        if login is None:
            yield pushing.missing_line(host)
        elif login.is_elsewhere:
            yield pushing.unread_line(host)
        elif scheme == "basic":
            yield _let_in(host, root, login)
        else:
            for path in _repositories(self.stage):
                yield _by_token(path, told, login)


def open_preflight(stage: Stage) -> ImagesPreflight:
    """Return what looks at the registry of a stage's images."""
    return ImagesPreflight(stage)


def _repositories(stage: Stage) -> list[str]:
    """Return the repositories that `package` pushes to, without the host."""
    return [repository(stage, kind).partition("/")[2] for kind in IMAGE_KINDS]


def _let_in(host: str, root: str, login: Login) -> CheckLine:
    status = _get(f"{root}/v2/", {"Authorization": login.basic}).status
    if status == 200:
        return pushing.push_line(host, None)
    return failure(pushing.LOGIN, f"{host} answers {status} to {login.user}: {MEND}")


def _by_token(path: str, told: Mapping[str, str], login: Login) -> CheckLine:
    realm, asked = told.get("realm", ""), {"scope": f"repository:{path}:pull,push"}
    parts = urlsplit(realm)
    if parts.scheme != "https" and not is_plain(parts.netloc):
        return failure(pushing.LOGIN, f"{realm or 'no address'}: a login is sent by https alone: {MEND}")
    if "service" in told:
        asked["service"] = told["service"]
    if login.refresh:
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh, "client_id": "visionline", **asked}
        reply = _get(realm, {}, urlencode(form).encode())
    else:
        reply = _get(f"{realm}?{urlencode(asked)}", {"Authorization": login.basic})
    if reply.status != 200:
        return failure(pushing.LOGIN, f"{parts.netloc} answers {reply.status} to {login.user}: {MEND}")
    return pushing.push_line(path, pushing.granted(_token(reply.body), path))


def _token(body: bytes) -> str:
    try:
        found: Any = json.loads(body)
        return str(found.get("token") or found.get("access_token") or "")
    except (ValueError, AttributeError):
        return ""


def _get(url: str, headers: Mapping[str, str] | None = None, form: bytes | None = None) -> Reply:
    """Return an answer, whatever its status. Raises RegistryError where there is none."""
    request = urllib.request.Request(url, form, dict(headers or {}))
    try:
        with urllib.request.build_opener(_StayHere).open(request, timeout=TIMEOUT_SECONDS) as answer:
            return Reply(answer.status, "", answer.read(LARGEST_ANSWER))
    except HTTPError as error:
        with error:
            return Reply(error.code, error.headers.get("WWW-Authenticate") or "", b"")
    except (URLError, OSError, http.client.HTTPException, ValueError) as error:
        said = getattr(error, "reason", None) or type(error).__name__
        raise RegistryError(f"{urlsplit(url).netloc}: {said}: {MEND}") from None


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Follow no redirect: the login is for this address."""
