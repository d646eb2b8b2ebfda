"""Runs all streams: a thread for each source, one scorer a core, and a reading of how it goes every second.

It ends when every source has ended, or when it is told to: then the sources stop first, and what waits is scored. A
defect in any thread ends it too, and is raised. It knows no kind of sink.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from serving.errors import ModelError
from serving.figures import percentile
from serving.streams.camera import FAILED, Camera
from serving.streams.capacity import Capacity
from serving.streams.config import StreamSource
from serving.streams.gate import Gate
from serving.streams.outlets import Outlets
from serving.streams.overview import Meter, Overview, StreamView
from serving.streams.rack import Batch, Rack
from serving.streams.result import StreamEvent
from serving.streams.scorer import Models, Scorer, Turnstile
from serving.streams.shelf import Shape, Shelf
from serving.streams.source import USUAL_FPS, Player

TICK_SECONDS = 1.0
LEAVE_SECONDS = 2.0  # a source that hangs in its network is not waited for any longer


class Engine:
    """The streams of one configuration, scored by as many threads as there are models."""

    def __init__(self, streams: Sequence[StreamSource], models: Sequence[Models], outlets: Outlets) -> None:
        self._outlets = outlets
        self._halt = threading.Event()
        self._defects: list[BaseException] = []
        self._failed: dict[str, str] = {}
        shelves = [Shelf(one.name, one.priority, None if one.pace == "none" else 1 / USUAL_FPS) for one in streams]
        self._rack = Rack(shelves)
        self._capacity = Capacity(models[0].run, len(models))
        turnstile, gate = Turnstile(outlets.deliver), Gate(len(models))
        self._scorers = [
            Scorer(pair, self._rack, self._capacity, gate, turnstile, outlets.show, self._model_failed)
            for pair in models
        ]
        self._cameras = [
            Camera(one, shelf, self._rack, self._learn, outlets.put, Player(one, gate, self._halt))
            for one, shelf in zip(streams, shelves, strict=True)
        ]
        self._playing = len(self._cameras)
        self._lock = threading.Lock()
        self._meter = Meter(len(models))
        self._rates = (0.0, 0.0, 0.0)

    def stop(self) -> None:
        """Stop the sources, and let `run` return once what waits is scored. Not for a signal handler itself."""
        self._halt.set()

    def run(self, tick: Callable[[Overview], None]) -> None:
        """Run until every source has ended or `stop` is called, with a reading to `tick` every second.

        Raises what a thread raised that should not have.
        """
        scorers = [self._start(scorer.run) for scorer in self._scorers]
        cameras = [self._start(camera.run, self._ended) for camera in self._cameras]
        whole = Meter(len(self._scorers))
        for meter in (self._meter, whole):
            meter.read(0, 0.0)
        while not self._halt.wait(TICK_SECONDS):
            tick(self._read())
        deadline = time.monotonic() + (0 if self._defects else LEAVE_SECONDS)
        for thread in cameras:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._rack.close()
        for thread in scorers:
            while thread.is_alive() and not self._defects:
                thread.join(TICK_SECONDS)
        self._meter = whole
        self._read()
        if self._defects:
            raise self._defects[0]

    def overview(self) -> Overview:
        """Return how all streams are now. The rates are of the last second, after the end of the whole run."""
        views = {view.name: view for view in self._rack.view()}
        streams = tuple(
            StreamView(c.state, c.detail, c.connections, c.player.late, views[c.stream.name]) for c in self._cameras
        )
        fps, busy, cpu = self._rates
        counts = [view.counts for view in views.values()]
        spent = sum(camera.spent for camera in self._cameras) + sum(scorer.converting for scorer in self._scorers)
        each = spent / max(1, sum(count.decoded - count.skipped for count in counts))
        capacity = self._capacity.frames_per_second((c.shape for c in self._cameras if c.shape), each)
        took = sorted(seconds * 1000 for scorer in self._scorers for seconds in tuple(scorer.took))
        score_ms = percentile(took, 50), percentile(took, 95)
        return Overview(time.time(), streams, fps, busy, cpu, capacity, self._outlets.view(), score_ms)

    def failures(self) -> dict[str, str]:
        """Return, by stream, why a source could not be read to its end or the model could not score it."""
        return {c.stream.name: c.detail for c in self._cameras if c.state == FAILED} | self._failed

    def _learn(self, shape: Shape) -> None:
        if self._capacity.knows(shape):
            return
        with suppress(Exception):  # a model that does not run on it says so of the first frame
            self._capacity.learn(shape)

    def _read(self) -> Overview:
        scored = sum(view.counts.scored for view in self._rack.view())
        self._rates = self._meter.read(scored, sum(scorer.busy for scorer in self._scorers))
        return self.overview()

    def _ended(self) -> None:
        with self._lock:
            self._playing -= 1
            if not self._playing:
                self._halt.set()

    def _model_failed(self, batch: Batch, error: ModelError) -> None:
        for name in {shelf.name for shelf in batch.shelves} - set(self._failed):
            self._failed[name] = str(error)
            self._outlets.put(StreamEvent(name, time.time(), FAILED, str(error)))

    def _start(self, *steps: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(steps,), daemon=True)
        thread.start()
        return thread

    def _guarded(self, steps: Iterable[Callable[[], None]]) -> None:
        try:
            for step in steps:
                step()
        except BaseException as defect:
            self._defects.append(defect)
            self._halt.set()
