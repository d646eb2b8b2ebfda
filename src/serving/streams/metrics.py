"""/metrics for autoscaling, in Prometheus' text format: what waits, how old it is, how busy, how much could be done.

It is served by prometheus_client's own server, and made anew for each scrape from one overview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import HTTPServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.errors import ServingError
from serving.streams.ages import BOUNDS, Ages
from serving.streams.config import MetricsAddress
from serving.streams.overview import OutletsView, Overview, StreamView

PREFIX = "visionline_stream"
WAITING = "waiting"  # of an outbox's counts, the one that goes down again
WELL = ("live", "ended", "stopped")


class StreamsCollector(Collector):
    """Makes the metrics of one overview at each scrape."""

    def __init__(self, overview: Callable[[], Overview]) -> None:
        self._overview = overview

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families."""
        now = self._overview()
        yield GaugeMetricFamily(f"{PREFIX}_busy_fraction", "Share of the scorers' time, last second", now.busy)
        yield GaugeMetricFamily(f"{PREFIX}_cpu_fraction", "Share of the machine's cores, last second", now.cpu)
        capacity = GaugeMetricFamily(f"{PREFIX}_capacity_frames_per_second", "What can be scored, measured at start")
        if now.capacity_fps is not None:
            capacity.add_metric((), now.capacity_fps)
        yield capacity
        yield _frames(now.streams)
        yield _shed(now.streams)
        yield from _gauges(now.streams)
        yield _ages(now.streams)
        yield from _outlets(now.outlets)


def serve_metrics(address: MetricsAddress, overview: Callable[[], Overview]) -> tuple[HTTPServer, str]:
    """Serve /metrics in a thread and return the server and its URL. Raises ServingError where the port is taken."""
    registry = CollectorRegistry()
    registry.register(StreamsCollector(overview))
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(address.port, address.host, registry)
    except OSError as error:
        where = f"{address.host}:{address.port}"
        raise ServingError(f"metrics: {where} cannot be used ({error.strerror}): take another port") from None
    return server, f"http://{address.host}:{server.server_port}/metrics"


def _frames(streams: tuple[StreamView, ...]) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}_frames", "Decoded frames by what became of them", labels=["stream", "outcome"]
    )
    for stream in streams:
        counts = stream.shelf.counts
        outcomes = {"skipped": counts.skipped, "scored": counts.scored, "shed": counts.shed.total()}
        for outcome, count in outcomes.items():
            family.add_metric((stream.shelf.name, outcome), count)
    return family


def _shed(streams: tuple[StreamView, ...]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_shed_frames", "Shed frames by reason", labels=["stream", "reason"])
    for stream in streams:
        for reason, count in stream.shelf.counts.shed.items():
            family.add_metric((stream.shelf.name, reason), count)
    return family


def _gauges(streams: tuple[StreamView, ...]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(f"{PREFIX}_waiting_frames", "Frames without a result yet", labels=["stream"])
    oldest = GaugeMetricFamily(f"{PREFIX}_oldest_age_seconds", "How long the oldest has waited", labels=["stream"])
    up = GaugeMetricFamily(f"{PREFIX}_up", "1 while the source gives good frames", labels=["stream"])
    state = GaugeMetricFamily(f"{PREFIX}_state", "1 for the state that the source is in", labels=["stream", "state"])
    late = CounterMetricFamily(f"{PREFIX}_late_packets", "Left undecoded, a second behind or more", labels=["stream"])
    opened = CounterMetricFamily(f"{PREFIX}_connections", "How often the source was opened", labels=["stream"])
    for stream in streams:
        name = stream.shelf.name
        waiting.add_metric((name,), stream.shelf.waiting)
        oldest.add_metric((name,), stream.shelf.oldest)
        up.add_metric((name,), stream.state in WELL)
        state.add_metric((name, stream.state), 1)
        late.add_metric((name,), stream.late)
        opened.add_metric((name,), stream.connections)
    yield from (waiting, oldest, up, state, late, opened)


def _outlets(outlets: OutletsView) -> Iterator[Metric]:
    lines = CounterMetricFamily(f"{PREFIX}_sink_lines", "What became of the sinks' lines", labels=["sink", "outcome"])
    waiting = GaugeMetricFamily(f"{PREFIX}_sink_waiting_lines", "Lines that have not arrived yet", labels=["sink"])
    for name, counts in outlets.sinks.items():
        waiting.add_metric((name,), counts.get(WAITING, 0))
        for outcome in counts.keys() - {WAITING}:
            lines.add_metric((name, outcome), counts[outcome])
    captured = CounterMetricFamily(f"{PREFIX}_captured_frames", "What became of frames to keep", labels=["outcome"])
    for outcome, count in outlets.capture.items():
        captured.add_metric((outcome,), count)
    yield from (lines, waiting, captured)
    text = "Frames to which the shadow gave another label"
    yield CounterMetricFamily(f"{PREFIX}_shadow_disagreements", text, outlets.disagreements)
    yield CounterMetricFamily(f"{PREFIX}_shadow_failures", "Frames that the shadow failed on", outlets.shadow_failures)


def _ages(streams: tuple[StreamView, ...]) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}_age_seconds", "From the decoder to the result", labels=["stream"])
    for stream in streams:
        family.add_metric((stream.shelf.name,), _buckets(stream.shelf.ages), stream.shelf.ages.total)
    return family


def _buckets(ages: Ages) -> list[tuple[str, float]]:
    names = [*map(str, BOUNDS), "+Inf"]
    return [(name, sum(ages.counts[: index + 1])) for index, name in enumerate(names)]
