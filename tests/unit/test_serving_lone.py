"""A lone request on a slow model: two threads score it while they are seen to be faster, and nobody else wants them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from eventually import until
from serving.curve import BatchCurve
from serving.deployments import Declared, Deployment
from serving.lone import TRIALS, LoneRequests
from serving.model import Prediction
from serving.scheduler import Scheduler
from serving.work import Work

SHAPE = (2, 2, 3)


class Model:
    """A model that takes so many seconds on a frame, and remembers how many frames it was given."""

    def __init__(self, seconds: float, wide: Model | None = None) -> None:
        self.curve = BatchCurve({1: seconds}, 1, SHAPE)
        self.wide = wide
        self.given: list[int] = []

    def predict(self, frames: np.ndarray) -> Prediction:
        """Return nothing in particular."""
        self.given.append(len(frames))
        return Prediction(np.zeros((len(frames), 1), np.float32), ("one",))


def slow() -> tuple[Deployment, Any, Any]:
    wide = Model(0.01)
    model: Any = Model(0.02, wide)
    return Deployment("1", Declared("/p", "sha256:0", "fp32"), model), model, wide


def work(one: Deployment, seconds: float = 0.0, shape: tuple[int, ...] = SHAPE, count: int = 1) -> Work:
    """Return work that took so many seconds."""
    frames = np.zeros((count, *shape), np.uint8)
    done = Work(one, time.monotonic(), frames, count=count)
    done.infer_seconds, done.prediction = seconds, Prediction(np.zeros((count, 1), np.float32), ("one",))
    return done


def lone(has_the_machine: bool = True) -> LoneRequests:
    return LoneRequests(has_the_machine)


def test_a_lone_request_is_for_two_threads_and_all_others_for_one() -> None:
    one, model, wide = slow()
    assert lone().model_for([work(one)], False) is wide
    assert lone(False).model_for([work(one)], False) is model, "another client may want the other core"
    assert lone().model_for([work(one)], True) is model, "somebody waits beside it"
    assert lone().model_for([work(one), work(one)], False) is model
    assert lone().model_for([work(one, count=3)], False) is model
    model.wide = None
    assert lone().model_for([work(one)], False) is model, "a quick model has no second one"


@pytest.mark.parametrize("seconds, stays", [(0.0179, True), (0.0181, False), (0.03, False)])
def test_two_threads_that_are_not_faster_are_left_after_some_trials(seconds: float, stays: bool) -> None:
    one, model, wide = slow()
    seen = lone()
    for _ in range(TRIALS):
        assert seen.model_for([work(one)], False) is wide
        seen.learn(work(one, seconds))
    assert seen.model_for([work(one)], False) is (wide if stays else model)


def test_only_what_can_be_compared_is_a_trial() -> None:
    one, _, wide = slow()
    seen, failed = lone(), work(one, 1.0)
    failed.prediction = None
    for _ in range(TRIALS):
        seen.learn(work(one, 1.0, shape=(640, 480, 3)))
        seen.learn(failed)
    assert seen.model_for([work(one)], False) is wide


@pytest.mark.parametrize("is_lone", [True, False])
def test_the_scheduler_asks_each_time_and_learns_the_pace_of_one_thread_only(is_lone: bool) -> None:
    one, model, wide = slow()

    async def play() -> None:
        scheduler = Scheduler(asyncio.get_running_loop(), 60.0)
        scheduler.lone.has_the_machine = is_lone
        for _ in range(3):
            done: list[Work] = []
            scheduler.submit(Work(one, time.monotonic(), np.zeros((1, *SHAPE), np.uint8), done=done.append))
            await until(lambda: bool(done))
        scheduler.close()

    asyncio.run(play())
    assert (model.given, wide.given) == (([], [1, 1, 1]) if is_lone else ([1, 1, 1], []))
    assert (one.pace() == 0.02) is is_lone
