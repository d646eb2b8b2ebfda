"""Tokens of the fake identity platform, and which requests are refused without one.

A token is a JWT whose signature is the marked secret: what leaks one can be found by a search for that.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from azurefake.message import Request

# Valid as base64 of both kinds, so that it can stand in a token, in an account's key and in a signed address as it is.
MARK = "s3cr3tMarkerThatMustNotLeak00000"
SECRET = MARK
ACCOUNT_KEY = SECRET * 2
TENANT = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
PRINCIPAL = "44444444-4444-4444-4444-444444444444"
# Host, or what it ends with -> the audiences of tokens that it takes.
MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
AUDIENCES = {
    "management.azure.com": MANAGEMENT,
    ".blob.core.windows.net": ("https://storage.azure.com",),
    ".api.azureml.ms": (*MANAGEMENT, "https://ml.azure.com"),
    ".experiments.azureml.net": (*MANAGEMENT, "https://ml.azure.com"),
}


def now() -> float:
    """Return the time of the fake's clock, in seconds since 1970."""
    return time.time()


def token(audience: str, seconds: float) -> str:
    """Return a token for an audience that holds for so long."""
    made = now()
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": made,
        "nbf": made,
        "exp": made + seconds,
        "oid": PRINCIPAL,
        "appid": CLIENT,
        "tid": TENANT,
        "idtyp": "app",
    }
    return ".".join((_encoded({"typ": "JWT", "alg": "RS256"}), _encoded(claims), SECRET))


def claims_of(text: str) -> dict[str, Any] | None:
    """Return the claims of a token that the fake made, or None where it did not."""
    parts = text.split(".")
    if len(parts) != 3 or parts[2] != SECRET:
        return None
    return json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))


def needs_token(request: Request) -> bool:
    """Tell whether this host lets nobody in without a token; where a workspace's services are, it tells everybody."""
    return _audiences(request.host) is not None and request.path != "/discovery"


def refused(request: Request) -> str:
    """Return why a request's token does not hold, or nothing where it does, or a storage key or signature does."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if _is_signed(request, kind):
        return ""
    claims = claims_of(given) if kind == "Bearer" else None
    if claims is None:
        return "Authentication failed. The 'Authorization' header is missing or no token of this tenant."
    if claims["exp"] <= now():
        return "The access token expiry UTC time is earlier than current UTC time."
    if claims["aud"].rstrip("/") not in (_audiences(request.host) or ()):
        return f"The access token has been obtained for wrong audience: {claims['aud']}."
    return ""


def _is_signed(request: Request, kind: str) -> bool:
    is_storage = request.host.endswith(".blob.core.windows.net")
    return is_storage and (kind == "SharedKey" or request.query.get("sig") == SECRET)


def _audiences(host: str) -> tuple[str, ...] | None:
    return next((AUDIENCES[end] for end in AUDIENCES if host.endswith(end)), None)


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
