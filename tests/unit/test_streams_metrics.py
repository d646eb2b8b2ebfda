"""What is shown of streams: /metrics that Prometheus' own parser reads, status.json, a line."""

from __future__ import annotations

import io
import json
import socket
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.errors import ServingError
from serving.streams.ages import Ages
from serving.streams.config import MetricsAddress
from serving.streams.metrics import serve_metrics
from serving.streams.overview import Meter, OutletsView, Overview, StreamView
from serving.streams.result import StreamEvent
from serving.streams.shelf import Counts, ShelfView
from serving.streams.status import Board


def overview() -> Overview:
    """Return two streams, one of which dropped."""
    ages = Ages()
    for seconds in (0.003, 0.03, 0.03, 9.0):
        ages.add(seconds)
    counts = Counts(12, 3, 4, Counter({"stale": 2, "overload": 1}))
    good = StreamView("live", "h264", 1, 7, ShelfView("gate-1", counts, 2, 0.05, ages, 0.04))
    bad = StreamView("dropped", "no answer", 3, 0, ShelfView("gate-2", Counts(), 0, 0.0, Ages(), None))
    outlets = OutletsView({"mqtt": {"sent": 5, "waiting": 3}}, {"random": 4}, 6, 9)
    return Overview(1.0, (good, bad), 25.0, 0.5, 0.25, 100.0, outlets, (1.0, 2.0))


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_metrics_are_what_prometheus_reads() -> None:
    server, url = serve_metrics(MetricsAddress(port=0), overview)
    try:
        with urlopen(url) as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    values = {(one.name, *sorted(one.labels.values())): one.value for one in samples}
    assert values["visionline_stream_frames_total", "gate-1", "scored"] == 4
    assert values["visionline_stream_frames_total", "gate-1", "shed"] == 3
    assert values["visionline_stream_shed_frames_total", "gate-1", "stale"] == 2
    assert values["visionline_stream_late_packets_total", "gate-1"] == 7
    assert values["visionline_stream_waiting_frames", "gate-1"] == 2
    assert values["visionline_stream_oldest_age_seconds", "gate-1"] == 0.05
    assert (values["visionline_stream_up", "gate-1"], values["visionline_stream_up", "gate-2"]) == (1, 0)
    assert values["visionline_stream_state", "dropped", "gate-2"] == 1
    assert values["visionline_stream_connections_total", "gate-2"] == 3
    assert values["visionline_stream_busy_fraction",] == 0.5
    assert values["visionline_stream_capacity_frames_per_second",] == 100
    assert values["visionline_stream_age_seconds_bucket", "0.04", "gate-1"] == 3
    assert values["visionline_stream_age_seconds_bucket", "+Inf", "gate-1"] == 4
    assert values["visionline_stream_age_seconds_count", "gate-1"] == 4
    assert values["visionline_stream_sink_lines_total", "mqtt", "sent"] == 5
    assert values["visionline_stream_sink_waiting_lines", "mqtt"] == 3
    assert values["visionline_stream_captured_frames_total", "random"] == 4
    assert values["visionline_stream_shadow_disagreements_total",] == 6
    assert values["visionline_stream_shadow_failures_total",] == 9
    assert ("process_cpu_seconds_total",) in values


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"metrics: 127.0.0.1:{port} cannot be used"):
            serve_metrics(MetricsAddress(port=port), overview)


def test_the_status_is_written_whole_and_says_all(tmp_path: Path) -> None:
    board, stream = Board(tmp_path, io.StringIO(), {"pid": 7}), io.StringIO()
    board.show(overview())
    status = json.loads((tmp_path / "status.json").read_text(encoding="utf-8"))
    assert (status["pid"], status["state"], status["waiting"], status["oldest_age_ms"]) == (7, "running", 2, 50)
    assert (status["fps"], status["busy"], status["capacity_fps"]) == (25, 0.5, 100)
    assert status["sinks"] == {"mqtt": {"sent": 5, "waiting": 3}}
    assert (status["capture"], status["disagreements"], status["shadow_failures"]) == ({"random": 4}, 6, 9)
    gate = status["streams"]["gate-1"]
    assert (gate["decoded"], gate["skipped"], gate["scored"], gate["waiting"]) == (12, 3, 4, 2)
    assert gate["shed"] == {"stale": 2, "overload": 1}
    assert (gate["age_bound_ms"], gate["age_ms_p50"]) == (80, 30)
    assert status["streams"]["gate-2"]["age_ms_p99"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"] and stream.getvalue() == ""


def test_the_line_is_rewritten_on_a_terminal_and_a_new_one_elsewhere(tmp_path: Path) -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        board = Board(tmp_path, stream, {})
        board.show(overview())
        board.show(overview(), "stopped")
    line = "25 frames/s, 2 waiting, oldest 50 ms, busy 50%, shed 3, capacity 100, 1 of 2 streams well"
    assert terminal.getvalue() == f"\r\x1b[K{line}\r\x1b[K{line}\n"
    assert file.getvalue() == f"{line}\n{line}\n"


def test_events_stay_above_the_line(tmp_path: Path) -> None:
    terminal = Terminal()
    board = Board(tmp_path, terminal, {})
    board.show(overview())
    board.say(StreamEvent("gate-2", 1.0, "dropped", "no answer"))
    assert terminal.getvalue().endswith("\r\x1b[Kgate-2 dropped: no answer\n")


def test_a_status_that_can_not_be_written_is_said_and_ends_nothing(tmp_path: Path) -> None:
    file = io.StringIO()
    Board(tmp_path / "gone", file, {}).show(overview())
    assert "status.json cannot be written (No such file or directory)" in file.getvalue()


def test_rates_are_from_one_reading_to_the_next() -> None:
    meter = Meter(2)
    assert meter.read(100, 1.0)[0] == 0
    fps, busy, cpu = meter.read(100, 1.0)
    assert (fps, busy) == (0, 0) and cpu >= 0
    assert meter.read(200, 1e9)[1] == 1
