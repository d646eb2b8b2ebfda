"""streams.yaml: what it may hold, and that whatever else it holds is named with the file and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.errors import ServingError
from serving.streams.config import StreamSource, parse_config, read_config

MODEL = {"package": "/packages/2", "digest": "sha256:0", "variant": "int8"}
SMALL: dict[str, Any] = {"model": MODEL, "out": "/var/out", "streams": [{"name": "a", "source": "a.mp4"}]}
WHOLE: dict[str, Any] = {
    "model": {**MODEL, "engine": "openvino"},
    "out": "/var/out",
    "metrics": {"host": "0.0.0.0", "port": 0},
    "streams": [
        {"name": "gate", "source": "rtsp://camera", "fps": 5, "region": [1, 2, 3, 4], "priority": 2},
        {"name": "file", "source": "a.mp4", "pace": "none", "hardware": "auto", "options": {"threads": 1}},
    ],
    "sinks": [{"kind": "jsonl", "path": "results.jsonl"}, {"kind": "mqtt", "host": "broker", "port": 1883}],
    "spool": {"limit_mb": 10},
    "capture": {"to": "/captured", "per_hour": 6},
    "drift": {"every_seconds": 5},
}


def with_stream(**fields: Any) -> dict[str, Any]:
    """Return a configuration whose one stream has these fields too."""
    return {**SMALL, "streams": [{**SMALL["streams"][0], **fields}]}


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "streams.yaml").write_text(yaml.safe_dump(WHOLE), encoding="utf-8")
    config = read_config(tmp_path / "streams.yaml")
    assert config.streams[0] == StreamSource("gate", "rtsp://camera", 5.0, (1, 2, 3, 4), 2)
    assert [(sink.kind, dict(sink.options)) for sink in config.sinks] == [
        ("jsonl", {"path": "results.jsonl"}),
        ("mqtt", {"host": "broker", "port": 1883}),
    ]
    assert config.metrics is not None and config.capture is not None and config.drift is not None
    assert (config.metrics.port, config.spool.limit_mb, config.capture.per_hour) == (0, 10.0, 6)
    assert (config.drift.every_seconds, config.model.engine) == (5.0, "openvino")


def test_a_model_that_is_declared_elsewhere_stands_for_the_key_and_never_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "streams.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in SMALL.items() if key != "model"}), encoding="utf-8")
    assert read_config(file, MODEL).model == parse_config(SMALL, "f").model
    file.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    with pytest.raises(ServingError, match="streams.yaml: model: it is declared elsewhere"):
        read_config(file, MODEL)


def test_what_is_left_out_is_not_done() -> None:
    config = parse_config(SMALL, "f")
    assert (config.metrics, config.sinks, config.capture, config.drift) == (None, (), None, None)
    assert config.streams[0].fps is None and config.model.package == Path("/packages/2")


@pytest.mark.parametrize("source", ["rtsp://a", "http://a", "https://a", "/dev/video0"])
def test_cameras_are_told_from_files(source: str) -> None:
    assert parse_config(with_stream(source=source), "f").streams[0].is_live
    assert not parse_config(SMALL, "f").streams[0].is_live


@pytest.mark.parametrize(
    "content, reason",
    [
        ([], "f: should be a mapping of model, out, streams"),
        ({**SMALL, "stream": []}, "f: unknown key 'stream'"),
        ({**SMALL, "model": {"package": "p", "digest": "d"}}, "f: model: variant is missing"),
        ({**SMALL, "streams": []}, "f: streams is empty"),
        ({**SMALL, "streams": {"name": "a"}}, "f: streams: should be list"),
        (with_stream(fsp=5), "f: streams[0]: unknown key 'fsp'"),
        (with_stream(fps="fast"), "f: streams[0]: fps: should be float"),
        (with_stream(fps=0), "f: streams[0]: fps: 0.0 is too small"),
        (with_stream(priority=True), "f: streams[0]: priority: should be int"),
        (with_stream(priority=0), "f: streams[0]: priority: 0 is too small"),
        (with_stream(region=[1, 2, 3]), "f: streams[0]: region: should be a list of 4"),
        (with_stream(region=[0, 0, 0, 5]), "f: streams[0]: region: (0, 0, 0, 5) is too small"),
        (with_stream(region=[-1, 0, 5, 5]), "f: streams[0]: region"),
        (with_stream(pace="quick"), "f: streams[0]: pace: should be one of source, none"),
        (with_stream(source="rtsp://a", pace="none"), "f: streams[0]: pace: none is for files"),
        (with_stream(options=["a"]), "f: streams[0]: options: should be Mapping"),
        (with_stream(timeout_seconds=0), "f: streams[0]: timeout_seconds"),
        ({**SMALL, "streams": SMALL["streams"] * 2}, "f: streams: the name 'a' is not one stream's own"),
        ({**SMALL, "sinks": {"kind": "jsonl"}}, "f: sinks: should be list"),
        ({**SMALL, "sinks": ["jsonl"]}, "f: sinks[0]: should be a mapping with a kind"),
        ({**SMALL, "metrics": {"port": "9100"}}, "f: metrics: port: should be int"),
    ],
)
def test_what_can_not_be_used_is_named_with_its_key(content: Any, reason: str) -> None:
    with pytest.raises(ServingError) as error:
        parse_config(content, "f")
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


def test_a_file_that_is_absent_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="absent.yaml: cannot be read"):
        read_config(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ServingError, match="bad.yaml: is not YAML"):
        read_config(tmp_path / "bad.yaml")


def test_a_password_is_filled_in_from_the_environment_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    content = with_stream(source="rtsp://${NAME}:${SECRET}@camera:554/main?a=b@c")
    with pytest.raises(ServingError, match="source: the environment variable NAME is not set"):
        parse_config(content, "f")
    monkeypatch.setenv("NAME", "guard")
    monkeypatch.setenv("SECRET", "p4ss")
    (stream,) = parse_config(content, "f").streams
    assert stream.address == "rtsp://guard:p4ss@camera:554/main?a=b@c"
    assert stream.shown == "rtsp://camera:554/main?a=b@c"
    assert StreamSource("a", "rtsp://guard:p4ss@camera/main").shown == "rtsp://camera/main"
