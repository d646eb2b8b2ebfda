"""Sources that are files: their frames, their time, what thins them out, and decoding where hardware was asked for."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from serving.errors import ServingError
from serving.streams import source
from serving.streams.config import StreamSource
from serving.streams.gate import Gate
from serving.streams.source import Clock, Opened, Player, Thinning, open_source
from stream_clips import RED, plain_clip, scene

RATE = 25
Play = Callable[..., Iterator[av.VideoFrame]]


def count(stream: StreamSource) -> int:
    """Play a source to its end and return how many pictures it gave."""
    opened = open_source(stream)
    return sum(1 for _ in Player(stream, Gate(2), threading.Event()).pictures(opened))


@pytest.mark.parametrize("hardware", ["cuda", "vaapi", "auto", "no-such-device"])
def test_without_the_hardware_it_decodes_in_software_and_says_so(tmp_path: Path, hardware: str) -> None:
    stream = StreamSource("a", str(plain_clip(tmp_path / "a.mp4", RED, 10)), pace="none", hardware=hardware)
    note = open_source(stream).note
    assert note.startswith("h264 96x64 at 25 frames a second, decoded ")
    assert "in software (" in note or hardware in ("cuda", "vaapi", "auto"), "this machine may have the hardware"
    assert count(stream) == 10


def test_a_source_without_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(_silence())
    with pytest.raises(ServingError, match="tone.wav: holds no video"):
        open_source(StreamSource("a", str(tmp_path / "tone.wav")))


def test_an_error_does_not_show_a_password() -> None:
    with pytest.raises(ServingError) as error:
        open_source(StreamSource("a", "http://guard:p4ss@127.0.0.1:9/video", timeout_seconds=1))
    assert "p4ss" not in str(error.value) and "http://127.0.0.1:9/video: cannot be read" in str(error.value)


def _silence() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return buffer.getvalue()


def test_frames_are_chosen_evenly() -> None:
    def chosen(fps: float | None) -> list[int]:
        thinning = Thinning(fps)
        return [number for number in range(50) if thinning.wants(number / RATE)]

    assert chosen(None) == list(range(50))
    assert chosen(5) == list(range(0, 50, 5))
    assert len(chosen(10)) == 20
    assert chosen(100) == list(range(50)), "there are no more than there are"


def test_a_source_whose_time_jumps_is_thinned_out_anew() -> None:
    thinning = Thinning(5)
    times = [0.0, 0.1, 0.2, 1000.0, 1000.1, 1000.2, 3.0, 3.1, 3.2]
    assert [time for time in times if thinning.wants(time)] == [0.0, 0.2, 1000.0, 1000.2, 3.0, 3.2]


def test_whoever_waits_for_packets_is_not_behind_whatever_their_clock_says() -> None:
    slow, fast, drifting = Clock(), Clock(), Clock()
    for clock, rate in ((slow, 0.4), (fast, 2.5), (drifting, 0.999)):
        lags = [clock.behind(second * rate, 100 + second, 0.5) for second in range(3600)]
        assert max(lags) == 0


def test_whoever_never_waits_and_falls_back_is_behind_until_it_waits_again() -> None:
    clock = Clock()
    lags = [clock.behind(second, 100 + 1.5 * second, 0.0) for second in range(4)]
    assert lags == pytest.approx([0, 0.5, 1, 1.5])
    assert clock.behind(4, 106, 0.0) == pytest.approx(2)
    assert clock.behind(5, 107, 0.2) == 0


def test_packets_that_an_outage_held_back_are_not_late() -> None:
    clock = Clock()
    assert clock.behind(0, 100, 0.04) == 0
    assert [clock.behind(0.04 * n, 105 + 0.001 * n, 5 if n == 1 else 0) for n in range(1, 100)] == [0] * 99


def test_a_decoder_that_is_far_behind_goes_on_at_a_keyframe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StreamSource("a", str(plain_clip(tmp_path / "a.mp4", RED, 60)))
    lags = iter([0.0] * 12 + [5.0] * 5 + [0.0] * 100)  # keyframes are every ten frames
    monkeypatch.setattr(Clock, "behind", lambda *_: next(lags))
    monkeypatch.setattr(Clock, "wait_until", lambda *_: None)
    player = Player(stream, Gate(2), threading.Event())
    pictures = list(player.pictures(open_source(stream)))
    assert (player.late, len(pictures)) == (8, 52)
    assert not any(picture.is_corrupt for picture in pictures)


def test_options_go_to_ffmpeg_and_win() -> None:
    given: dict[str, Any] = {"rtsp_transport": "udp", "listen_timeout": 3}
    options = source._options(StreamSource("a", "rtsp://camera", options=given))
    assert (options["rtsp_transport"], options["listen_timeout"]) == ("udp", "3")


def transport_stream(pictures: int, sounds: int) -> bytes:
    """Return an MPEG transport stream of some pictures and some tones, 25 a second of each."""
    content = io.BytesIO()
    with av.open(content, "w", format="mpegts") as container:
        video, sound = container.add_stream("mpeg2video", rate=RATE), container.add_stream("mp2", rate=48000)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for number in range(max(pictures, sounds)):
            if number < pictures:
                picture = av.VideoFrame.from_ndarray(scene(RED, seed=number), format="rgb24")
                picture.pts = number
                container.mux(video.encode(picture))
            if number == pictures:
                container.mux(video.encode())
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1920), np.int16), format="s16", layout="stereo")
            tone.sample_rate, tone.pts = 48000, number * 1920
            container.mux(sound.encode(tone))
    return content.getvalue()


class Trickle(io.BytesIO):
    """A file that comes as a camera sends it, little by little, and the clock that tells so."""

    now = 100.0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return a little, 10 ms later."""
        self.now += 0.01
        return super().read(188 * 4)

    def monotonic(self) -> float:
        """Return what the clock shows."""
        return self.now


@pytest.fixture
def trickle(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Return what plays a live source's content as it comes."""

    def play(content: bytes, **fields: Any) -> Iterator[av.VideoFrame]:
        file = Trickle(content)
        monkeypatch.setattr(source, "time", file)
        with av.open(file, format="mpegts") as container:
            opened = Opened(container, container.streams.video[0], (64, 96), RATE, False, "")
            stream = StreamSource("a", "http://camera/a.ts", **fields)
            yield from Player(stream, Gate(2), threading.Event()).pictures(opened)

    return play


def test_a_live_source_whose_video_ends_while_its_sound_goes_on_breaks_off(trickle: Play) -> None:
    pictures = []
    with pytest.raises(ServingError, match="http://camera/a.ts: gave no video for 2 seconds: check the camera"):
        for picture in trickle(transport_stream(10, 1000), timeout_seconds=2.0):
            pictures.append(picture)
    assert pictures


def test_a_live_source_whose_video_makes_no_picture_breaks_off(trickle: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clock, "behind", lambda *_: 5.0)  # it waits for a keyframe all the time
    with pytest.raises(ServingError, match="gave no picture for 3 seconds"):
        list(trickle(transport_stream(200, 200), timeout_seconds=2.0, frozen_seconds=3.0))


def test_a_live_source_that_gives_pictures_is_played_for_longer_than_its_limits(trickle: Play) -> None:
    assert len(list(trickle(transport_stream(200, 200), timeout_seconds=2.0, frozen_seconds=2.0))) > 190


def test_a_file_whose_sound_goes_on_after_its_video_is_played_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(transport_stream(10, 100))
    assert count(StreamSource("a", str(tmp_path / "a.ts"), pace="none")) == 10


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_time_that_jumps_starts_the_clock_anew(jump: float) -> None:
    class Waits(threading.Event):
        said: list[float] = []

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            self.said.append(timeout)
            return False

    clock, waits = Clock(), Waits()
    for seconds in (10_000.0, 10_000 + jump, 10_001 + jump):
        clock.wait_until(seconds, waits)
    assert waits.said == pytest.approx([1], abs=0.5), "a second after the jump, and none for the jump"
    times = (10_000.0, 10_000 + jump, 10_000.04 + jump)
    assert [clock.behind(seconds, 50.0, 0.0) for seconds in times] == pytest.approx([0, 0, 0], abs=0.1)
