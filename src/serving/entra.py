"""Tokens of Microsoft Entra ID, verified by the tenant's published keys. An option: it needs PyJWT and cryptography.

The keys are fetched when a token names one that is not known, and once a day; those that are known stay where they
can't be fetched. It knows no request.

Sources: https://learn.microsoft.com/entra/identity-platform/access-tokens (issuers, aud, roles, scp),
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover; RFC 7519, RFC 8725.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from serving.errors import RequestError, ServingError, one_line

AUTHORITY = "https://login.microsoftonline.com"
V1_ISSUERS = ("https://sts.windows.net", "https://sts.chinacloudapi.cn")
FETCH_SECONDS = 5.0
FETCH_BYTES = 1024 * 1024
RETRY_SECONDS = 5.0  # after a fetch that failed
REFETCH_SECONDS = 60.0  # a key that nobody knows must not make every request fetch
STALE_SECONDS = 24 * 3600.0  # a key that the tenant took back is not trusted for longer
LEEWAY_SECONDS = 60
REMEMBERED = 4096
REASONS = {
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "it is not valid yet",
    "InvalidAlgorithmError": "it is not signed by RS256",
    "InvalidAudienceError": "it is for another audience",
    "InvalidIssuerError": "it is not of this tenant",
    "InvalidSignatureError": "its signature is wrong",
    "MissingRequiredClaimError": "it lacks exp, aud or iss",
}


@dataclass(eq=False)
class Entra:
    """One tenant's tokens for one audience, with one of the roles, or scopes, where some are named.

    Raises ServingError where the tenant is no id, or the authority is not to be trusted. For several threads.
    """

    tenant: str
    audience: str
    roles: frozenset[str] = frozenset()
    authority: str = AUTHORITY
    _keys: dict[str, Any] = field(default_factory=dict, repr=False)
    _fetch_after: float = 0.0
    _stale_after: float = 0.0
    _until: dict[bytes, float] = field(default_factory=dict, repr=False)
    _fetching: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _noting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if any(importlib.util.find_spec(name) is None for name in ("jwt", "cryptography")):
            hint = "install environments/serve/options/entra.txt"
            raise ServingError(f"--entra-tenant: needs PyJWT and cryptography: {hint}")
        self.tenant = _identity(self.tenant)
        self.authority = _trusted(self.authority)

    def knows(self, digest: bytes) -> bool:
        """Tell whether the token with this SHA-256 was verified before and is still in time. Quick."""
        return self._until.get(digest, 0.0) > time.time()

    def verify(self, token: str) -> None:
        """Verify a token; its signing key may be fetched for it.

        Raises RequestError: 401, 403 for want of a role, 503 where no keys could be fetched yet.
        """
        claims = self._claims(token)
        if self.roles and not self.roles & _roles(claims):
            raise RequestError(403, f"the token has none of the roles {', '.join(sorted(self.roles))}")
        self._remember(hashlib.sha256(token.encode(errors="replace")).digest(), float(claims["exp"]))

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(jwt.get_unverified_header(token).get("kid")),
                algorithms=["RS256"],  # said here: what the token says of itself decides nothing
                audience=self.audience,
                issuer=[f"{self.authority}/{self.tenant}/v2.0", *(f"{host}/{self.tenant}/" for host in V1_ISSUERS)],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
            return claims
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            reason = REASONS.get(type(error).__name__, "it is no signed token")
            raise RequestError(401, f"the token is refused: {reason}") from None

    def _remember(self, digest: bytes, until: float) -> None:
        with self._noting:
            if len(self._until) >= REMEMBERED:
                del self._until[next(iter(self._until))]  # the oldest; it is verified again where it comes again
            self._until[digest] = until

    def _key(self, name: Any) -> Any:
        """Return the signing key of a kid, fetching the keys where that may help; who comes meanwhile waits for it."""
        name = str(name)
        if name not in self._keys or time.monotonic() > self._stale_after:
            with self._fetching:
                self._refresh(is_needed=name not in self._keys)
        if not self._keys:
            raise RequestError(503, "the tenant's signing keys can't be fetched", math.ceil(RETRY_SECONDS))
        if name not in self._keys:
            raise RequestError(401, "the token is refused: its signing key is not one of the tenant's")
        return self._keys[name]

    def _refresh(self, is_needed: bool) -> None:
        now = time.monotonic()
        if now < self._fetch_after or not (is_needed or now > self._stale_after):
            return
        fetched = self._fetch()
        now = time.monotonic()
        if fetched:
            self._keys, self._stale_after = fetched, now + STALE_SECONDS
        self._fetch_after = now + (REFETCH_SECONDS if fetched else RETRY_SECONDS)

    def _fetch(self) -> dict[str, Any]:
        """Return the tenant's signing keys by their kid; none, after a line on stderr, where they can't be fetched."""
        import jwt

        address = f"{self.authority}/{self.tenant}/discovery/v2.0/keys"
        try:
            with urllib.request.urlopen(address, timeout=FETCH_SECONDS) as answer:
                known = jwt.PyJWKSet.from_dict(json.loads(answer.read(FETCH_BYTES)))
            return {one.key_id: one for one in known.keys if one.key_id and _signs(one)}
        except Exception as error:  # whatever comes from there must not cost the keys that are known
            print(f"{address}: no keys could be fetched: {one_line(error)}", file=sys.stderr, flush=True)
            return {}


def _signs(key: Any) -> bool:
    return key.algorithm_name == "RS256" and key.public_key_use in (None, "sig")


def _roles(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the roles of an application's or user's token, and the scopes that a user gave an application."""
    roles = claims.get("roles", [])
    return frozenset(map(str, roles if isinstance(roles, list) else [])) | set(str(claims.get("scp", "")).split())


def _identity(tenant: str) -> str:
    try:
        return str(UUID(tenant))  # as tokens write it
    except ValueError:
        raise ServingError(
            f"--entra-tenant: {tenant[:80]}: give the tenant's id, which tokens name, no domain"
        ) from None


def _trusted(authority: str) -> str:
    parts = urlsplit(authority)
    is_here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ServingError(f"--entra-authority: {authority[:80]}: give an https:// address: keys are trusted by it")
    return authority.rstrip("/")
