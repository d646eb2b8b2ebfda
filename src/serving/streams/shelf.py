"""What waits of one stream, and the count of what became of each frame. It knows no clock, no lock and no model.

Every frame that a decoder gave is skipped, shed, scored or waiting; `Counts` says how many of each, and nothing is
counted twice. The rack (serving.streams.rack) holds the lock under which a shelf is used.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace

from av import VideoFrame

from serving.streams.ages import Ages

FRAMES = 4  # what waits at most: two frame intervals, and as much again for a network's jitter
GRACE = 0.5  # of the greatest age: as much again is left for the model

OVERLOAD = "overload"  # the shelf was full: the oldest made way for the newest
STALE = "stale"  # too old at its turn for a result in time
FAILED = "failed"  # the model could not score it
REASONS = (OVERLOAD, STALE, FAILED)

Shape = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded picture that waits to be converted and scored, of height and width `shape`.

    `captured` is seconds since 1970, `arrived` the same moment on the monotonic clock.
    """

    picture: VideoFrame
    shape: Shape
    sequence: int
    captured: float
    arrived: float


@dataclass
class Counts:
    """What became of a stream's decoded frames; those that are in none of the numbers are waiting."""

    decoded: int = 0
    skipped: int = 0
    scored: int = 0
    shed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class ShelfView:
    """What a shelf says at one moment; `oldest` is the seconds that its oldest frame has waited for its result.

    It is 0 where none waits.
    """

    name: str
    counts: Counts
    waiting: int
    oldest: float
    ages: Ages
    max_age: float | None


@dataclass
class Shelf:
    """The newest frames of one stream.

    `max_age` is one frame interval in seconds: a frame that waited longer is shed; None loses nothing, and its decoder
    has to wait.
    `in_hand` is when each frame arrived that is in a batch, by its sequence.
    `turn` is what the stream has had, in frames by its priority: the least goes first.
    """

    name: str
    priority: int = 1
    max_age: float | None = None
    frames: deque[Frame] = field(default_factory=deque)
    in_hand: dict[int, float] = field(default_factory=dict)
    turn: float = 0.0
    counts: Counts = field(default_factory=Counts)
    ages: Ages = field(default_factory=Ages)

    @property
    def is_full(self) -> bool:
        """Tell whether one more frame costs the oldest its place."""
        return len(self.frames) >= FRAMES

    @property
    def waiting(self) -> int:
        """Return how many frames have no result yet: those here and those in a batch."""
        return len(self.frames) + len(self.in_hand)

    def skip(self) -> None:
        """Count a frame that the stream's own rate has no use for."""
        self.counts.decoded += 1
        self.counts.skipped += 1

    def put(self, frame: Frame) -> None:
        """Take in a frame; where there is no room the oldest is shed."""
        self.counts.decoded += 1
        if self.is_full:
            self.frames.popleft()
            self.counts.shed[OVERLOAD] += 1
        self.frames.append(frame)

    def expire(self, now: float) -> None:
        """Shed the frames that have waited too long at a moment of the monotonic clock.

        The newest is given half as long again: else no stream might have a frame just when a scorer is free, and not
        the priorities would decide, but who comes next.
        """
        while self.max_age is not None and self.frames:
            allowed = self.max_age if len(self.frames) > 1 else self.max_age * (1 + GRACE)
            if now - self.frames[0].arrived <= allowed:
                return
            self.frames.popleft()
            self.counts.shed[STALE] += 1

    def take(self) -> Frame:
        """Hand out the oldest frame, and count its turn."""
        frame = self.frames.popleft()
        self.in_hand[frame.sequence] = frame.arrived
        self.turn += 1 / self.priority
        return frame

    def finish(self, frame: Frame, now: float, reason: str | None = None) -> None:
        """Count a frame that was handed out: scored at a moment of the monotonic clock, or shed for a reason."""
        del self.in_hand[frame.sequence]
        if reason is None:
            self.counts.scored += 1
            self.ages.add(now - frame.arrived)
        else:
            self.counts.shed[reason] += 1

    def view(self, now: float) -> ShelfView:
        """Return what the shelf says at a moment of the monotonic clock."""
        counts = replace(self.counts, shed=Counter(self.counts.shed))
        arrived = min((*self.in_hand.values(), *(frame.arrived for frame in self.frames)), default=now)
        return ShelfView(self.name, counts, self.waiting, now - arrived, self.ages.copy(), self.max_age)
