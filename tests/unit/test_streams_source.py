"""Sources that are files: their frames, their time, what thins them out, and decoding where hardware was asked for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from serving.errors import ServingError
from serving.streams import source
from serving.streams.config import StreamSource
from serving.streams.gate import Gate
from serving.streams.source import Clock, Player, Thinning, open_source
from stream_clips import RED, plain_clip

RATE = 25


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
    import io
    import wave

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
