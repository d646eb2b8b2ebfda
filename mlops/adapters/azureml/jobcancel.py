"""Cancels a job with the step that waits for it: on Ctrl-C, and on SIGTERM, by which CI stops a step.

CI sends more signals when a step does not end at once: they are put off until Azure has been told.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from mlops.adapters.azureml.arm import Arm
from mlops.errors import StepError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# A submission that was cut off may still be on its way when it is to be cancelled.
TRIES, PAUSE_SECONDS = 4, 1.0


@dataclass(frozen=True)
class Job:
    """A job by its name, and its ARM id; it need not be there yet."""

    name: str
    path: str
    api_version: str


@contextmanager
def cancelled_with_us(job: Job, report: Callable[[str], None]) -> Iterator[None]:
    """Cancel the job, and say so, where a signal ends the block. Raises KeyboardInterrupt then."""
    with _handled(_interrupt):
        try:
            yield
        except KeyboardInterrupt:
            with _handled(_put_off):
                report(f"job {job.name}: cancelling it")
                report(cancel(job))
            raise


def cancel(job: Job) -> str:
    """Cancel the job and return how it went, in a line. Raises nothing: what ended the wait is what is to be told."""
    for left in reversed(range(TRIES)):
        try:
            Arm().post(f"{job.path}/cancel", job.api_version)
            return f"job {job.name}: is being cancelled"
        except StepError as error:
            if error.status != 404:
                return f"job {job.name}: may go on: {error}"
            time.sleep(PAUSE_SECONDS if left else 0)
    return f"job {job.name}: was not submitted yet"


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _put_off(number: int, frame: FrameType | None) -> None:
    """Do nothing: the step ends as soon as Azure has been told."""
