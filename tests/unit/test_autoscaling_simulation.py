"""The simulation of autoscaling loses no count of a frame, and agrees with a queue that is played frame by frame."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from benchmarks.autoscaling.rules import Rule, fixed, hpa, keda, router
from benchmarks.autoscaling.simulate import Fleet, Outcome, Replica, simulate
from benchmarks.autoscaling.traces import MAKERS, STEP_SECONDS, Trace, spread_streams
from benchmarks.autoscaling.waiting import AGE_BIN, pass_second, percentile
from benchmarks.serving.errors import BenchmarkError

REPLICA = Replica(speed=10.0, start=5)
RULES = {
    "fixed": fixed(np.array([2.0, 1.0])),
    "hpa": hpa(70, 4, 1, 8),
    "keda": keda(1, 30, 60, 8),
    "router": router(1, 8),
}


def _trace(*rates: float, sites: int = 2) -> Trace:
    """Return a trace of equal sites with these rates, a minute each."""
    rows = np.repeat(rates, 60 // STEP_SECONDS)
    return Trace("made", np.ones(sites), np.tile(rows[:, None], (1, sites)))


def _check_conservation(outcome: Outcome) -> None:
    assert outcome.frames == pytest.approx(outcome.scored + outcome.lost + outcome.waiting)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_frame_is_scored_lost_or_waiting(rule: Rule) -> None:
    outcome = simulate(_trace(5, 60, 0, 0, 30), rule, REPLICA)
    _check_conservation(outcome)
    assert 0 < outcome.lost < outcome.frames


def test_a_fixed_fleet_over_capacity_loses_exactly_the_excess() -> None:
    waiting = np.zeros(1)
    scored = lost = 0.0
    for _ in range(60):
        passed = pass_second(waiting, np.array([30.0]), np.array([20.0]), patience=1.0, service=0.1)
        waiting, scored, lost = passed.waiting, scored + passed.scored[0], lost + passed.lost[0]
    assert (scored, lost, waiting[0]) == (60 * 20, 60 * 10 - 20, 20)  # the queue holds one second of work


def test_a_fixed_fleet_under_capacity_loses_nothing_and_answers_at_once() -> None:
    outcome = simulate(_trace(4), fixed(np.array([2.0, 2.0])), REPLICA)
    assert outcome.lost == 0
    assert outcome.p99_age < 0.25
    assert outcome.replica_hours == pytest.approx(2 * 2 / 60)


def test_the_age_under_overload_is_the_time_that_a_frame_may_wait() -> None:
    outcome = simulate(_trace(80), fixed(np.array([2.0, 2.0])), REPLICA)
    assert outcome.p99_age == pytest.approx(1.0 + 1 / REPLICA.speed, abs=2 * AGE_BIN)


def test_scaling_to_zero_costs_the_frames_until_a_poll_and_a_start() -> None:
    outcome = simulate(_trace(0, 0, 5, 5), keda(1, 30, 60, 4), REPLICA)
    busy_from_the_start = simulate(_trace(0, 0, 5, 5), fixed(np.ones(2)), REPLICA)
    lost_each = outcome.lost / 2 / 5  # seconds of frames of one site
    assert REPLICA.start - 1 <= lost_each <= 30 + 15 + REPLICA.start
    assert busy_from_the_start.lost == 0
    assert simulate(_trace(0, 0), keda(1, 30, 60, 4), REPLICA).replica_hours == 0


def test_a_replica_serves_only_after_its_start_and_the_youngest_goes_first() -> None:
    fleet = Fleet.of(np.array([1.0]), start=2)
    fleet.scale(np.array([4.0]))
    seen = [float(fleet.ready[0])]
    for _ in range(2):
        fleet.pass_second()
        seen.append(float(fleet.ready[0]))
    assert seen == [1, 1, 4]
    fleet.scale(np.array([6.0]))
    fleet.scale(np.array([3.0]))
    for _ in range(3):
        fleet.pass_second()
    assert (fleet.replicas[0], fleet.ready[0]) == (3, 3)


@pytest.mark.parametrize("rate", [-1.0, float("nan"), float("inf")])
def test_a_trace_with_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(BenchmarkError, match="negative or no number"):
        Trace("bad", np.ones(1), np.array([[1.0], [rate]]))


def test_a_trace_for_other_sites_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="sites"):
        Trace("bad", np.ones(2), np.ones((3, 1)))


def test_all_streams_are_spread_and_no_site_is_left_out() -> None:
    streams = spread_streams(200, 30, np.random.default_rng(1))
    assert streams.sum() == 200 and streams.min() >= 1


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_makes_the_same_trace(name: str) -> None:
    streams = spread_streams(40, 4, np.random.default_rng(1))
    one, other = (MAKERS[name](streams, 1.0, np.random.default_rng(3)) for _ in range(2))
    assert one.seconds == 3600
    assert (one.rates == other.rates).all()


def test_a_closed_site_sends_nothing_at_night() -> None:
    trace = MAKERS["day and night"](np.full(40, 10.0), 24.0, np.random.default_rng(3))
    at_three, at_noon = trace.at(3 * 3600), trace.at(12 * 3600)
    assert np.median(at_three) == 0 and np.median(at_noon) > 20


@pytest.mark.parametrize("load", [0.6, 0.95, 1.3, 2.0])
def test_flowing_frames_agree_with_frames_one_by_one(load: float) -> None:
    replicas, seconds, patience = 4, 2000, 1.0
    rate = load * replicas * REPLICA.speed
    trace = Trace("made", np.ones(1), np.full((seconds // STEP_SECONDS, 1), rate))
    flowing = simulate(trace, fixed(np.array([float(replicas)])), REPLICA)
    lost, ages = _one_by_one(rate, replicas, seconds, patience)
    assert flowing.lost_share == pytest.approx(lost, abs=0.015)
    assert percentile(flowing.ages, 0.99) == pytest.approx(float(np.percentile(ages, 99)), abs=0.2)


def _one_by_one(rate: float, replicas: int, seconds: float, patience: float) -> tuple[float, list[float]]:
    """Return the share of lost frames and the ages of the others, by playing every frame's arrival."""
    rng = np.random.default_rng(5)
    arrivals = np.cumsum(rng.exponential(1 / rate, int(rate * seconds)))
    free, ages, lost = [0.0] * replicas, [], 0
    for arrival in arrivals:
        begins = max(arrival, free[0])
        if begins - arrival > patience:
            lost += 1
            continue
        heapq.heapreplace(free, begins + 1 / REPLICA.speed)
        ages.append(begins + 1 / REPLICA.speed - arrival)
    return lost / len(arrivals), ages
