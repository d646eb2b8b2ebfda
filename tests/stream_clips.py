"""Makes clips for tests of streams, a web camera that does as it is told, and sinks that keep what they get.

Import it as `from stream_clips import make_clip, Camera, Lines`.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

RED, GREEN, BLUE, BLACK = (220, 20, 20), (20, 220, 20), (20, 20, 220), (0, 0, 0)
SIZE = (96, 64)  # width, height


def scene(colour: tuple[int, int, int], size: tuple[int, int] = SIZE, seed: int | None = None) -> NDArray[np.uint8]:
    """Return a frame of one colour, [height, width, 3]; with a seed, with a sensor's noise."""
    frame = np.full((size[1], size[0], 3), colour, np.uint8)
    if seed is None:
        return frame
    noise = np.random.default_rng(seed).integers(0, 30, frame.shape[:2], np.uint8)
    return np.asarray(np.minimum(frame.astype(np.uint16) + noise[..., None], 255), np.uint8)


def make_clip(path: Path, frames: Iterable[NDArray[np.uint8]], fps: int = 25) -> Path:
    """Write frames, [height, width, 3], as an H.264 clip and return its path."""
    with av.open(str(path), "w") as container:
        video = None
        for frame in frames:
            if video is None:
                video = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "g": "10"})
                video.height, video.width, video.pix_fmt = *frame.shape[:2], "yuv420p"
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        assert video is not None
        container.mux(video.encode())
    return path


def plain_clip(path: Path, colour: tuple[int, int, int], count: int, fps: int = 25) -> Path:
    """Write a noisy clip of one colour."""
    return make_clip(path, (scene(colour, seed=number) for number in range(count)), fps)


class Lines:
    """An outbox that keeps what it is given, as a sink would get it."""

    name = "lines"

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.is_closed = False

    def put(self, line: bytes) -> None:
        """Keep a line."""
        self.lines.append(line)

    def counters(self) -> dict[str, int]:
        """Return how many there are."""
        return {"sent": len(self.lines), "waiting": 0}

    def close(self, deadline_s: float) -> None:
        """Remember that it was closed."""
        self.is_closed = True

    def messages(self, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
        """Return the messages of a kind, of one stream or of all."""
        messages = [json.loads(line) for line in tuple(self.lines)]
        return [one for one in messages if one["kind"] == kind and stream in (None, one["stream"])]

    def events(self, stream: str) -> list[str]:
        """Return the kinds of a stream's events, in order."""
        return [one["event"] for one in self.messages("event", stream)]


class WebCamera:
    """An MJPEG camera on loopback: sends a frame every `interval` seconds, and does what its fields say."""

    def __init__(self) -> None:
        self.colour = RED
        self.size = SIZE
        self.interval = 0.02
        self.is_frozen = False
        self.is_dead = False  # refuses and drops connections
        self.is_silent = False  # keeps connections and sends nothing
        self.url = ""
        self.connections = 0
        self._number = 0
        self._wake = threading.Event()

    def parts(self) -> Iterator[bytes]:
        """Yield the parts of the answer, one a frame, while the camera lives."""
        while not self.is_dead and not self._wake.wait(self.interval):
            if not self.is_silent:
                yield self._part()

    def close(self) -> None:
        """End all answers."""
        self._wake.set()

    def _part(self) -> bytes:
        self._number += not self.is_frozen
        buffer = io.BytesIO()
        Image.fromarray(scene(self.colour, self.size, seed=self._number)).save(buffer, "JPEG", quality=95)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {buffer.tell()}\r\n\r\n"
        return head.encode() + buffer.getvalue() + b"\r\n"


@contextmanager
def web_camera() -> Iterator[WebCamera]:
    """Serve a camera for the length of a test."""
    camera = WebCamera()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  # the name is http.server's
            if camera.is_dead:
                return self.send_error(503)
            camera.connections += 1
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for part in camera.parts():
                try:
                    self.wfile.write(part)
                except OSError:
                    return None

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    camera.url = f"http://127.0.0.1:{server.server_port}/video"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield camera
    finally:
        camera.close()
        server.shutdown()
        server.server_close()
