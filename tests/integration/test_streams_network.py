"""Sources that come by network: a camera that pushes RTSP, a recording and HLS segments from a web server."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import pytest

from model_packages import make_package
from modelpackage import package_digest
from running_endpoint import wait_for
from serving.model import Model, load_model
from serving.streams.config import StreamSource
from serving.streams.engine import Engine
from serving.streams.outlets import Outlets
from serving.streams.scorer import Models
from stream_clips import BLUE, RED, Lines, plain_clip

# A process of its own: PyAV's muxer keeps the interpreter to itself while it waits for the other side.
PUSH = """
import sys, time
import av
url, clip = sys.argv[1:]
with av.open(clip) as given, av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"}) as container:
    video = container.add_stream_from_template(given.streams.video[0])
    for packet in given.demux(video=0):
        if packet.dts is not None:
            packet.stream = video
            container.mux(packet)
            time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return a model that names the strongest colour."""
    package = make_package(tmp_path_factory.mktemp("network") / "package")
    return load_model(package, package_digest(package), "fp32")


@contextmanager
def running(model: Model, *streams: StreamSource) -> Iterator[tuple[Engine, Lines]]:
    """Run an engine beside the test, and stop it as SIGTERM does."""
    lines = Lines()
    engine = Engine(streams, [Models(model)], Outlets("sha256:d", "fp32", [lines]))
    thread = threading.Thread(target=engine.run, args=(lambda overview: None,))
    thread.start()
    try:
        yield engine, lines
    finally:
        engine.stop()
        thread.join()


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serve a folder for the length of a test; yields its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def push(url: str, clip: Path) -> subprocess.Popen[bytes]:
    """Push a clip to whoever listens, as a camera would."""
    return subprocess.Popen([sys.executable, "-c", PUSH, url, str(clip)], stderr=subprocess.DEVNULL)


def pushed(url: str, clip: Path, is_there: Any) -> None:
    """Push a clip, again while nobody listens yet, until something is true; then kill the camera."""
    camera = push(url, clip)
    try:

        def is_done() -> bool:
            nonlocal camera
            if camera.poll() not in (None, 0):
                camera = push(url, clip)
            return bool(is_there())

        wait_for(is_done)
    finally:
        camera.kill()
        camera.wait()


def test_an_rtsp_camera_is_scored_dropped_and_scored_again(model: Model, tmp_path: Path) -> None:
    clips = [plain_clip(tmp_path / f"{number}.mp4", colour, 500) for number, colour in enumerate((RED, BLUE))]
    other = plain_clip(tmp_path / "other.mp4", RED, 2000)
    url = f"rtsp://127.0.0.1:{free_port()}/camera"
    options = {"rtsp_flags": "listen", "listen_timeout": "2"}
    camera = StreamSource("camera", url, timeout_seconds=2, options=options)
    with running(model, camera, StreamSource("other", str(other))) as (engine, lines):
        for clip, label in zip(clips, ("red", "blue"), strict=True):
            pushed(url, clip, lambda label=label: label in {one["label"] for one in lines.messages("result", "camera")})
            wait_for(lambda: lines.events("camera")[-1] == "dropped")
        seen = len(lines.messages("result", "other"))
        wait_for(lambda: len(lines.messages("result", "other")) > seen)
    events = [kind for kind in lines.events("camera") if kind != "stopped"]
    assert events[-4:] == ["dropped", "connected", "recovered", "dropped"]
    assert lines.events("other") == ["connected", "stopped"]
    connected = next(one for one in lines.messages("event", "camera") if one["event"] == "connected")
    assert connected["detail"].startswith("h264 96x64 at ")


@pytest.mark.parametrize("name", ["clip.mp4", "live.m3u8"])
def test_what_a_server_sends_in_bursts_is_played_in_its_own_time(model: Model, tmp_path: Path, name: str) -> None:
    clip = plain_clip(tmp_path / "clip.mp4", RED, 75)
    with av.open(str(clip)) as given, av.open(str(tmp_path / "live.m3u8"), "w", format="hls") as container:
        video = container.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
    with web_server(tmp_path) as url, running(model, StreamSource("a", f"{url}/{name}")) as (engine, lines):
        wait_for(lambda: "dropped" in lines.events("a"))
        first = next(one for one in engine.overview().streams)
    assert first.shelf.counts.shed["overload"] == 0
    assert lines.events("a")[:2] == ["connected", "dropped"]
