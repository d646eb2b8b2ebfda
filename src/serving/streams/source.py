"""Opens a source of frames by PyAV and decodes it: RTSP, HTTP(S), a device or a file. It knows no shelf and no model.

Latency counts, not a source's own speed: one decoding thread a stream (more hold back a frame each, and there are
streams enough for the cores), no long look at what it holds, and a time limit on whatever comes by network. Options of
one source, as FFmpeg names them, come with the configuration; ffmpeg.org/ffmpeg-protocols.html lists them.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.codec.context import Flags
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer
from av.video.stream import VideoStream

from serving.errors import ServingError, one_line
from serving.streams.config import DEVICE, StreamSource
from serving.streams.gate import Gate
from serving.streams.shelf import Shape

USUAL_FPS = 25.0
PLAUSIBLE_FPS = (1.0, 240.0)  # what a container says is at times its clock's rate
LATE_SECONDS, WAIT_SECONDS = 1.0, 0.01
JUMP_SECONDS = 2.0  # between two packets: not a pause in what a source shows, but another clock
BROKEN_PACKETS = 50  # in a row: a live source that loses some goes on

# What is read to find out what a source holds is decoded too: FFmpeg's nobuffer would lose it, and with it the first
# keyframe, so that a camera would show nothing until its next.
RTSP = {"rtsp_transport": "tcp", "max_delay": "500000", "analyzeduration": "1000000"}
HTTP = {"analyzeduration": "1000000"}


@dataclass(frozen=True)
class Opened:
    """An open source: height and width, and `fps`, as far as it says; whether packets wait for their time; and a note
    on how it decodes.
    """

    container: InputContainer
    video: VideoStream
    shape: Shape
    fps: float
    is_paced: bool
    note: str


def open_source(stream: StreamSource) -> Opened:
    """Open a stream's source. Raises ServingError where that can't be done within its seconds."""
    try:
        container, note = _open(stream)
    except (av.FFmpegError, OSError) as error:
        raise ServingError(f"{stream.shown}: cannot be read ({_why(error)}): {_advice(stream)}") from None
    if not container.streams.video:
        container.close()
        raise ServingError(f"{stream.shown}: holds no video: name another source")
    video = container.streams.video[0]
    video.codec_context.thread_count = 1
    if stream.is_live:
        video.codec_context.flags |= Flags.low_delay
    shape, fps = (video.codec_context.height, video.codec_context.width), _fps(video)
    size = f"{shape[1]}x{shape[0]}"
    note = f"{video.codec_context.name} {size} at {fps:g} frames a second, decoded {note}"
    return Opened(container, video, shape, fps, _is_paced(stream, container), note)


@dataclass
class Player:
    """Decodes an open source, packet by packet, while the gate lets it.

    `late` counts the packets that were left undecoded: those up to the next keyframe, when it is too far behind.
    FFmpeg's own limit of time sees bytes of any kind. So a live source that sends sound, and no video for its
    `timeout_seconds`, breaks off here, and one whose video makes no picture for that long or its `frozen_seconds`, if
    they are more: the next keyframe may be far.
    """

    stream: StreamSource
    gate: Gate
    stop: threading.Event
    late: int = 0
    _broken: int = 0
    _blind: float = 0.0  # seconds that were waited for packets since the last picture

    def pictures(self, opened: Opened) -> Iterator[av.VideoFrame]:
        """Yield the pictures until the source ends or `stop` is set. Raises ServingError where it breaks off."""
        number, stream, self._blind = 0, self.stream, 0.0
        try:
            for packet in self._packets(opened):
                for picture in self._decode(packet):
                    number, self._blind = number + 1, 0.0
                    yield picture
        except (av.FFmpegError, OSError) as error:
            reason = f"cannot be read after frame {number} ({_why(error)})"
            raise ServingError(f"{stream.shown}: {reason}: {_advice(stream)}") from None
        if not number and not self.stop.is_set():
            raise ServingError(f"{stream.shown}: holds no frame: {_advice(stream)}")

    def _packets(self, opened: Opened) -> Iterator[av.Packet]:
        clock, is_behind = Clock(), False
        for packet, asked in self._of_video(opened):
            if packet.dts is not None and self.stream.pace != "none":
                seconds = float(packet.dts * packet.time_base)
                if opened.is_paced:
                    clock.wait_until(seconds, self.stop)
                now = time.monotonic()
                is_late = clock.behind(seconds, now, now - asked) > LATE_SECONDS
                is_behind = is_late or (is_behind and not packet.is_keyframe)
            if self.stop.is_set():
                return
            if is_behind:
                self.late += 1
            else:
                yield packet

    def _of_video(self, opened: Opened) -> Iterator[tuple[av.Packet, float]]:
        # Each with the moment since which it was waited for. The other packets are asked for to see the time pass.
        limit = self.stream.timeout_seconds
        asked = time.monotonic()
        for packet in opened.container.demux():
            waited = time.monotonic() - asked
            if self.stop.is_set():
                return
            if packet.stream_index == opened.video.index:
                self._blind += waited
                self._expect("picture", self._blind, max(limit, self.stream.frozen_seconds))
                yield packet, asked
                asked = time.monotonic()
            else:
                self._expect("video", waited, limit)

    def _expect(self, what: str, waited: float, limit: float) -> None:
        if self.stream.is_live and waited > limit:
            raise ServingError(f"{self.stream.shown}: gave no {what} for {limit:g} seconds: {_advice(self.stream)}")

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            with self.gate.decoding():
                pictures = packet.decode()
        except av.InvalidDataError:
            self._broken += 1
            if not self.stream.is_live or self._broken > BROKEN_PACKETS:
                raise
            return []
        self._broken = 0
        return pictures


class Clock:
    """Holds a source's own time against ours. A source's time that jumps, either way, starts it anew."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._offset = math.inf  # between the two times when we were not behind
        self._last: float | None = None

    def wait_until(self, seconds: float, stop: threading.Event) -> None:
        """Wait until it is `seconds` in the source's time, which began at the first call; less where `stop` is set."""
        self._follow(seconds)
        now = time.monotonic()
        if self._start is None:
            self._start = now - seconds
        if (wait := self._start + seconds - now) > 0:
            stop.wait(wait)

    def behind(self, seconds: float, now: float, waited: float) -> float:
        """Return by how many seconds we are late, now, with a packet of `seconds` in the source's time.

        Whoever had to wait for a packet is not late with it, whatever the source's clock says: clocks drift, are set,
        and those of web cameras are made up from a frame rate that is not theirs.
        """
        self._follow(seconds)
        offset = now - seconds
        self._offset = offset if waited > WAIT_SECONDS else min(self._offset, offset)
        return offset - self._offset

    def _follow(self, seconds: float) -> None:
        if self._last is not None and abs(seconds - self._last) > JUMP_SECONDS:
            self._start, self._offset = None, math.inf
        self._last = seconds


class Thinning:
    """Chooses frames by their time so that there are `fps` of them a second; None takes all."""

    def __init__(self, fps: float | None) -> None:
        self._step = 1 / fps if fps else 0.0
        self._due: float | None = None

    def wants(self, seconds: float) -> bool:
        """Tell whether the frame at a source's time is one of them. A time that jumps starts it anew."""
        if self._due is None or abs(seconds - self._due) > 2 * self._step + 1:
            self._due = seconds
        if seconds < self._due - 1e-6:
            return False
        self._due = max(self._due + self._step, seconds - self._step)
        return True


def _open(stream: StreamSource) -> tuple[InputContainer, str]:
    options: dict[str, Any] = {"options": _options(stream)}
    if stream.source.startswith(DEVICE):
        options["format"] = "v4l2"
    if stream.is_live:
        options["timeout"] = (stream.timeout_seconds, stream.timeout_seconds)
    reason = "software was asked for"
    for device in _devices(stream.hardware):
        try:
            container = av.open(stream.address, hwaccel=HWAccel(device, allow_software_fallback=False), **options)
            return container, f"on {device}"
        except (RuntimeError, ValueError, av.PermissionError, av.InvalidDataError) as error:
            reason = f"{device}: {_why(error)}"
    note = "in software" if stream.hardware is None else f"in software ({reason})"
    return av.open(stream.address, **options), note


def _devices(hardware: str | None) -> list[str]:
    return hwdevices_available() if hardware == "auto" else [hardware] if hardware else []


def _options(stream: StreamSource) -> dict[str, str]:
    kinds = {"rtsp": RTSP, "http": HTTP}
    usual = next((options for kind, options in kinds.items() if stream.source.startswith(kind)), {})
    return {**usual, **{name: str(value) for name, value in stream.options.items()}}


def _fps(video: VideoStream) -> float:
    rates = (float(rate) for rate in (video.average_rate, video.guessed_rate) if rate)
    least, most = PLAUSIBLE_FPS
    return next((rate for rate in rates if least <= rate <= most), USUAL_FPS)


def _is_paced(stream: StreamSource, container: InputContainer) -> bool:
    # What a server sends as fast as it can, segments or a whole file, would come in bursts and be shed.
    if stream.is_live:
        is_recorded = container.duration is not None or container.format.name == "hls"
        return stream.source.startswith("http") and is_recorded
    return stream.pace == "source"


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or one_line(error)


def _advice(stream: StreamSource) -> str:
    return "check the camera and its address" if stream.is_live else "make it again or name another source"
