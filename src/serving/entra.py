"""Tokens of Microsoft Entra ID, verified by the tenant's published keys. An option: it needs PyJWT and cryptography.

Sources: https://learn.microsoft.com/entra/identity-platform/access-tokens (validation, issuers, roles, scp); RFC 7519.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.errors import RequestError, ServingError

AUTHORITY = "https://login.microsoftonline.com"
FETCH_SECONDS = 10.0
REFETCH_SECONDS = 60.0  # a key that nobody knows must not make every request fetch
LEEWAY_SECONDS = 60
REMEMBERED = 4096


@dataclass
class Entra:
    """One tenant's tokens for one audience, with one of the roles, or scopes, where some are named."""

    tenant: str
    audience: str
    roles: tuple[str, ...] = ()
    authority: str = AUTHORITY
    _keys: dict[str, Any] = field(default_factory=dict)
    _fetched: float = field(default=float("-inf"))
    _until: dict[bytes, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(importlib.util.find_spec(name) is None for name in ("jwt", "cryptography")):
            raise ServingError(
                "--entra-tenant: needs PyJWT and cryptography: install environments/serve/options/entra.txt"
            )

    def knows(self, token: str) -> bool:
        """Tell whether a token was verified before and is still in time. Quick."""
        return self._until.get(_digest(token), 0.0) > time.time()

    def verify(self, token: str) -> None:
        """Verify a token; its signing key may be fetched for it. Raises RequestError: 401, 403 for want of a role."""
        import jwt

        try:
            key = self._key(str(jwt.get_unverified_header(token).get("kid")))
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],  # said here: what the token says of itself decides nothing
                audience=self.audience,
                issuer=[f"{self.authority}/{self.tenant}/v2.0", f"https://sts.windows.net/{self.tenant}/"],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise RequestError(401, f"the token is refused: {type(error).__name__}") from None
        if self.roles and not set(self.roles) & _roles(claims):
            raise RequestError(403, f"the token has none of the roles {', '.join(self.roles)}")
        self._remember(token, float(claims["exp"]))

    def _remember(self, token: str, until: float) -> None:
        if len(self._until) >= REMEMBERED:
            now = time.time()
            self._until = {digest: end for digest, end in self._until.items() if end > now}
        if len(self._until) < REMEMBERED:
            self._until[_digest(token)] = until

    def _key(self, name: str) -> Any:
        if name not in self._keys and time.monotonic() - self._fetched > REFETCH_SECONDS:
            self._fetched = time.monotonic()
            self._keys = self._fetch() or self._keys
        if name not in self._keys:
            raise RequestError(401, "the token's signing key is not one of the tenant's")
        return self._keys[name]

    def _fetch(self) -> dict[str, Any]:
        """Return the tenant's signing keys by their kid; none where they can't be fetched, so that known ones stay."""
        import jwt

        address = f"{self.authority}/{self.tenant}/discovery/v2.0/keys"
        try:
            with urllib.request.urlopen(address, timeout=FETCH_SECONDS) as answer:
                known = jwt.PyJWKSet.from_dict(json.load(answer))
        except (OSError, ValueError, jwt.PyJWTError):
            return {}
        return {str(one.key_id): one for one in known.keys if one.key_type == "RSA"}


def _roles(claims: Mapping[str, Any]) -> set[str]:
    roles = claims.get("roles", [])
    return {str(role) for role in roles if isinstance(roles, list)} | set(str(claims.get("scp", "")).split())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
