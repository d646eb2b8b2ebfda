"""The scheduler: what waits is scored together, up to the cap, in its order; what is bad harms nobody beside it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventually import until
from serving.curve import BatchCurve
from serving.deployments import Declared, Deployment
from serving.errors import ModelError, RequestError
from serving.images import MAX_PIXELS
from serving.model import Prediction
from serving.scheduler import Scheduler
from serving.work import Work


class SumModel:
    """A quick model whose logit is the sum of a frame; it fails on a batch that holds a frame of `poison`."""

    def __init__(self, cap: int, seconds: float = 1e-5, poison: int | None = None) -> None:
        self.curve = BatchCurve({1: seconds, cap: seconds * cap}, cap)
        self.wide: SumModel | None = None
        self.batches: list[list[int]] = []
        self.poison = poison

    def predict(self, frames: np.ndarray) -> Prediction:
        """Return the sums."""
        sums = frames.reshape(len(frames), -1).sum(axis=1, dtype=np.float32)
        if self.poison in frames:
            raise ModelError("it does not run")
        self.batches.append([int(total) for total in sums])
        return Prediction(sums[:, None], ("sum",))


def deployment(model: SumModel, version: str = "1") -> Deployment:
    served: Any = model
    return Deployment(version, Declared("/p", "sha256:0", "fp32"), served)


def frame(value: int, count: int = 1, width: int = 1) -> np.ndarray:
    frames = np.zeros((count, 1, width, 3), np.uint8)
    frames[:, 0, 0, 0] = value
    return frames


def run(works: Callable[[list[Work]], list[Work]], max_wait: float = 60.0) -> list[Work]:
    """Submit works in one round of the event loop; return them in the order in which they were done."""
    done: list[Work] = []

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), max_wait)
        asked = works(done)
        for work in asked:
            work.done = done.append
            scheduler.submit(work)
        await until(lambda: len(done) == len(asked))
        assert scheduler.is_empty and scheduler.backlog().expected_seconds == 0.0
        scheduler.close()

    asyncio.run(play())
    return done


def now() -> float:
    return time.monotonic()


@given(st.integers(1, 8), st.lists(st.integers(0, 200), min_size=1, max_size=30))
@settings(max_examples=30)
def test_what_waits_is_scored_together_up_to_the_cap_in_its_order(cap: int, values: list[int]) -> None:
    model = SumModel(cap)
    one = deployment(model)
    done = run(lambda _: [Work(one, now(), frame(value)) for value in values])
    assert [work.prediction.logits[0, 0] for work in done if work.prediction] == values
    assert [value for batch in model.batches for value in batch] == values
    assert [len(batch) for batch in model.batches] == [
        min(cap, len(values) - start) for start in range(0, len(values), cap)
    ]
    assert one.counters.executions == len(model.batches)


def test_requests_of_several_frames_count_as_that_many() -> None:
    model = SumModel(4)
    one = deployment(model)
    done = run(lambda _: [Work(one, now(), frame(n, count), count=count) for n, count in ((1, 3), (2, 2), (3, 9))])
    assert [len(batch) for batch in model.batches] == [3, 2, 9]
    assert [len(work.prediction.logits) for work in done if work.prediction] == [3, 2, 9]


def test_frames_of_other_sizes_are_scored_apart() -> None:
    model = SumModel(8)
    one = deployment(model)
    done = run(lambda _: [Work(one, now(), frame(n, width=1 + n % 2)) for n in range(6)])
    assert sorted(map(len, model.batches)) == [3, 3]
    assert [work.prediction.logits[0, 0] for work in done if work.prediction] == list(range(6))


def test_frames_whose_batches_were_not_measured_are_scored_one_by_one() -> None:
    model = SumModel(8)
    model.curve = replace(model.curve, frame_shape=(1, 1, 3))
    one = deployment(model)
    run(lambda _: [Work(one, now(), frame(n, width=1 + n % 2)) for n in range(6)])
    assert sorted(map(len, model.batches)) == [1, 1, 1, 3]


def test_one_batch_that_was_interrupted_does_not_make_a_model_slow() -> None:
    one = deployment(SumModel(1, seconds=0.01))

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), 60.0)
        scheduler.submit(Work(one, now(), read=lambda: interrupted()))
        await until(lambda: scheduler.is_empty)
        scheduler.submit(Work(one, now(), frame(1)))
        expected = scheduler.backlog().expected_seconds
        assert expected <= 2 * one.model.curve.single()
        scheduler.close()

    def interrupted() -> np.ndarray:
        clock.shift = 100.0  # as if the process had been stopped meanwhile
        return frame(1)

    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.scheduler.time.monotonic", clock)
        asyncio.run(play())


class Clock:
    """time.monotonic, shifted."""

    def __init__(self) -> None:
        self.real, self.shift = time.monotonic, 0.0

    def __call__(self) -> float:
        return self.real() + self.shift


def test_versions_are_scored_apart_and_none_is_starved() -> None:
    models = [SumModel(8), SumModel(8)]
    both = [deployment(models[0], "1"), deployment(models[1], "2")]
    run(lambda _: [Work(both[n % 2], now(), frame(n)) for n in range(6)])
    assert models[0].batches == [[0, 2, 4]] and models[1].batches == [[1, 3, 5]]


def test_an_image_that_cannot_be_read_fails_alone() -> None:
    def bad() -> np.ndarray:
        raise RequestError(400, "no image")

    one = deployment(SumModel(8))
    done = run(lambda _: [Work(one, now(), frame(1)), Work(one, now(), read=bad), Work(one, now(), frame(2))])
    assert [type(work.error) for work in done] == [type(None), RequestError, type(None)]


def test_a_frame_that_the_model_fails_on_fails_alone() -> None:
    one = deployment(SumModel(8, poison=66))
    done = run(lambda _: [Work(one, now(), frame(value)) for value in (1, 66, 2)])
    assert [type(work.error) for work in done] == [type(None), ModelError, type(None)]


def is_on_the_loop() -> bool:
    """Tell whether an event loop runs in this thread."""
    try:
        return asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, False), (1e-5, True)])
def test_a_slow_model_leaves_the_event_loop_to_others_and_a_quick_one_needs_no_thread(
    seconds: float, expected: bool
) -> None:
    one = deployment(SumModel(1, seconds))
    seen: list[bool] = []

    def read() -> np.ndarray:
        seen.append(is_on_the_loop())
        return frame(1)

    run(lambda _: [Work(one, now(), read=read)])
    assert seen == [expected]


def test_work_whose_time_is_over_is_not_scored() -> None:
    model = SumModel(1)
    one = deployment(model)
    late = Work(one, now(), frame(2), deadline=now() + 1e9)

    def works(_: list[Work]) -> list[Work]:
        return [Work(one, now(), frame(1)), late]

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), 60.0)
        done: list[Work] = []
        for work in works([]):
            work.done = done.append
            scheduler.submit(work)
        late.deadline = now() - 1.0
        await until(lambda: len(done) == 2)
        scheduler.close()

    asyncio.run(play())
    assert isinstance(late.error, RequestError) and late.error.status == 503
    assert model.batches == [[1]] and one.counters.shed["expired"] == 1


def test_work_whose_time_is_over_behind_other_work_is_not_scored_with_it() -> None:
    model = SumModel(4)
    one = deployment(model)
    works = [Work(one, now(), frame(value), deadline=now() + 1e9) for value in (1, 2, 3)]

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), 60.0)
        done: list[Work] = []
        for work in works:
            work.done = done.append
            scheduler.submit(work)
        works[1].deadline = now() - 1.0
        await until(lambda: len(done) == 3)
        assert scheduler.backlog().expected_seconds == 0.0
        scheduler.close()

    asyncio.run(play())
    assert (model.batches, one.counters.shed["expired"]) == ([[1, 3]], 1)


def test_who_cannot_be_in_time_any_more_is_told_while_a_thread_still_scores() -> None:
    one, gate = deployment(SumModel(1, seconds=0.01)), threading.Event()

    def read() -> np.ndarray:
        assert gate.wait(30)
        return frame(1)

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), 60.0)
        done: list[Work] = []
        scheduler.submit(Work(one, now(), read=read, done=done.append))
        await until(lambda: not scheduler.backlog().waiting)
        for seconds in (1e300, 0.5):
            scheduler.submit(Work(one, now(), frame(2), deadline=now() + seconds, done=done.append))
        await until(lambda: len(done) == 1)
        assert isinstance(done[0].error, RequestError) and not gate.is_set()
        gate.set()
        await until(lambda: len(done) == 3)
        scheduler.close()

    asyncio.run(play())


def test_a_request_of_many_works_waits_for_others_only_and_is_taken_whole_or_not_at_all() -> None:
    one = deployment(SumModel(1, seconds=1.0))

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), 2.5)
        scheduler.submit(*(Work(one, now(), frame(value)) for value in range(9)))
        assert scheduler.backlog().waiting == 9
        with pytest.raises(RequestError, match="9.000 s of work wait"):
            scheduler.submit(*(Work(one, now(), frame(value)) for value in range(9)))
        assert (scheduler.backlog().waiting, one.counters.shed["overload"]) == (9, 1)

    asyncio.run(play())


def test_a_batch_holds_no_more_pixels_than_one_image_may_have() -> None:
    model = SumModel(8)
    one = deployment(model)
    run(lambda _: [Work(one, now(), frame(value), pixels=MAX_PIXELS // 2) for value in range(5)])
    assert [len(batch) for batch in model.batches] == [2, 2, 1]


@pytest.mark.parametrize(("max_wait", "deadline", "reason"), [(2.5, 1e9, "overload"), (60.0, 2.5, "deadline")])
def test_what_would_wait_too_long_is_refused_when_it_comes(max_wait: float, deadline: float, reason: str) -> None:
    one = deployment(SumModel(1, seconds=1.0))
    refused: list[RequestError] = []

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), max_wait)
        for value in range(6):
            try:
                scheduler.submit(Work(one, now(), frame(value), deadline=now() + deadline))
            except RequestError as error:
                refused.append(error)
        assert scheduler.backlog().waiting == 6 - len(refused)

    asyncio.run(play())
    assert refused and {(error.status, error.retry_after) for error in refused} <= {(503, 2), (503, 3)}
    assert one.counters.shed[reason] == len(refused)


def test_a_version_that_is_unloaded_leaves_nothing_of_it_in_memory() -> None:
    one = deployment(SumModel(4))
    gone = weakref.ref(one)

    async def play() -> None:
        nonlocal one
        scheduler = Scheduler(asyncio.get_running_loop(), 60.0)
        done: list[Work] = []
        scheduler.submit(Work(one, now(), frame(1), done=done.append))
        await until(lambda: bool(done))
        done.clear()
        del one
        await until(lambda: gc.collect() >= 0 and gone() is None)
        scheduler.close()

    asyncio.run(play())
