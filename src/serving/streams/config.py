"""streams.yaml as frozen dataclasses: which model scores which sources, and where the results go. Reading only.

Relative paths are taken from the folder in which the command runs. A key that nobody knows is an error that names the
file and the key; the options of a sink are its opener's to check (serving.streams.sinks).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from serving.errors import ServingError
from serving.streams.building import build

Region = tuple[int, int, int, int]
PACES = ("source", "none")
NETWORK = ("rtsp://", "rtsps://", "http://", "https://")
DEVICE = "/dev/video"
VARIABLE = re.compile(r"\$\{(\w+)\}")
USER = re.compile(r"//[^/]*@")


@dataclass(frozen=True)
class ModelSource:
    """The package that scores: its folder, its digest, the variant (fp32, int8) and the engine that runs it."""

    package: Path
    digest: str
    variant: str
    engine: str = "onnxruntime"


@dataclass(frozen=True)
class MetricsAddress:
    """Where /metrics is served. Port 0 takes a free one, which OUT/status.json then names."""

    host: str = "127.0.0.1"
    port: int = 9100


@dataclass(frozen=True)
class StreamSource:
    """One source of frames, by a name that is its own.

    `fps` is how many frames a second are scored, None for all; `region` is x, y, width, height in pixels, None for the
    whole frame. Under overload a stream of priority 2 has twice the share of one of priority 1. `pace: none` plays a
    file as fast as it is scored and loses nothing; `pace: source` plays it in its own time, as a camera would.
    `hardware` names a device of PyAV's to decode on (cuda, vaapi, qsv, ...), "auto" for the first that works.
    ${NAME} in a source is an environment variable: the place for a password. `options` go to FFmpeg as they are, e.g.
    {rtsp_transport: udp}.
    The seconds say for how long no video may come, the picture may stand still or be black, before that is a fault. A
    scene that is still or dark by its nature needs more of them: else its source is opened again and again.
    """

    name: str
    source: str
    fps: float | None = None
    region: Region | None = None
    priority: int = 1
    pace: str = "source"
    hardware: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 5.0
    frozen_seconds: float = 10.0
    black_seconds: float = 10.0

    @property
    def address(self) -> str:
        """Return the source with its environment variables filled in: for opening, never for showing."""
        return VARIABLE.sub(lambda found: os.environ[found[1]], self.source)

    @property
    def shown(self) -> str:
        """Return the source as it may be shown: without a name or a password."""
        return USER.sub("//", self.source)

    @property
    def is_live(self) -> bool:
        """Tell whether the source has no end of its own: a network source or a device, which is opened again."""
        return self.source.startswith((*NETWORK, DEVICE))


@dataclass(frozen=True)
class SinkConfig:
    """Where results go: the kind of sink and its own options."""

    kind: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class SpoolConfig:
    """How much may wait on disk, for each sink, while its uplink is down; how long an orderly end tries to send it."""

    limit_mb: float = 100.0
    close_seconds: float = 5.0


@dataclass(frozen=True)
class CaptureConfig:
    """Which frames are kept for retraining: `to` is a folder or a container's URL, `below` a score, `random` a share.

    `redact` names a function, package.module:function, that each frame passes before it is written.
    """

    to: str
    per_hour: int = 60
    below: float = 0.6
    random: float = 0.001
    redact: str | None = None


@dataclass(frozen=True)
class DriftConfig:
    """How often the drift summary is sent."""

    every_seconds: float = 60.0


@dataclass(frozen=True)
class StreamsConfig:
    """All of streams.yaml. `out` holds status.json and the spool; what is None is not done.

    `shadow` is a second model that scores every frame too: where it disagrees is counted, and may be captured.
    """

    model: ModelSource
    out: Path
    streams: tuple[StreamSource, ...]
    shadow: ModelSource | None = None
    metrics: MetricsAddress | None = None
    sinks: tuple[SinkConfig, ...] = ()
    spool: SpoolConfig = field(default_factory=SpoolConfig)
    capture: CaptureConfig | None = None
    drift: DriftConfig | None = None


def read_config(path: Path, model: Mapping[str, str] | None = None) -> StreamsConfig:
    """Read streams.yaml; `model` stands for its key `model`, where that is declared elsewhere.

    Raises ServingError, with the file and the key, on anything that can't be used, and where both name a model.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ServingError(f"{path}: cannot be read ({error.strerror}): give a file to --config") from None
    except Exception as error:  # PyYAML raises whatever its constructors meet: ValueError, IndexError, RecursionError
        raise ServingError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None
    if model is not None and isinstance(content, Mapping):
        if "model" in content:
            raise ServingError(f"{path}: model: it is declared elsewhere: leave it out here")
        content = {**content, "model": model}
    return parse_config(content, str(path))


def parse_config(content: Any, where: str) -> StreamsConfig:
    """Return the configuration that a mapping holds; `where` names it in errors. Raises ServingError."""
    if isinstance(content, Mapping) and "sinks" in content:
        content = {**content, "sinks": _split_options(content["sinks"], f"{where}: sinks")}
    config = build(StreamsConfig, content, where)
    if not config.streams:
        raise ServingError(f"{where}: streams is empty: name at least one source")
    for name, count in Counter(stream.name for stream in config.streams).items():
        if count > 1 or not name:
            raise ServingError(f"{where}: streams: the name {name!r} is not one stream's own")
    for index, stream in enumerate(config.streams):
        _check_stream(stream, f"{where}: streams[{index}]")
    return config


def _split_options(sinks: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(sinks, list):
        raise ServingError(f"{where}: should be list, is {sinks!r}")
    for index, sink in enumerate(sinks):
        if not isinstance(sink, Mapping) or not isinstance(sink.get("kind"), str):
            raise ServingError(f"{where}[{index}]: should be a mapping with a kind, is {sink!r}")
    options = [{key: value for key, value in sink.items() if key != "kind"} for sink in sinks]
    return [{"kind": sink["kind"], "options": own} for sink, own in zip(sinks, options, strict=True)]


def _check_stream(stream: StreamSource, where: str) -> None:
    limits = {
        "fps": stream.fps is None or stream.fps > 0,
        "priority": stream.priority >= 1,
        "timeout_seconds": stream.timeout_seconds > 0,
        "frozen_seconds": stream.frozen_seconds > 0,
        "black_seconds": stream.black_seconds > 0,
        "region": stream.region is None or (min(stream.region[:2]) >= 0 and min(stream.region[2:]) >= 1),
    }
    for name, is_good in limits.items():
        if not is_good:
            raise ServingError(f"{where}: {name}: {getattr(stream, name)} is too small")
    for name in VARIABLE.findall(stream.source):
        if name not in os.environ:
            raise ServingError(f"{where}: source: the environment variable {name} is not set")
    if stream.pace not in PACES:
        raise ServingError(f"{where}: pace: should be one of {', '.join(PACES)}, is {stream.pace!r}")
    if stream.pace == "none" and stream.is_live:
        raise ServingError(f"{where}: pace: none is for files: {stream.shown} comes in its own time")
