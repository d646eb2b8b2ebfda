"""What leaves a stream: a result a frame, and events; and the JSON line that each becomes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What the model said of one frame.

    `sequence` counts the frames that the stream's decoder gave, from 0 and past reconnections. `captured` is when the
    frame left the decoder, in seconds since 1970; `age_ms` is from then until it was scored; `score` is in 0..1.
    """

    stream: str
    sequence: int
    captured: float
    age_ms: float
    label: str
    score: float
    digest: str
    variant: str


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What happened to a stream, and when, in seconds since 1970.

    Kinds: connected, dropped, frozen, black, resized, recovered, ended, failed.
    """

    stream: str
    time: float
    kind: str
    detail: str


def to_line(message: FrameResult | StreamEvent | Mapping[str, Any]) -> bytes:
    r"""Return the message as one JSON line with "\n" at its end, whose "kind" is "result", "event" or "drift".

    An event's own kind is the line's "event"; a mapping is a drift summary, numbers by name.
    """
    if isinstance(message, FrameResult):
        return _line("result", _values(message))
    if isinstance(message, StreamEvent):
        values = _values(message)
        return _line("event", {"event": values.pop("kind"), **values})
    return _line("drift", message)


def _values(message: FrameResult | StreamEvent) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in fields(message)}


def _line(kind: str, values: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"kind": kind, **values}, option=orjson.OPT_APPEND_NEWLINE)
