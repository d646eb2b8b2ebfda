"""How long a camera is left alone before it is opened again: longer each time, until it was well for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import av
import pytest

from serving.errors import ServingError
from serving.streams import camera
from serving.streams.camera import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, Camera
from serving.streams.config import StreamSource
from serving.streams.rack import Rack
from serving.streams.shelf import Shelf
from stream_clips import BLACK, RED, scene

PLAY_SECONDS = 1200.0
Picture = Callable[[int], av.VideoFrame]


class Watch:
    """Time that is told and not waited for; as an event, it is set once the test is over."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        """Return what it shows."""
        return self.now

    time = thread_time = monotonic

    def is_set(self) -> bool:
        """Tell whether the test is over."""
        return self.now >= PLAY_SECONDS

    def wait(self, seconds: float) -> None:
        """Let the time pass."""
        self.waits.append(seconds)
        self.now += seconds


class Source:
    """A camera that takes some time to open, and shows five pictures a second for as long as it lasts."""

    shape, fps, note = (64, 96), 5.0, "as it is"

    def __init__(self, watch: Watch, picture: Picture, lasts: float, opens_in: float = 0.3) -> None:
        self.stop, self.late, self.container = watch, 0, self
        self._picture, self._lasts, self._opens_in = picture, lasts, opens_in
        self._number = 0

    def open(self, stream: StreamSource) -> Source:
        """Return itself. Raises ServingError where it is one that lasts for no time at all."""
        self.stop.now += self._opens_in
        if not self._lasts:
            raise ServingError("it does not answer")
        return self

    def close(self) -> None:
        """Do nothing."""

    def pictures(self, opened: Source) -> Iterator[av.VideoFrame]:
        """Yield pictures."""
        end = self.stop.now + self._lasts
        while self.stop.now < end and not self.stop.is_set():
            self.stop.now += 0.2
            self._number += 1
            yield self._picture(self._number)


def noisy(number: int) -> av.VideoFrame:
    """Return a picture as a live sensor gives it."""
    return _picture(RED, number % 7)


def still(number: int) -> av.VideoFrame:
    """Return the same picture each time."""
    return noisy(0)


def dark(number: int) -> av.VideoFrame:
    """Return a picture that changes, and is black all the time."""
    return _picture(BLACK if number % 10 else (9, 9, 9), None)


@cache
def _picture(colour: tuple[int, int, int], seed: int | None) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(scene(colour, seed=seed), format="rgb24").reformat(format="yuv420p")


def waits(monkeypatch: pytest.MonkeyPatch, picture: Picture, lasts: float, **fields: Any) -> list[float]:
    """Run a camera for twenty minutes and return for how long it was left alone each time."""
    watch = Watch()
    source = Source(watch, picture, lasts, fields.pop("opens_in", 0.3))
    monkeypatch.setattr(camera, "time", watch)
    monkeypatch.setattr(camera, "open_source", source.open)
    shelf = Shelf("a", 1, 0.2)
    stream = StreamSource("a", "rtsp://camera", **fields)
    Camera(stream, shelf, Rack([shelf]), lambda _: None, lambda _: None, source).run()  # type: ignore[arg-type]
    return watch.waits


def assert_doubling(seconds: list[float]) -> None:
    """Hold that each wait is twice as long as the one before, up to the limit, less a random half."""
    assert len(seconds) > 10
    for number, wait in enumerate(seconds):
        full = min(FIRST_WAIT_SECONDS * 2**number, LONGEST_WAIT_SECONDS)
        assert full / 2 <= wait <= full


@pytest.mark.parametrize("picture", [still, dark])
@pytest.mark.parametrize("patience", [3.0, 10.0, 30.0])
def test_a_camera_that_stays_frozen_or_black_is_left_alone_for_ever_longer(
    monkeypatch: pytest.MonkeyPatch, picture: Picture, patience: float
) -> None:
    assert_doubling(waits(monkeypatch, picture, 3600, frozen_seconds=patience, black_seconds=patience))


@pytest.mark.parametrize("lasts, opens_in", [(5.0, 0.3), (0.0, 0.3), (0.0, 15.0), (0.5, 15.0)])
def test_a_camera_that_drops_soon_or_does_not_open_is_left_alone_for_ever_longer(
    monkeypatch: pytest.MonkeyPatch, lasts: float, opens_in: float
) -> None:
    assert_doubling(waits(monkeypatch, noisy, lasts, opens_in=opens_in))


def test_a_camera_that_was_well_is_soon_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = waits(monkeypatch, noisy, 60.0)
    assert len(seconds) > 10 and max(seconds) <= FIRST_WAIT_SECONDS
