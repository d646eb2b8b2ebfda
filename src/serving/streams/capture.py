"""Keeps some of the scored frames for retraining: each a JPEG, and beside it JSON that says what the model said of it.

Kept are frames of which the model is not sure, on which two models disagree, and some by chance, within a number an
hour that the three share, however often the process starts. A thread of its own redacts, encodes and writes them; a
frame that can't be redacted is not written. The JPEG is there, whole, before its JSON is.
"""

from __future__ import annotations

import importlib
import math
import queue
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson
import simplejpeg
from numpy.typing import NDArray

from serving.errors import ServingError, one_line
from serving.model import Model
from serving.streams import blob
from serving.streams.budget import Budget
from serving.streams.config import CaptureConfig
from serving.streams.ledger import resume, write_account

REASONS = ("disagreement", "low_confidence", "random")
WAITING = 16  # frames
JPEG_QUALITY = 90
CLOSE_SECONDS = 10.0

Frame = NDArray[np.uint8]


class Store(Protocol):
    """A place that takes files."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole, or not at all. Raises OSError where that fails; `name` may hold folders, by /."""


@dataclass(frozen=True)
class Folder:
    """A folder on this machine."""

    path: Path

    def write(self, name: str, content: bytes) -> None:
        """Write a file through a temporary one beside it. Raises OSError where that fails."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}")
        try:
            temporary.write_bytes(content)
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)  # on a full disk the next one needs its room
            raise


@dataclass(frozen=True)
class _Picture:
    name: str
    frame: Frame
    sidecar: dict[str, Any]


class Capture:
    """Keeps frames as its configuration says. Any thread may offer them."""

    def __init__(self, config: CaptureConfig, model: Model, account: Path | None = None) -> None:
        """Begin, with what the file `account` says is left of the hour.

        Raises ServingError where `to`, `redact` or a number can't be used.
        """
        check_numbers(config)
        self._config, self._model, self._account = config, model, account
        self._store = open_store(config.to)
        self._redact = load_function(config.redact) if config.redact else None
        self._budget = Budget(config.per_hour, REASONS, time.monotonic())
        if account is not None:
            resume(self._budget, account, time.monotonic())
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._waiting: queue.Queue[_Picture | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)
        self._thread.start()

    def offer(self, stream: str, frame: Frame, probabilities: NDArray[np.float32], disagrees: bool = False) -> None:
        """Keep a frame, uint8 RGB [height, width, 3], if there is a reason; probabilities are [classes].

        It never waits: a frame for which there is no room is dropped, and counted.
        """
        reasons = self._reasons(float(probabilities.max()), disagrees)
        if not reasons:
            return
        with self._lock:
            now = time.monotonic()
            reason = next((reason for reason in reasons if self._budget.take(reason, now)), None)
        if reason is None:
            return self._count("over_budget")
        try:
            self._waiting.put_nowait(self._picture(stream, frame, probabilities, reason))
        except queue.Full:
            self._count("dropped")

    def counters(self) -> dict[str, int]:
        """Return the counts of frames since the start.

        By reason, those kept; over_budget, dropped (the writer was behind), redact_failures and write_failures: those
        that were to be kept and were not.
        """
        names = (*REASONS, "over_budget", "dropped", "redact_failures", "write_failures")
        return {name: self._counts[name] for name in names}

    def close(self) -> None:
        """Write what waits, for some seconds at most."""
        deadline = time.monotonic() + CLOSE_SECONDS
        try:
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _reasons(self, score: float, disagrees: bool) -> list[str]:
        applies = (disagrees, score < self._config.below, random.random() < self._config.random)
        return [reason for reason, does_apply in zip(REASONS, applies, strict=True) if does_apply]

    def _picture(self, stream: str, frame: Frame, probabilities: NDArray[np.float32], reason: str) -> _Picture:
        now = time.time()
        sidecar = {
            "schema": 1,
            "stream": stream,
            "time": now,
            "digest": self._model.digest,
            "variant": self._model.variant,
            "label": self._model.labels[int(probabilities.argmax())],
            "scores": dict(zip(self._model.labels, (round(float(p), 6) for p in probabilities), strict=True)),
            "reason": reason,
        }
        return _Picture(file_name(stream, now), frame.copy(), sidecar)

    def _work(self) -> None:
        while (picture := self._waiting.get()) is not None:
            self._count(self._write(picture))

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1

    def _write(self, picture: _Picture) -> str:
        """Return what is to be counted."""
        try:
            frame = picture.frame if self._redact is None else redacted(self._redact, picture.frame)
        except Exception:  # whatever it was: a frame that was not redacted stays here
            return "redact_failures"
        try:
            self._write_account()
            jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(frame), JPEG_QUALITY, "RGB")
            self._store.write(f"{picture.name}.jpg", jpeg)
            self._store.write(f"{picture.name}.json", orjson.dumps(picture.sidecar, option=orjson.OPT_INDENT_2) + b"\n")
        except Exception:  # a store of another's making may raise anything, and the next frame is to be written
            return "write_failures"
        return str(picture.sidecar["reason"])

    def _write_account(self) -> None:
        # Before the frame: killed in between, the hour has one less, and not one more.
        if self._account is not None:
            with self._lock:
                account = self._budget.account(time.monotonic())
            write_account(self._account, account)


def redacted(redact: Callable[[Frame], Frame], frame: Frame) -> Frame:
    """Return what the hook makes of a frame. Raises ValueError where that is no frame of uint8 RGB."""
    frame = redact(frame)
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError("redact should return uint8 RGB [height, width, 3]")
    return frame


def file_name(stream: str, now: float) -> str:
    """Return STREAM/TIME, in UTC, without a suffix; what can't be in a file's name becomes _."""
    folder = re.sub(r"[^A-Za-z0-9._-]", "_", stream).lstrip(".") or "_"
    return f"{folder}/{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S.%fZ}"


def check_numbers(config: CaptureConfig) -> None:
    """Raises ServingError where a number is out of its range."""
    for name, most in (("per_hour", math.inf), ("below", 1.0), ("random", 1.0)):
        value = getattr(config, name)
        if not 0 <= value <= most:
            raise ServingError(f"capture: {name}: {value:g} is not between 0 and {most:g}")


def open_store(to: str) -> Store:
    """Return the folder or the container that `to` names. Raises ServingError where it can't be used."""
    if to.startswith(("http://", "https://")):
        return blob.open_container(to)
    try:
        Path(to).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServingError(f"capture: to: {to}: {error.strerror}: give a folder that can be written") from None
    return Folder(Path(to))


def load_function(name: str) -> Callable[[Frame], Frame]:
    """Return the function that package.module:function names. Raises ServingError where there is none."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # the module may raise anything
        raise ServingError(f"capture: redact: {name}: {one_line(error)}") from None
    if not callable(found):
        raise ServingError(f"capture: redact: {name} is no function")
    return found
