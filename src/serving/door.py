"""Who may come in: keys from a file, or tokens of Microsoft Entra ID. It knows no model, and never repeats a secret.

The file of --keys has a line a key, `name:key` or `name:sha256:<hex of the key>`; several lines let keys be changed
one client at a time. It is read anew when it changes. Clients say `Authorization: Bearer KEY` or `x-api-key: KEY`.
Health stays open, since probes have no key; /metrics too with --open-metrics.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.entra import AUTHORITY, Entra
from serving.errors import RequestError, ServingError

LOOK_SECONDS = 1.0
HEALTH = "/v2/health/"
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass
class Keys:
    """The keys of a file, by SHA-256: what is looked up is a digest, so timing tells nothing about a key."""

    path: Path
    _digests: frozenset[str] = frozenset()
    _stamp: tuple[int, int, int] | None = None
    _looked: float = field(default=-LOOK_SECONDS)

    def knows(self, secret: str) -> bool:
        """Tell whether a secret is a key. A file that can't be read any more keeps the keys that were in it."""
        self.refresh()
        return hashlib.sha256(secret.encode(errors="replace")).hexdigest() in self._digests

    def refresh(self) -> None:
        """Read the file anew where it changed. Raises ServingError where no keys were ever read."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            stat = self.path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp != self._stamp:
                self._digests, self._stamp = parse_keys(self.path.read_text(encoding="utf-8")), stamp
        except (OSError, ValueError) as error:
            reason = f"{self.path}: cannot be used as the file of keys ({error}): write lines of name:key"
            if self._stamp is None:
                raise ServingError(reason) from None
            print(f"{reason}: the keys before stay in force", file=sys.stderr, flush=True)


def parse_keys(text: str) -> frozenset[str]:
    """Return the SHA-256 of each key, in hex. Raises ValueError, naming the line and not the key."""
    digests = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, key = line.strip().partition(":")
        if not (name and colon and key):
            raise ValueError(f"line {number} is not name:key")
        hashed = SHA256.fullmatch(key)
        digests.add(key.removeprefix("sha256:") if hashed else hashlib.sha256(key.encode()).hexdigest())
    if not digests:
        raise ValueError("it holds no key")
    return frozenset(digests)


@dataclass(frozen=True)
class Door:
    """Lets in who has a key or a token, whichever is configured."""

    keys: Keys | None
    entra: Entra | None
    open_metrics: bool

    def check(self, path: str, headers: Mapping[str, str]) -> str | None:
        """Let a request in, or return its token where that is still to be verified, which may take a moment.

        Raises RequestError 401 where there is no secret, or none that can be one.
        """
        if path.startswith(HEALTH) or self.open_metrics and path == "/metrics":
            return None
        secret = _secret(headers)
        if secret is None:
            raise _unknown("a key or token is needed: send Authorization: Bearer, or x-api-key")
        if self.keys is not None and self.keys.knows(secret):
            return None
        if self.entra is None:
            raise _unknown("the key is not known")
        return None if self.entra.knows(secret) else secret

    def verify(self, token: str) -> None:
        """Verify a token. For a thread: keys may have to be fetched. Raises RequestError: 401, 403."""
        assert self.entra is not None  # else no token is left to be verified
        self.entra.verify(token)


def _secret(headers: Mapping[str, str]) -> str | None:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else headers.get("x-api-key")


def _unknown(reason: str) -> RequestError:
    return RequestError(401, reason)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the door's flags."""
    parser.add_argument("--keys", type=Path, default=None, help="file of keys: a line of name:key each")
    parser.add_argument("--entra-tenant", default=None, help="tenant id: tokens of it are let in")
    parser.add_argument("--entra-audience", default=None, help="the aud that a token must have")
    parser.add_argument("--entra-roles", default=None, help="role[,role]: a token must have one of them")
    parser.add_argument("--entra-authority", default=AUTHORITY, help="another cloud's address")
    parser.add_argument("--open-metrics", action="store_true", help="let /metrics be read without a key")


def open_door(options: argparse.Namespace) -> Door | None:
    """Return the door that the flags describe, None for an open one. Raises ServingError."""
    keys = None if options.keys is None else Keys(options.keys)
    if keys is not None:
        keys.refresh()
    entra = None
    if options.entra_tenant is not None:
        if not options.entra_audience:
            raise ServingError("--entra-tenant: name --entra-audience too: a token for anything else must not do")
        roles = tuple(filter(None, (options.entra_roles or "").split(",")))
        entra = Entra(options.entra_tenant, options.entra_audience, roles, options.entra_authority)
    return None if keys is None and entra is None else Door(keys, entra, options.open_metrics)
