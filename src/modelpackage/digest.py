"""SHA-256 digests, written `sha256:<hex>` as OCI writes them (opencontainers/image-spec, descriptor.md)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest_bytes(content: bytes) -> str:
    """Return `sha256:<hex>` of the bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_file(path: Path) -> str:
    """Return `sha256:<hex>` of a file's content, read in pieces. Raises OSError."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def digest_json(value: Any) -> str:
    """Return `sha256:<hex>` of a JSON value in one canonical spelling, so that key order does not matter."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
