"""The rules of autoscaling answer what their documentation says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.autoscaling.rules import (
    Signals,
    hpa,
    hpa_steps,
    hpa_wanted,
    keda,
    keda_wanted,
    router_wanted,
)
from benchmarks.autoscaling.simulate import Memory, decide


def _arrays(*values: float) -> list[np.ndarray]:
    return [np.array([value], dtype=float) for value in values]


@pytest.mark.parametrize(
    "replicas, average, target, wanted",
    [
        (1, 200, 100, 2),  # "If the current metric value is 200m, and the desired value is 100m, [it] will be doubled"
        (4, 200, 100, 8),
        (4, 50, 100, 2),  # "If the current value is instead 50m, [it] will halve the number of replicas"
        (3, 50, 100, 2),  # rounded up
        (10, 109, 100, 10),  # "skips any scaling action if the ratio is sufficiently close to 1.0 (... 0.1 by default)"
        (10, 91, 100, 10),
        (10, 112, 100, 12),
        (10, 88, 100, 9),
    ],
)
def test_the_hpa_answers_as_documented(replicas: float, average: float, target: float, wanted: float) -> None:
    have, usage = _arrays(replicas, average * replicas)
    assert hpa_wanted(have, have, usage, target) == wanted


def test_replicas_that_are_not_ready_count_as_idle_where_more_are_wanted() -> None:
    replicas, ready, usage = _arrays(4, 2, 2 * 150)
    assert hpa_wanted(replicas, ready, usage, 100) == 4  # 150 of 100 on two of them, but 75 on all four
    assert hpa_wanted(replicas, ready, usage * 2, 100) == 6


def test_the_hpa_changes_nothing_without_a_reading() -> None:
    replicas, ready, usage = _arrays(3, 0, 0)
    assert hpa_wanted(replicas, ready, usage, 100) == 3


def test_the_hpa_grows_by_a_hundred_percent_or_by_four_at_once() -> None:
    assert [float(hpa_steps(*_arrays(have, 100))[0]) for have in (1, 3, 4, 10)] == [5, 7, 8, 20]


def test_keda_divides_the_lag_by_its_threshold() -> None:
    replicas, lag = _arrays(2, 50)
    assert keda_wanted(replicas, lag, 10) == 5


def test_the_router_answers_as_in_the_example_of_its_documentation() -> None:
    requests_a_second, seconds, target = 20, 10, 0.7
    assert router_wanted(np.array([requests_a_second * seconds], dtype=float), target) == 286


def test_an_hpa_on_two_metrics_takes_the_higher_answer() -> None:
    replicas, busy, waiting, pending = _arrays(4, 2, 40, 42)
    signals = Signals(replicas, replicas, busy, waiting, pending)
    assert hpa(50, None, 1, 20).wanted(signals) == 4
    assert hpa(None, 4, 1, 20).wanted(signals) == 10
    assert hpa(50, 4, 1, 20).wanted(signals) == 10


def test_fewer_replicas_are_taken_only_when_no_answer_of_five_minutes_was_higher() -> None:
    rule = hpa(50, None, 1, 20)
    replicas, idle = _arrays(8, 0)
    memory = Memory(np.tile(replicas, (rule.down // rule.period, 1)), idle)
    signals = Signals(replicas, replicas, *_arrays(1, 0, 0))
    answers = [float(decide(rule, signals, memory, 15 * step)[0]) for step in range(1, 21)]
    assert answers == [8.0] * 19 + [2.0]


def test_keda_wakes_a_site_when_it_polls_and_lets_it_sleep_after_the_cooldown() -> None:
    rule = keda(1, 30, 60, 20)
    none, one, idle = _arrays(0, 1, 60)
    memory = Memory(np.zeros((20, 1)), idle)
    waiting, quiet = Signals(none, none, none, one * 9, one * 9), Signals(one, one, none, none, none)
    assert decide(rule, waiting, memory, 45) == 0  # between two polls nobody looks
    assert decide(rule, waiting, memory, 60) == 1
    assert [float(decide(rule, quiet, memory, second)[0]) for second in (90, 105, 120)] == [1, 1, 0]
    assert decide(rule, Signals(none, none, none, none, none), memory, 150) == 0
