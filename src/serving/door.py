"""Who may come in: keys from a file, or tokens of Microsoft Entra ID. It knows no model, and never repeats a secret.

The file of --keys has a line a key, `name:key` or `name:sha256:HEX`, and `#` before what is a remark. Several lines let
keys be changed one client at a time; the file is read anew when it changes, and where it holds no key any more, nobody
is let in. Clients say `Authorization: Bearer KEY` or `x-api-key: KEY`. Health stays open, since probes have no key;
/metrics too with --open-metrics.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serving.entra import AUTHORITY, Entra
from serving.errors import RequestError, ServingError
from serving.followed import Followed

HEALTH = "/v2/health/"
METRICS = "/metrics"
HASHED = "sha256:"
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Door:
    """Lets in who has a key or a token, whichever is configured. For the event loop's thread, but for `verify`."""

    keys: Followed[frozenset[bytes]] | None
    entra: Entra | None
    open_metrics: bool = False

    def check(self, path: str, headers: Mapping[str, str]) -> str | None:
        """Let a request in at once, or return its token where that is still to be verified, which may take a moment.

        Header names are in lower case. Raises RequestError 401 where there is no secret, or none that can be one.
        """
        if path.startswith(HEALTH) or self.open_metrics and path == METRICS:
            return None
        secret = _secret(headers)
        if secret is None:
            raise RequestError(401, "a key or token is needed: send Authorization: Bearer, or x-api-key")
        # Header values come as latin-1: this gives the bytes that were sent, UTF-8 as in the file of keys.
        digest = hashlib.sha256(secret.encode("latin-1", "replace")).digest()
        # Looked up is a digest, which nobody can choose: how long that takes tells nothing about a key.
        if self.keys is not None and digest in self.keys.now():
            return None
        if self.entra is None:
            raise RequestError(401, "the key is not known")
        return None if self.entra.knows(digest) else secret

    def verify(self, token: str) -> None:
        """Verify a token. For a thread: keys may have to be fetched. Raises RequestError: 401, 403, 503."""
        assert self.entra is not None  # else no token is left to be verified
        self.entra.verify(token)


def _secret(headers: Mapping[str, str]) -> str | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else headers.get("x-api-key")


def read_keys(path: Path) -> frozenset[bytes]:
    """Return the SHA-256 of each key of a file. Raises ServingError, naming the line and never the key."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ServingError(f"{path}: cannot be read ({reason}): give a file of keys, name:key a line") from None
    rows = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    return frozenset(_digest(line, f"{path}:{number}") for number, line in rows if line and not line.startswith("#"))


def _digest(line: str, where: str) -> bytes:
    name, _, key = (part.strip() for part in line.partition(":"))
    if not name or not key:
        raise ServingError(f"{where}: is not name:key: give each key a line and a name")
    if not key.startswith(HASHED):
        return hashlib.sha256(key.encode()).digest()
    digest = key.removeprefix(HASHED).strip().lower()
    if not SHA256.fullmatch(digest):
        raise ServingError(f"{where}: sha256: should be followed by the 64 hex digits of the key's SHA-256")
    return bytes.fromhex(digest)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the door's flags."""
    parser.add_argument("--keys", type=Path, default=None, help="file of keys: a line of name:key each")
    parser.add_argument("--entra-tenant", default=None, help="tenant id: its tokens are let in")
    parser.add_argument("--entra-audience", default=None, help="the aud that a token must have")
    parser.add_argument("--entra-roles", default=None, help="role[,role]: a token must have one of them, or scope")
    parser.add_argument("--entra-authority", default=AUTHORITY, help="another cloud's address")
    parser.add_argument("--open-metrics", action="store_true", help="let /metrics be read without a key")


def open_door(options: argparse.Namespace) -> Door | None:
    """Return the door that the flags describe, None for an open one. Raises ServingError."""
    keys, entra = _keys(options.keys), _entra(options)
    return None if keys is None and entra is None else Door(keys, entra, options.open_metrics)


def _keys(path: Path | None) -> Followed[frozenset[bytes]] | None:
    if path is None:
        return None
    keys = Followed((path,), partial(read_keys, path))
    if not keys.now():
        raise ServingError(f"{path}: holds no key: write a line of name:key for each client")
    return keys


def _entra(options: argparse.Namespace) -> Entra | None:
    if options.entra_tenant is None:
        if options.entra_audience or options.entra_roles:
            raise ServingError("--entra-audience and --entra-roles: name --entra-tenant too: they say nothing alone")
        return None
    if not options.entra_audience:
        raise ServingError("--entra-tenant: name --entra-audience too: a token for anything else must not do")
    roles = frozenset(role.strip() for role in (options.entra_roles or "").split(",")) - {""}
    if options.entra_roles is not None and not roles:
        raise ServingError("--entra-roles: names no role: leave it out to ask for none")
    return Entra(options.entra_tenant, options.entra_audience, roles, options.entra_authority)
