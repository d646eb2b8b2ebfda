"""Logins to registries as skopeo and docker keep them: read, never written, and asked of no helper program.

Sources: containers-auth.json(5) (which files, in which order); docker's config.json (`auths`, `identitytoken`,
`credsStore`, `credHelpers`).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HELPERS = ("credsStore", "credHelpers")


@dataclass(frozen=True)
class Login:
    """Who is let in, by a password or by a refresh token; `is_elsewhere`: a helper program keeps it, unread."""

    user: str = ""
    password: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    is_elsewhere: bool = False

    @property
    def basic(self) -> str:
        """Return the value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def login_of(registry: str) -> Login | None:
    """Return the login that skopeo would take for images at host/path, None where there is none."""
    for path in _files():
        content = _content(path)
        auths = content.get("auths") or {}
        found = next((auths[name] for name in _names(registry) if name in auths), None)
        if login := _login(found or {}):
            return login
        if any(_helps(content.get(key), registry.partition("/")[0]) for key in HELPERS):
            return Login(is_elsewhere=True)
    return None


def _files() -> Iterator[Path]:
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    yield Path(runtime) / "containers" / "auth.json"
    settings = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    yield Path(settings) / "containers" / "auth.json"
    yield docker_folder() / "config.json"


def docker_folder() -> Path:
    """Return where docker keeps what is its user's."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _names(registry: str) -> Iterator[str]:
    """Yield the names that a login to this registry may have, the closest first."""
    parts = registry.split("/")
    yield from ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    yield from (f"https://{parts[0]}", f"https://{parts[0]}/v2/")


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _login(entry: Mapping[str, Any]) -> Login | None:
    try:
        user, _, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    refresh = str(entry.get("identitytoken") or "")
    return Login(user, password.rstrip("\0"), refresh) if user or refresh else None


def _helps(named: Any, host: str) -> bool:
    return bool(named.get(host)) if isinstance(named, dict) else bool(named)
