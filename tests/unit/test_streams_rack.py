"""Shelves and the rack: no frame is lost unseen, old ones are shed, and turns go by priority. Time is given."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.streams.rack import Batch, Rack
from serving.streams.shelf import FAILED, FRAMES, OVERLOAD, STALE, Frame, Shelf

PICTURE = av.VideoFrame(2, 2, "rgb24")
WIDE, TALL = (2, 4), (4, 2)


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


def frame(number: int, arrived: float, shape: tuple[int, int] = WIDE) -> Frame:
    """Return a frame that came at a moment of the watch."""
    return Frame(PICTURE, shape, number, 0.0, arrived)


def make_rack(*priorities: int, max_age: float | None = 1.0) -> tuple[Rack, tuple[Shelf, ...], Watch]:
    """Return a rack with a shelf for each priority, and its watch."""
    watch = Watch()
    rack = Rack([Shelf(f"s{n}", priority, max_age) for n, priority in enumerate(priorities)], watch)
    return rack, rack.shelves, watch


def take(rack: Rack, cap: int = 1) -> Batch:
    """Take a batch that is known to be there."""
    batch = rack.take(lambda shape: cap)
    assert batch is not None
    return batch


def assert_nothing_is_lost(rack: Rack) -> None:
    """Hold that each decoded frame is in exactly one of the numbers."""
    for view in rack.view():
        counts = view.counts
        assert counts.decoded == counts.skipped + counts.shed.total() + counts.scored + view.waiting
        assert min(counts.decoded, counts.skipped, counts.scored, view.waiting, *counts.shed.values(), 0) == 0


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.sampled_from([WIDE, TALL])),
        st.tuples(st.just("skip"), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.floats(0, 2)),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.just("finish"), st.sampled_from([None, FAILED])),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_whatever_happens_each_frame_is_skipped_shed_scored_or_waiting(actions: list[tuple[Any, ...]]) -> None:
    rack, shelves, watch = make_rack(1, 2, 5)
    batches: list[Batch] = []
    for number, (kind, *given_values) in enumerate(actions):
        if kind == "put":
            rack.put(shelves[given_values[0]], frame(number, watch.now, given_values[1]))
        elif kind == "skip":
            rack.skip(shelves[given_values[0]])
        elif kind == "wait":
            watch.now += given_values[0]
        elif kind == "take" and any(one.frames and watch.now - one.frames[-1].arrived <= 1.0 for one in shelves):
            batches.append(take(rack, given_values[0]))
        elif kind == "finish" and batches:
            rack.finish(batches.pop(), given_values[0])
        assert_nothing_is_lost(rack)
    for batch in batches:
        assert len({one.shape for one in batch.frames}) == 1
        assert all(watch.now >= one.arrived for one in batch.frames)


def test_a_full_shelf_sheds_its_oldest() -> None:
    rack, (shelf,), watch = make_rack(1)
    for number in range(FRAMES + 2):
        rack.put(shelf, frame(number, watch.now))
    assert [one.sequence for one in take(rack, 99).frames] == list(range(2, FRAMES + 2))
    assert shelf.counts.shed == {OVERLOAD: 2}


def test_a_frame_that_is_too_old_at_its_turn_is_shed() -> None:
    rack, (shelf,), watch = make_rack(1)
    for number in range(3):
        rack.put(shelf, frame(number, watch.now + number * 0.4))
    watch.now += 1.5
    assert [one.sequence for one in take(rack, 99).frames] == [2]
    assert shelf.counts.shed == {STALE: 2}


def test_the_newest_frame_is_given_half_as_long_again() -> None:
    rack, (one, other), watch = make_rack(1, 1)
    rack.put(one, frame(0, watch.now))
    rack.put(other, frame(0, watch.now))
    watch.now += 1.4
    assert take(rack).shelves[0].name == "s0"
    watch.now += 0.2
    rack.put(one, frame(1, watch.now))
    assert take(rack).frames[0].sequence == 1
    assert other.counts.shed == {STALE: 1}


def test_priorities_decide_though_a_batch_takes_just_a_multiple_of_the_frame_interval() -> None:
    rack, (low, high), watch = make_rack(1, 3, max_age=0.01)
    for number in range(400):
        watch.now += 0.01
        for shelf in (low, high):
            rack.put(shelf, frame(number, watch.now))
        if number % 2:
            watch.now += 0.0001
            rack.finish(take(rack))
            watch.now -= 0.0001
    assert high.counts.scored == pytest.approx(3 * low.counts.scored, abs=3)


def test_what_waits_at_the_end_is_scored_whatever_its_age() -> None:
    rack, (shelf,), watch = make_rack(1)
    rack.put(shelf, frame(0, watch.now))
    watch.now += 99
    rack.close()
    assert len(take(rack).frames) == 1
    assert rack.take(lambda shape: 1) is None
    assert not rack.put(shelf, frame(1, watch.now)) and shelf.counts.decoded == 1


@pytest.mark.parametrize("priorities", [(1, 1, 1), (1, 2, 4), (3, 1)])
def test_under_overload_each_is_scored_in_proportion_to_its_priority(priorities: tuple[int, ...]) -> None:
    rack, shelves, watch = make_rack(*priorities)
    scored: Counter[str] = Counter()
    for number in range(700):
        for shelf in shelves:
            rack.put(shelf, frame(number, watch.now))
        batch = take(rack)
        rack.finish(batch)
        scored[batch.shelves[0].name] += 1
    shares = [scored[shelf.name] / 700 for shelf in shelves]
    assert shares == pytest.approx([priority / sum(priorities) for priority in priorities], abs=0.01)


def test_who_has_little_to_score_is_never_shed_by_who_has_much() -> None:
    rack, (busy, rare), watch = make_rack(1, 1)
    for number in range(400):
        rack.put(busy, frame(number, watch.now))
        rack.put(busy, frame(number, watch.now))
        if number % 10 == 0:
            rack.put(rare, frame(number, watch.now))
        rack.finish(take(rack))
        watch.now += 0.04
    assert rare.counts.shed.total() == 0 and busy.counts.shed.total() > 0


def test_who_was_silent_has_saved_no_turns_up() -> None:
    rack, (one, other), watch = make_rack(1, 1, max_age=None)
    for number in range(50):
        rack.put(one, frame(number, watch.now))
        rack.finish(take(rack))
    for number in range(FRAMES):
        rack.put(one, frame(number, watch.now))
        rack.put(other, frame(number, watch.now))
    assert {shelf.name for shelf in take(rack, 2).shelves} == {"s0", "s1"}


def test_a_batch_is_of_one_shape_across_streams_and_nobody_waits_for_it_to_fill() -> None:
    rack, shelves, watch = make_rack(1, 1, 1)
    for shelf, shape in zip(shelves, (WIDE, TALL, WIDE), strict=True):
        rack.put(shelf, frame(0, watch.now, shape))
    first, second = take(rack, 8), take(rack, 8)
    assert {shelf.name for shelf in first.shelves} == {"s0", "s2"}
    assert ([shelf.name for shelf in second.shelves], second.number) == (["s1"], 1)


def test_a_shelf_that_loses_nothing_makes_its_decoder_wait() -> None:
    rack, (shelf,), watch = make_rack(1, max_age=None)
    for number in range(FRAMES):
        rack.put(shelf, frame(number, watch.now))
    decoder = threading.Thread(target=rack.put, args=(shelf, frame(FRAMES, watch.now)))
    decoder.start()
    watch.now += 99
    assert [one.sequence for one in take(rack).frames] == [0]
    decoder.join()
    assert (shelf.counts.decoded, shelf.counts.shed.total()) == (FRAMES + 1, 0)


def test_a_decoder_that_waits_is_let_go_at_the_end() -> None:
    rack, (shelf,), watch = make_rack(1, max_age=None)
    for number in range(FRAMES):
        rack.put(shelf, frame(number, watch.now))
    answers: list[bool] = []
    decoder = threading.Thread(target=lambda: answers.append(rack.put(shelf, frame(FRAMES, watch.now))))
    decoder.start()
    rack.close()
    decoder.join()
    assert answers == [False]


def test_the_oldest_is_the_one_that_waits_longest_for_its_result_be_it_in_a_batch() -> None:
    rack, (shelf,), watch = make_rack(1)
    for number in range(2):
        rack.put(shelf, frame(number, watch.now))
        watch.now += 0.5
    first, second = take(rack), take(rack)
    rack.put(shelf, frame(2, watch.now))
    watch.now += 9
    assert (rack.view()[0].waiting, rack.view()[0].oldest) == (3, pytest.approx(10.0))
    rack.finish(first)
    assert (rack.view()[0].waiting, rack.view()[0].oldest) == (2, pytest.approx(9.5))
    rack.finish(second)
    assert (rack.view()[0].waiting, rack.view()[0].oldest) == (1, pytest.approx(9.0))
    rack.close()
    rack.finish(take(rack))
    assert (rack.view()[0].waiting, rack.view()[0].oldest) == (0, 0.0)


def test_ages_are_those_from_arrival_to_result() -> None:
    rack, (shelf,), watch = make_rack(1)
    rack.put(shelf, frame(0, watch.now))
    watch.now += 0.03
    assert rack.view()[0].oldest == pytest.approx(0.03)
    batch = take(rack)
    watch.now += 0.02
    rack.finish(batch)
    assert rack.view()[0].ages.milliseconds(99) == pytest.approx(50)
    assert sum(rack.view()[0].ages.counts) == 1
