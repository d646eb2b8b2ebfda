"""Reads the drift summaries that streams send, from JSON lines in a file or behind an address.

`python -m serving.stream` writes them into each sink, between results and events: lines whose `kind` is `drift`. What
else is in there is passed over, and so is a line that is cut, as the last of a file that is being written.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops.errors import ConfigError, TargetError
from mlops.monitoring import SUFFIX, Summary

TIMEOUT_SECONDS = 30.0
LARGEST_BYTES = 256 * 1024 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def read_summaries(source: str) -> list[Summary]:
    """Return the summaries of a file or an https address, in the order of their lines.

    Raises ConfigError where the file can't be read or the address is none, TargetError where it does not answer. The
    query of an address may be a secret, as a SAS token is: no message holds it.
    """
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ConfigError(f"{shown(source)}: should begin with https://")
        return list(_summaries(_fetched(source)))
    try:
        with Path(source).open("rb") as file:
            return list(_summaries(file))
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read ({error.strerror}): name the file of a jsonl sink") from None


def shown(source: str) -> str:
    """Return a source as people may see it: an address without its query and whoever logs in."""
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https"):
        return source
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _fetched(address: str) -> list[bytes]:
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read(LARGEST_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise TargetError(f"{shown(address)}: {error.code} {error.reason}: renew the address") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = getattr(error, "reason", None) or type(error).__name__
        raise TargetError(f"{shown(address)}: does not answer: {said}") from None
    if len(content) > LARGEST_BYTES:
        raise TargetError(f"{shown(address)}: is larger than {LARGEST_BYTES >> 20} MiB: rotate the file")
    return content.splitlines()


def _summaries(lines: Iterable[bytes]) -> Iterator[Summary]:
    for line in lines:
        if b'"drift"' not in line:  # results are hundreds to a summary, and need not be parsed
            continue
        try:
            told = json.loads(line)
            if told["kind"] == "drift":
                yield _summary(told)
        except (ValueError, KeyError, TypeError):
            continue


def _summary(told: dict[str, Any]) -> Summary:
    psi = {name.removesuffix(SUFFIX): float(value) for name, value in told.items() if name.endswith(SUFFIX)}
    return Summary(str(told["stream"]), float(told["time"]), int(told["frames"]), psi)
