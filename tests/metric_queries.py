"""What metrics serving and streams expose, as their expositions say it, and what is wrong with a query of them.

A query that names a metric or a label which nothing exposes never fires and never complains: only a check finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser as promql
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from serving.counters import Counters
from serving.metrics import exposition
from serving.streams.ages import Ages
from serving.streams.capture import Capture
from serving.streams.config import CaptureConfig
from serving.streams.metrics import StreamsCollector
from serving.streams.outbox import Outbox
from serving.streams.overview import OutletsView, Overview, StreamView
from serving.streams.shelf import REASONS, Counts, ShelfView
from serving.streams.spool import Spool

# What a Prometheus adds to what it reads: which cluster, pod and target it is of; `le` is a histogram's own.
ADDED = frozenset({"cluster", "namespace", "pod", "job", "instance", "le"})
# Labels whose values are a few words of ours: a query for another word finds nothing.
CLOSED = frozenset({"reason", "outcome"})
RISING = ("rate", "irate", "increase")
TEST_SPOOL_BYTES = 1 << 16


@dataclass(frozen=True)
class Exposed:
    """One series name: whether it only rises, and its labels with the values that they were seen with."""

    rises: bool
    labels: Mapping[str, frozenset[str]]


def exposed(folder: Path) -> dict[str, Exposed]:
    """Return everything that /metrics of an endpoint and of a streams worker has, by name of the series."""
    text = exposition([_report()]).decode()
    serving = _series(text_string_to_metric_families(text))
    return {
        **{_as_in(text, name): one for name, one in serving.items()},
        **_series(StreamsCollector(lambda: _overview(folder)).collect()),
    }


def problems(query: str, known: Mapping[str, Exposed]) -> list[str]:
    """Return what is wrong with a PromQL query: its syntax, or names, labels, words and functions that find nothing."""
    try:
        tree = promql.parse(query.replace("$__rate_interval", "5m"))
    except ValueError as error:
        return [str(error)]
    walked: list[promql.Expr] = []
    promql.walk(tree, walked.append)
    rated = {id_of(one.args[0]) for one in walked if isinstance(one, promql.Call) and one.func.name in RISING}
    selectors = [one for one in walked if isinstance(one, promql.VectorSelector)]
    matrices = [one for one in walked if isinstance(one, promql.MatrixSelector)]
    found = [problem for one in selectors for problem in _of_selector(one, known, False)]
    found += [problem for one in matrices for problem in _of_selector(one.vector_selector, known, id_of(one) in rated)]
    return found + list(_of_groups(walked, known))


def id_of(one: promql.Expr) -> str:
    """Return what tells a part of a query from another: its text."""
    return str(one.prettify())


def _of_selector(one: promql.VectorSelector, known: Mapping[str, Exposed], is_rated: bool) -> Iterator[str]:
    if one.name not in known:
        yield f"nothing exposes {one.name}"
        return
    series = known[one.name]
    for matcher in one.matchers.matchers:
        if matcher.name not in {*series.labels, *ADDED}:
            yield f"{one.name} has no label {matcher.name}"
        elif matcher.name in CLOSED:
            words = set(matcher.value.split("|")) - series.labels[matcher.name]
            yield from (f"{one.name} never has {matcher.name}={word}" for word in sorted(words))
    if is_rated and not series.rises:
        yield f"{one.name} goes up and down: it has no rate"


def _of_groups(walked: Iterable[promql.Expr], known: Mapping[str, Exposed]) -> Iterator[str]:
    for one in walked:
        if isinstance(one, promql.AggregateExpr) and one.modifier is not None:
            inside: list[promql.Expr] = []
            promql.walk(one.expr, inside.append)
            names = {each.name for each in inside if isinstance(each, promql.VectorSelector)}
            names |= {each.vector_selector.name for each in inside if isinstance(each, promql.MatrixSelector)}
            for name in names & known.keys():
                absent = set(one.modifier.labels) - {*known[name].labels, *ADDED}
                yield from (f"{name} can't be told by {label}" for label in sorted(absent))


def _as_in(text: str, name: str) -> str:
    # The parser ends the name of each counter in _total, which Prometheus does not do.
    return name if f"\n{name}{{" in text else name.removesuffix("_total")


def _series(families: Iterable[Metric]) -> dict[str, Exposed]:
    seen: dict[str, tuple[bool, dict[str, set[str]]]] = {}
    for family in families:
        for sample in family.samples:
            rises = family.type == "counter" or sample.name.endswith(("_bucket", "_count", "_sum"))
            _, labels = seen.setdefault(sample.name, (rises, {}))
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return {
        name: Exposed(rises, {k: frozenset(v) for k, v in labels.items()}) for name, (rises, labels) in seen.items()
    }


def _report() -> dict[str, Any]:
    deployment = {
        **{"state": "ready", "reason": None, "digest": "sha256:0", "variant": "int8", "engine": "e"},
        **{"requests": 0, "errors": 0, "in_flight": 0, "counters": Counters().to_json()},
    }
    worker = {"pid": 1, "busy_seconds": 0.0, "connections": 0, "waiting": 0, "oldest_wait_seconds": 0.0}
    models = {"gate": {"traffic": {"7": 100}, "shadow": None, "deployments": {"7": deployment}}}
    return {"observed_generation": 1, "error": None, "models": models, "worker": {**worker, "capacity_fps": 1.0}}


def _overview(folder: Path) -> Overview:
    counts = Counts(3, 1, 1, Counter(dict.fromkeys(REASONS, 1)))
    stream = StreamView("live", "h264", 1, 0, ShelfView("gate-1", counts, 0, 0.0, Ages(), None))
    return Overview(1.0, (stream,), 1.0, 0.0, 0.0, 1.0, _outlets(folder), (None, None))


def _outlets(folder: Path) -> OutletsView:
    sink: Any = SimpleNamespace(name="mqtt", refused=0, send=lambda lines: None, close=lambda: None)
    model: Any = SimpleNamespace()
    outbox = Outbox(sink, Spool(folder / "spool", TEST_SPOOL_BYTES))
    capture = Capture(CaptureConfig(str(folder / "captured")), model)
    outbox.close(1.0)
    capture.close()
    return OutletsView({"mqtt": outbox.counters()}, capture.counters(), 0)
