"""How many frames are worth scoring together is told by the times of batches, and measured within a budget."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from serving import curve
from serving.curve import choose_cap, measure


class Machine:
    """A clock that goes on only while a model runs, and a model that takes what `seconds` says of a batch."""

    def __init__(self, seconds: dict[int, float], first_slower: float = 0.0) -> None:
        self.now = 0.0
        self.sizes: list[int] = []
        self._seconds, self._extra = seconds, first_slower

    def run(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Score frames."""
        self.sizes.append(len(frames))
        self.now += self._seconds[len(frames)] + (self._extra if len(self.sizes) < 4 else 0)
        return np.zeros((len(frames), 3), np.float32)


Measured = Callable[[Machine], curve.BatchCurve]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Return what measures a machine by the machine's own clock."""

    def measured(machine: Machine) -> curve.BatchCurve:
        monkeypatch.setattr(
            curve, "time", SimpleNamespace(perf_counter=lambda: machine.now, thread_time=lambda: machine.now)
        )
        return measure(machine.run, (28, 28, 3))

    return measured


def linear(start: float, each: float) -> dict[int, float]:
    """Return the seconds of a model that takes `start` a call and `each` a frame."""
    return {size: start + each * size for size in curve.SIZES}


def test_a_model_whose_call_costs_most_takes_the_largest_batch(measured: Measured) -> None:
    assert measured(Machine(linear(1e-3, 1e-6))).cap == 32


def test_a_model_that_gains_nothing_by_a_batch_gets_none_and_larger_ones_are_not_tried(measured: Measured) -> None:
    machine = Machine(linear(0.0, 5e-3))
    found = measured(machine)
    assert (found.cap, found.single(), max(machine.sizes)) == (1, pytest.approx(5e-3), 2)


def test_a_gain_that_ends_is_not_followed_further(measured: Measured) -> None:
    seconds = {**linear(0.0, 1e-3), 1: 1.5e-3}
    machine = Machine(seconds)
    assert (measured(machine).cap, max(machine.sizes)) == (2, 4)


def test_the_best_of_several_counts_so_that_a_slow_start_does_not(measured: Measured) -> None:
    found = measured(Machine(linear(1e-4, 1e-4), first_slower=0.01))
    assert found.seconds == pytest.approx(linear(1e-4, 1e-4))


def test_the_budget_is_kept_by_models_of_any_speed(measured: Measured) -> None:
    for each in (1e-5, 1e-3, 1e-2, 3e-2):
        machine = Machine(linear(each * 2, each))
        measured(machine)
        assert machine.now <= curve.BUDGET_SECONDS * 1.5


def test_a_model_too_slow_to_be_measured_is_run_once(measured: Measured) -> None:
    machine = Machine(linear(0.0, 2.0))
    found = measured(machine)
    assert (machine.sizes, found.seconds, found.cap) == ([1], {1: 2.0}, 1)


def test_the_cap_is_the_smallest_size_near_the_best() -> None:
    assert choose_cap({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.98}) == 4
    assert choose_cap({1: 1.0, 2: 2.1}) == 1
