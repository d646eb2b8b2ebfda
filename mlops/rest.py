"""JSON over HTTPS to a service that throttles, fails now and then, and asks for a token: standard library only.

One request is one attempt; `persistently` repeats a whole piece of work, so that a write whose answer got lost is
looked for before it is made again. A token goes to the address that it was given for and nowhere else: redirects are
not followed. Proxies and certificates are those of the environment (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE).
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from mlops.errors import ConfigError, TargetError

T = TypeVar("T")

ATTEMPTS = 5
TIMEOUT_SECONDS = 20.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
LARGEST_ANSWER = 8 * 1024 * 1024
LONGEST_REASON = 200
TRANSIENT = (408, 429, 500, 502, 503, 504)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(TargetError):
    """A service said no, and would say so again. `status` is HTTP's."""

    status: int

    def __init__(self, message: str, status: int) -> None:
        """Keep the status beside the message."""
        super().__init__(message)
        self.status = status


class Unavailable(TargetError):
    """A service gave no answer, or asked to come again; `seconds` says when, None where it did not."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        """Keep the wait beside the message."""
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Rest:
    """A service's REST API. `secret` is what no message may show; `headers` go with each request."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ConfigError where the address would let a token be read on its way, or the token is none."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ConfigError(f"{self.url}: should begin with https://: no token is sent there")
        # http.client would quote it whole in its complaint.
        if not (self.secret.isascii() and self.secret.isprintable()):
            raise ConfigError(
                f"{parts.netloc}: the token holds a line break or another sign that no token has: mend it"
            )

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request to a path below the address and return the JSON that comes back.

        Raises Unavailable where another try may help, Refused where it won't.
        """
        what = f"{method} {urlsplit(self.url).netloc}{path.partition('?')[0]}"
        try:
            opener = urllib.request.build_opener(_StayHere)
            with opener.open(self._request(method, path, body), timeout=TIMEOUT_SECONDS) as answer:
                return _parsed(answer.status, answer.read(LARGEST_ANSWER), what)
        except HTTPError as error:
            raise self._refusal(error, what) from None
        except UnicodeError:
            raise Refused(f"{what}: the path is no address", 400) from None
        except (URLError, OSError, http.client.HTTPException) as error:
            said = getattr(error, "reason", None) or str(error) or type(error).__name__
            raise Unavailable(self._hidden(f"{what}: {said}")) from None

    def _request(self, method: str, path: str, body: Any) -> urllib.request.Request:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "visionline", **self.headers}
        return urllib.request.Request(f"{self.url.rstrip('/')}{path}", content, headers, method=method)

    def _refusal(self, error: HTTPError, what: str) -> TargetError:
        try:
            said = _message(error.read(LARGEST_ANSWER)) or error.reason
        except (OSError, http.client.HTTPException):
            said = error.reason
        message = self._hidden(f"{what}: {error.code} {said}")
        seconds = _asked_wait(error.headers)
        # GitHub throttles by 403, too, and says when to come again.
        if error.code in TRANSIENT or (error.code == 403 and seconds is not None):
            return Unavailable(message, seconds)
        return Refused(message, error.code)

    def _hidden(self, text: str) -> str:
        shown = text.replace(self.secret, "[hidden]") if self.secret else text
        return " ".join(shown.split())[:LONGEST_REASON]


def persistently(work: Callable[[], T], wait: Callable[[float], None] = time.sleep) -> T:
    """Return what `work` returns, trying again while it raises Unavailable, after growing waits or those asked for.

    Raises TargetError after ATTEMPTS tries, or at once where the wait asked for is too long.
    """
    for attempt in range(ATTEMPTS):
        try:
            return work()
        except Unavailable as error:
            seconds = FIRST_WAIT_SECONDS * 2**attempt if error.seconds is None else error.seconds
            if attempt + 1 == ATTEMPTS:
                raise TargetError(f"{error} (tried {ATTEMPTS} times)") from None
            if seconds > LONGEST_WAIT_SECONDS:
                raise TargetError(f"{error} (asks to wait {seconds:.0f} s)") from None
            wait(seconds)
    raise AssertionError("the last attempt returns or raises")


def field_of(answer: Any, key: str) -> Any:
    """Return a field of an answer. Raises Refused where the answer has none."""
    if not isinstance(answer, dict) or answer.get(key) is None:
        raise Refused(f"the answer has no '{key}'", 200)
    return answer[key]


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Follow no redirect: the token is for this address."""


def _parsed(status: int, content: bytes, what: str) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        # Azure DevOps answers a token that it does not know with 203 and its page to sign in.
        raise Refused(f"{what}: {status}, with a page instead of JSON: the token is not taken", 401) from None


def _message(content: bytes) -> str:
    try:
        body = json.loads(content)
    except ValueError:
        return ""
    found = body.get("message") if isinstance(body, dict) else None
    return found if isinstance(found, str) else ""


def _asked_wait(headers: Message) -> float | None:
    """Return the seconds that an answer asks to wait, or None where it does not say."""
    after = headers.get("Retry-After")
    if after is None:
        exhausted = headers.get("x-ratelimit-remaining") == "0"
        reset = headers.get("x-ratelimit-reset") or ""
        return max(float(reset) - time.time(), 0.0) if exhausted and reset.isdigit() else None
    if after.isdigit():
        return float(after)
    try:
        return max(parsedate_to_datetime(after).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None
