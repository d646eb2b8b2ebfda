"""The requests that run a model: a body in, an answer out, through the scheduler.

The version is chosen once the body is complete, counts the request, and is held until the answer is on its way: so a
version whose `in_flight` is 0 after the traffic left it answers nothing any more. Where the version fails on live
traffic, the one with most of the other traffic answers instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from serving.deployments import Deployment, Endpoint, ServedModel
from serving.errors import RequestError, one_line
from serving.http.message import Reply, Request, Response, error_response
from serving.model import Prediction
from serving.scheduler import Scheduler
from serving.shadow import compare
from serving.work import Frames, Work

DEADLINE_HEADERS = ("x-request-timeout-ms", "x-envoy-expected-rq-timeout-ms")
STICKY_HEADER = "x-route-key"
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Part:
    """One reading of frames, `count` of them; `is_quick` where it takes far less than a millisecond."""

    read: Callable[[], Frames]
    count: int = 1
    is_quick: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks: parts to score, and how its answer is made of their predictions."""

    parts: Sequence[Part]
    answer: Callable[[Sequence[Prediction], ServedModel, Deployment], Response]
    timeout: float = math.inf


@dataclass(slots=True, eq=False)
class Call:
    """A request on its way: the question, where it goes, and the works that are not done yet."""

    request: Request
    reply: Reply
    served: ServedModel
    question: Question
    deployment: Deployment
    is_live: bool
    is_spare: bool = False
    works: list[Work] = field(default_factory=list)
    left: int = 0
    is_over: bool = False


@dataclass(frozen=True)
class Scoring:
    """Answers questions by the version that is asked for, else by the traffic."""

    endpoint: Endpoint
    scheduler: Scheduler

    def score(
        self,
        request: Request,
        reply: Reply,
        names: tuple[str | None, str | None],
        ask: Callable[[Request, Deployment], Question],
    ) -> None:
        """Answer a request for a model and version (None: the traffic's), by `ask`, which reads the question.

        Raises RequestError where nothing is there to answer.
        """
        served = self.endpoint.served(names[0])
        version = names[1]
        deployment = served.find(version) if version else served.route(request.headers.get(STICKY_HEADER))
        deployment.in_flight += 1
        deployment.counters.pending += 1
        call = Call(request, reply, served, Question((), _no_answer), deployment, is_live=version is None)
        try:
            call.question = ask(request, deployment)
            self._submit(call)
        except RequestError as error:
            self._end(call, error_response(error.status, str(error), error.headers))

    def _submit(self, call: Call) -> None:
        deadline = call.request.arrived + min(call.question.timeout, _timeout(call.request))
        call.works = [
            Work(call.deployment, part.read, lambda work: self._done(call), call.request.arrived, part.count)
            for part in call.question.parts
        ]
        call.left = len(call.works)
        for work, part in zip(call.works, call.question.parts, strict=True):
            work.deadline, work.is_quick = deadline, part.is_quick
            self.scheduler.submit(work)

    def _done(self, call: Call) -> None:
        call.left -= 1
        if call.left or call.is_over:
            return
        error = next((work.error for work in call.works if work.error is not None), None)
        if error is None:
            self._answer(call)
        elif isinstance(error, RequestError):
            self._end(call, error_response(error.status, str(error), error.headers))
        else:
            self._fail(call, error)

    def _answer(self, call: Call) -> None:
        start = time.monotonic()
        predictions = [work.prediction for work in call.works if work.prediction is not None]
        response = call.question.answer(predictions, call.served, call.deployment)
        _count(call, time.monotonic() - start)
        self._end(call, response)
        if call.is_live:
            self._shadow(call)

    def _fail(self, call: Call, error: Exception) -> None:
        """Answer by the spare version: a failing canary is blamed in its own count, and costs no client an answer."""
        failed = call.deployment
        spare = call.served.spare(failed) if call.is_live and not call.is_spare else None
        if spare is None:
            reason = f"version {failed.version} of {call.served.name} failed: {one_line(error)}"
            self._end(call, error_response(500, reason))
            return
        self._leave(call, 500)
        call.deployment, call.is_spare = spare, True
        spare.in_flight += 1
        spare.counters.pending += 1
        try:
            self._submit(call)
        except RequestError as refusal:
            self._end(call, error_response(refusal.status, str(refusal), refusal.headers))

    def _end(self, call: Call, response: Response) -> None:
        call.is_over = True
        response.headers += (("x-model-version", call.deployment.version),)
        call.reply(response)
        self._leave(call, response.status)

    def _leave(self, call: Call, status: int) -> None:
        deployment = call.deployment
        deployment.in_flight -= 1
        deployment.counters.pending -= 1
        deployment.counters.failure += status >= 400
        if call.is_live:
            deployment.count(status == 500)

    def _shadow(self, call: Call) -> None:
        shadow = call.served.shadow
        if shadow is None or shadow.model is None or shadow is call.deployment:
            return
        for work in call.works:
            if work.frames is not None and work.prediction is not None:
                compared = compare(work.prediction, shadow.counters)
                frames = work.frames
                self.scheduler.submit_shadow(Work(shadow, lambda: frames, compared, time.monotonic(), work.count))


def _timeout(request: Request) -> float:
    given = next((request.headers[name] for name in DEADLINE_HEADERS if name in request.headers), None)
    if given is None:
        return math.inf
    try:
        milliseconds = float(given)
    except ValueError:
        milliseconds = math.nan
    if not milliseconds > 0:
        raise RequestError(400, f"{DEADLINE_HEADERS[0]}: should be milliseconds above 0, is {given[:40]}")
    return milliseconds / 1000


def _count(call: Call, output_seconds: float) -> None:
    first = call.works[0]
    call.deployment.counters.answered(
        frames=sum(work.count for work in call.works),
        request=time.monotonic() - call.request.arrived,
        queue=max(0.0, first.started - first.arrived),
        decode=sum(work.read_seconds for work in call.works),
        infer=sum(work.infer_seconds for work in call.works),
        output=output_seconds,
    )


def _no_answer(predictions: Sequence[Prediction], served: ServedModel, deployment: Deployment) -> Response:
    raise RuntimeError("a request whose question could not be read has no answer")
