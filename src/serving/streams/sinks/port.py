"""What every sink is: it takes lines and says whether they arrived. It knows no sink."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import orjson

from serving.errors import ServingError


class SinkError(Exception):
    """The uplink is down: the same lines are to be sent again, not before `retry_after` seconds where it is given."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Sink(Protocol):
    """Where lines go. One thread uses it.

    `refused` counts the lines that the other side took for bad: they are dropped, for it would refuse them again.
    """

    name: str
    refused: int

    def send(self, lines: Sequence[bytes]) -> None:
        r"""Deliver JSON lines, each with "\n" at its end, in order, and return when they have arrived.

        Raises SinkError when the uplink is down; some of the lines may have arrived even so.
        """

    def close(self) -> None:
        """Let go of what is open."""


def secret(variable: str | None, where: str) -> str | None:
    """Return what an environment variable holds, less a line end after it as files have; None for no variable.

    Raises ServingError, which never tells the secret, where it is not set or holds more than one line.
    """
    if variable is None:
        return None
    held = os.environ.get(variable, "").rstrip("\r\n")
    if not held:
        raise ServingError(f"{where}: the environment variable {variable} is not set")
    if not held.isprintable():
        raise ServingError(f"{where}: the environment variable {variable} should hold one line of text")
    return held


def stream_of(line: bytes) -> str | None:
    """Return the stream of a JSON line, "" for one of no stream; None where it can't be read: a disk spoilt it."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return str(told.get("stream", "")) if isinstance(told, dict) else None
