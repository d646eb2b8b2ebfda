"""Puts the files of an image, named by its digest, into a folder: for clusters that can't mount an image by themselves.

It asks the registry as a container runtime does, and takes nothing whose SHA-256 is another than the image's digest
leads to. A registry that wants a login finds it in $DOCKER_CONFIG/config.json, as `docker login` writes it.
Source: opencontainers/distribution-spec v1.1 (Pull), distribution.github.io/distribution/spec/auth/token.

Run: python -m serving.pull --image REGISTRY/NAME@sha256:HEX --out FOLDER
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import sys
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from serving.errors import ServingError, exit_code

REFERENCE = re.compile(r"(?P<host>[^/@\s]+)/(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
LOOPBACK = ("localhost", "127.0.0.1")
SECONDS = 60.0
LARGEST = 2**31  # bytes of a blob: what a registry sends must not fill the memory without end


@dataclass
class Registry:
    """One repository of one registry. `login` is base64 of user:password, None for nobody."""

    host: str
    name: str
    login: str | None
    _authorization: str | None = field(default=None, repr=False)

    def blob(self, kind: str, digest: str) -> bytes:
        """Return a manifest or a blob, checked against its digest. Raises ServingError."""
        scheme = "http" if self.host.partition(":")[0] in LOOPBACK else "https"
        url = f"{scheme}://{self.host}/v2/{self.name}/{kind}/{digest}"
        try:
            content = self._get(url)
        except (OSError, ValueError) as error:  # ValueError: a page where a token should be
            raise ServingError(
                f"{url}: cannot be read ({_reason(error)}): is the login of this registry right?"
            ) from None
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise ServingError(f"{url}: the registry sent other bytes than these: trust it with nothing")
        return content

    def _get(self, url: str) -> bytes:
        try:
            return _read(url, self._authorization)
        except urllib.error.HTTPError as error:
            if error.code != 401 or self._authorization is not None:
                raise
            self._authorization = self._answer(error.headers.get("WWW-Authenticate", ""))
        return _read(url, self._authorization)

    def _answer(self, challenge: str) -> str:
        """Return the authorization that a registry's 401 asks for."""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            return f"Basic {self.login}"
        asked = dict(CHALLENGE.findall(rest))
        if not asked.get("realm", "").startswith(("https://", f"http://{self.host.partition(':')[0]}")):
            raise OSError(f"it sends for a token to {asked.get('realm')}")
        query = urlencode({key: asked[key] for key in ("service", "scope") if key in asked})
        answer = json.loads(_read(f"{asked['realm']}?{query}", f"Basic {self.login}" if self.login else None))
        return f"Bearer {answer.get('token') or answer.get('access_token')}"


def pull(image: str, out: Path) -> None:
    """Write an image's files into a folder. Raises ServingError where that can't be done to the last byte."""
    found = REFERENCE.fullmatch(image)
    if found is None:
        raise ServingError(f"--image {image}: should be REGISTRY/NAME@sha256:HEX")
    registry = Registry(found["host"], found["name"], read_login(found["host"]))
    manifest = _json(registry.blob("manifests", found["digest"]))
    if "manifests" in manifest:  # a model is the same on all architectures
        manifest = _json(registry.blob("manifests", manifest["manifests"][0]["digest"]))
    out.mkdir(parents=True, exist_ok=True)
    for layer in manifest["layers"]:
        _extract(registry.blob("blobs", layer["digest"]), out)


def read_login(host: str) -> str | None:
    """Return the login of a registry in $DOCKER_CONFIG/config.json, None where there is none. Raises ServingError."""
    folder = os.environ.get("DOCKER_CONFIG")
    path = Path(folder or "") / "config.json"
    if not folder or not path.exists():
        return None
    try:
        auths = json.loads(path.read_text(encoding="utf-8")).get("auths", {})
        login = auths.get(host, {}).get("auth")
    except (OSError, ValueError, AttributeError):
        raise ServingError(f"{path}: is no configuration of Docker's: write it by `docker login`") from None
    return str(login) if login else None


def _read(url: str, authorization: str | None) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": ACCEPT})
    if authorization:
        # Not sent on to where the registry redirects: a storage account refuses it, and a stranger must not get it.
        request.add_unredirected_header("Authorization", authorization)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        content: bytes = answer.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(f"it is larger than {LARGEST} bytes")
    return content


def _json(content: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(content)
    return value


def _extract(layer: bytes, out: Path) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            tar.extractall(out, filter="data")  # refuses what would land elsewhere
    except (tarfile.TarError, OSError) as error:
        raise ServingError(f"{out}: a layer cannot be unpacked ({error}): build the image again") from None


def _reason(error: Exception) -> str:
    return f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else str(error)


def main() -> None:
    """Pull what the command line names."""
    parser = argparse.ArgumentParser(prog="serving.pull", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image", required=True, help="REGISTRY/NAME@sha256:HEX")
    parser.add_argument("--out", type=Path, required=True, help="the folder that gets its files")
    options = parser.parse_args()
    pull(options.image, options.out)


if __name__ == "__main__":
    sys.exit(exit_code(main))
