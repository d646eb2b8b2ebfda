"""A scorer's thread: takes a batch from the rack, converts it, scores it and hands on what was said, in order.

There is one a core. Of two that finish in the other order than they began, the earlier one's results go out first.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serving.errors import ModelError, one_line
from serving.model import Model, Prediction
from serving.streams.capacity import Capacity
from serving.streams.frames import Converter
from serving.streams.gate import Gate
from serving.streams.rack import Batch, Rack
from serving.streams.shelf import FAILED


@dataclass(frozen=True)
class Scored:
    """A batch with its frames, uint8 RGB [n, height, width, 3], what was said of them, and when (monotonic seconds).

    `disagrees` tells of each frame whether the shadow gave it another label; it is empty where there is no shadow, and
    None where the shadow failed.
    """

    batch: Batch
    frames: NDArray[np.uint8]
    prediction: Prediction
    time: float
    disagrees: tuple[bool, ...] | None = ()


@dataclass(frozen=True)
class Models:
    """What one scorer scores with: the model whose word counts, and a shadow whose word is compared, if any."""

    main: Model
    shadow: Model | None = None

    def run(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score frames, uint8 RGB [n, height, width, 3], by both, for how long that takes; the shadow may fail."""
        if self.shadow is not None:
            with suppress(Exception):
                self.shadow.run(frames)
        return self.main.run(frames)


@dataclass
class Turnstile:
    """Lets batches through in the order of their numbers, whoever brings them."""

    deliver: Callable[[Scored], None]
    _next: int = 0
    _waiting: dict[int, Scored | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bring(self, number: int, scored: Scored | None) -> None:
        """Deliver a batch as soon as all before it are; None for one of which there is nothing to deliver."""
        with self._lock:
            self._waiting[number] = scored
            while self._next in self._waiting:
                if (due := self._waiting.pop(self._next)) is not None:
                    self.deliver(due)
                self._next += 1


@dataclass
class Scorer:
    """One thread's scoring. `busy` is the seconds that it spent on batches, `took` the model's own a frame, lately.

    `converting` is the CPU seconds that it spent on colours.
    """

    models: Models
    rack: Rack
    capacity: Capacity
    gate: Gate
    turnstile: Turnstile
    show: Callable[[Scored], None]
    fail: Callable[[Batch, ModelError], None]
    busy: float = 0.0
    converting: float = 0.0
    took: deque[float] = field(default_factory=lambda: deque(maxlen=1000))

    def run(self) -> None:
        """Score until the rack is closed and empty. The thread's target."""
        converter = Converter()
        while batch := self.rack.take(self.capacity.cap):
            start = time.monotonic()
            scored = None
            try:
                with self.gate.scoring():
                    scored = self._score(batch, converter)
            except ModelError as error:
                self.fail(batch, error)
            self.rack.finish(batch, FAILED if scored is None else None)
            self.turnstile.bring(batch.number, scored)
            if scored is not None:
                self.show(scored)
            self.busy += time.monotonic() - start

    def _score(self, batch: Batch, converter: Converter) -> Scored:
        shape = batch.frames[0].shape
        if not self.capacity.knows(shape):
            self._learn(batch)
        before = time.thread_time()
        frames = converter.batch([frame.picture for frame in batch.frames], shape)
        self.converting += time.thread_time() - before
        start = time.monotonic()
        prediction = self.models.main.predict(frames)
        end = time.monotonic()
        self.took.append((end - start) / len(frames))
        return Scored(batch, frames, prediction, end, self._compare(frames, prediction.labels))

    def _compare(self, frames: NDArray[np.uint8], labels: tuple[str, ...]) -> tuple[bool, ...] | None:
        if self.models.shadow is None:
            return ()
        try:
            others = self.models.shadow.predict(frames).labels
        except ModelError:
            return None
        return tuple(one != other for one, other in zip(labels, others, strict=True))

    def _learn(self, batch: Batch) -> None:
        shape = batch.frames[0].shape
        try:
            self.capacity.learn(shape)
        except Exception as error:  # engines' errors have no common class
            raise ModelError(f"the model does not run on {[1, *shape, 3]}: {one_line(error)}") from None
