"""One stream's thread: opens the source, puts its frames on the shelf, and opens it again when something is wrong.

A file is played once. A network source or a device that ends, falls silent, breaks, stands still or turns black is
reported and opened again, after a wait that doubles each time until it is well, with jitter, so that a hundred cameras
behind one switch do not come back at the same moment. No other stream notices. It knows no model and no sink.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import av

from serving.errors import ServingError, one_line
from serving.streams.config import Region, StreamSource
from serving.streams.frames import Cropper
from serving.streams.health import Health, some_rows
from serving.streams.rack import Rack
from serving.streams.result import StreamEvent
from serving.streams.shelf import Frame, Shape, Shelf
from serving.streams.source import Opened, Player, Thinning, open_source

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
WELL_SECONDS = 10.0  # a connection that gave good pictures for so long makes the next wait short again

CONNECTING, LIVE, DROPPED, ENDED = "connecting", "live", "dropped", "ended"
STOPPED, FAILED = "stopped", "failed"


class Fault(Exception):
    """What makes a source be opened again: a kind of event, and in the message the detail."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass
class Camera:
    """A stream while it runs. `learn` measures what its frames cost before the first one comes.

    `state` and `detail` say how it is, `connections` how often it was opened; `shape` is the height and width of what
    is scored of it, as far as it is known; `faults` is what is wrong; `spent` is the CPU seconds that its thread took:
    demuxing, decoding in software, cropping.
    """

    stream: StreamSource
    shelf: Shelf
    rack: Rack
    learn: Callable[[Shape], None]
    report: Callable[[StreamEvent], None]
    player: Player
    state: str = CONNECTING
    detail: str = ""
    connections: int = 0
    shape: Shape | None = None
    spent: float = 0.0
    faults: set[str] = field(default_factory=set)
    _sequence: int = 0

    def __post_init__(self) -> None:
        self._stop = self.player.stop
        self._health = Health(self.stream.frozen_seconds, self.stream.black_seconds, self.faults)
        self._cropper = Cropper(self.stream.region)

    def run(self) -> None:
        """Play the source until it ends, fails for good, or `stop` is set. The thread's target."""
        waits = back_off()
        while not self._stop.is_set():
            self._health.connect(time.monotonic())  # here, too: one that does not open was not well
            try:
                self._play()
                state, detail = (STOPPED, "on demand") if self._stop.is_set() else (ENDED, "at its last frame")
                return self._end(state, detail)
            except Fault as fault:
                self._fault(fault.kind, str(fault))
            except Exception as error:  # whatever a source makes FFmpeg raise, it is this stream's own trouble
                detail = str(error) if isinstance(error, ServingError) else one_line(error)
                if not self.stream.is_live:
                    return self._end(FAILED, detail)
                self._fault(DROPPED, detail)
            waits = back_off() if self._health.well_seconds > WELL_SECONDS else waits
            self._stop.wait(next(waits))

    def _play(self) -> None:
        opened = open_source(self.stream)
        try:
            self._connect(opened)
            thinning = Thinning(self.stream.fps)
            for picture in self.player.pictures(opened):
                self._take(picture, thinning)
        finally:
            opened.container.close()
        if self.stream.is_live and not self._stop.is_set():
            raise Fault(DROPPED, "the source ended")

    def _connect(self, opened: Opened) -> None:
        self.connections += 1
        self._health.connect(time.monotonic())
        if self.shelf.max_age is not None:
            self.shelf.max_age = 1 / min(opened.fps, self.stream.fps or opened.fps)
        if not self.faults:
            self.state = LIVE
        self.detail = opened.note
        if shape := scored_shape(opened.shape, self.stream.region):
            self._scale(shape)
        self._event("connected", opened.note)

    def _take(self, picture: av.VideoFrame, thinning: Thinning) -> None:
        now = time.monotonic()
        if self.stream.pace != "none" and (self.faults or self._health.is_due(now)):
            self._look(picture, now)
        seconds = now if picture.time is None else picture.time
        if not thinning.wants(seconds):
            self.rack.skip(self.shelf)
        else:
            cropped = self._cropper.crop(picture)
            self._scale((cropped.height, cropped.width))
            self.rack.put(self.shelf, Frame(cropped, (cropped.height, cropped.width), self._sequence, time.time(), now))
        self._sequence += 1
        self.spent = time.thread_time()

    def _scale(self, shape: Shape) -> None:
        if shape != self.shape:
            self.shape = shape
            self.learn(shape)  # here, where only this stream's frames grow old meanwhile

    def _look(self, picture: av.VideoFrame, now: float) -> None:
        was_well = not self.faults
        self.faults.discard(DROPPED)
        if change := self._health.resize((picture.width, picture.height)):
            self._event("resized", change)
        lasting = self._health.see(some_rows(picture), now)
        for kind in sorted(lasting - self.faults):
            self._event(kind, f"for {getattr(self.stream, f'{kind}_seconds'):g} seconds")
        self.faults |= lasting
        if not self.faults and not was_well:
            self.state = LIVE
            self._event("recovered", self.detail)
        elif self.faults:
            self.state = min(self.faults)
        if lasting and self.stream.is_live:
            raise Fault(min(lasting), "opening the source again")

    def _fault(self, kind: str, detail: str) -> None:
        self.state, self.detail = kind, detail
        if kind == DROPPED and DROPPED not in self.faults:
            self._event(DROPPED, detail)
        self.faults.add(kind)

    def _end(self, state: str, detail: str) -> None:
        self.state, self.detail = state, detail
        self._event(state, detail)

    def _event(self, kind: str, detail: str) -> None:
        self.report(StreamEvent(self.stream.name, time.time(), kind, detail))


def scored_shape(whole: Shape, region: Region | None) -> Shape | None:
    """Return the height and width of what is scored of a whole frame; None where that is not known, or not inside."""
    x, y, width, height = region or (0, 0, whole[1], whole[0])
    is_inside = 0 < width <= whole[1] - x and 0 < height <= whole[0] - y
    return (height, width) if is_inside else None


def back_off() -> Iterator[float]:
    """Yield how many seconds to wait before each further try: doubling, up to a limit, each by a random half less."""
    wait = FIRST_WAIT_SECONDS
    while True:
        yield wait * random.uniform(0.5, 1)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
