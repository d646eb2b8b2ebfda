"""Order, side-by-side running and early ends of a graph, without processes."""

from __future__ import annotations

from threading import Barrier, Event

import pytest

from mlops.adapters.local.schedule import run_graph

DEADLINE = 20


def test_each_runs_once_after_those_before_it() -> None:
    seen: list[str] = []

    def run(name: str) -> str:
        seen.append(name)
        return name.upper()

    before = {"d": {"b", "c"}, "b": {"a"}, "c": {"a"}, "a": set[str]()}
    results = run_graph(before, run, 4, Event())
    assert sorted(seen) == ["a", "b", "c", "d"] and seen[0] == "a" and seen[-1] == "d"
    assert results == {"a": "A", "b": "B", "c": "C", "d": "D"}


def test_what_is_independent_runs_side_by_side() -> None:
    both = Barrier(2)
    run_graph({"a": set(), "b": set()}, lambda name: both.wait(DEADLINE), 2, Event())


def test_no_more_run_at_once_than_there_are_workers() -> None:
    at_once, most = [], []

    def run(name: str) -> None:
        at_once.append(name)
        most.append(len(at_once))
        at_once.remove(name)

    run_graph({name: set() for name in "abcdef"}, run, 1, Event())
    assert max(most) == 1


def test_a_failure_stops_the_others_and_starts_none() -> None:
    stop, both, started = Event(), Barrier(2), []

    def run(name: str) -> None:
        started.append(name)
        both.wait(DEADLINE)
        if name == "bad":
            raise ValueError("the first failure")
        assert stop.wait(DEADLINE)
        raise RuntimeError("stopped")

    with pytest.raises(ValueError, match="the first failure"):
        run_graph({"bad": set(), "beside": set(), "after": {"beside"}, "never": {"bad"}}, run, 2, stop)
    assert set(started) == {"bad", "beside"}
