"""The requests that run a model: a body in, an answer out, through the scheduler.

The version is chosen once the body is complete, counts the request, and is held until the answer is on its way: so a
version whose `in_flight` is 0 after the traffic left it answers nothing any more. Where the version fails on live
traffic, the one with most of the other traffic answers instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from serving.deployments import Deployment, Endpoint, ServedModel
from serving.errors import RequestError, one_line
from serving.http.message import Reply, Request, Response, error_response
from serving.model import Prediction
from serving.scheduler import Scheduler
from serving.shadow import compare
from serving.work import Work

DEADLINE_HEADER = "x-request-timeout-ms"
ENVOY_HEADER = "x-envoy-expected-rq-timeout-ms"
STICKY_HEADER = "x-route-key"


@dataclass(slots=True, eq=False)
class Question:
    """What a request asks: works to be done, and how its answer is made of their predictions. `timeout` in seconds."""

    works: Sequence[Work]
    answer: Callable[[Sequence[Prediction], ServedModel, Deployment], Response]
    timeout: float = math.inf


def _no_answer(predictions: Sequence[Prediction], served: ServedModel, deployment: Deployment) -> Response:
    raise RuntimeError("a request whose question could not be read has no answer")


NOTHING = Question((), _no_answer)


@dataclass(slots=True, eq=False)
class Call:
    """A request on its way: where it goes, what it asks, and how many works of it are not done yet."""

    request: Request
    reply: Reply
    served: ServedModel
    deployment: Deployment
    is_live: bool
    question: Question = NOTHING
    left: int = 0
    is_spare: bool = False
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
        call = Call(request, reply, served, deployment, version is None)
        try:
            call.question = self._ask(call, ask)
            self._submit(call)
        except RequestError as error:
            self._end(call, error_response(error.status, str(error), error.headers))

    def _ask(self, call: Call, ask: Callable[[Request, Deployment], Question]) -> Question:
        """Read the question. What the version refuses and the spare one takes is the version's failure, not a client's.

        Raises RequestError where both refuse it, or there is no spare one.
        """
        try:
            return ask(call.request, call.deployment)
        except RequestError:
            spare = call.served.spare(call.deployment) if call.is_live else None
            if spare is None:
                raise
            question = ask(call.request, spare)
            self._hand_over(call, spare)
            return question

    def _submit(self, call: Call) -> None:
        works = call.question.works
        deadline = call.request.arrived + min(call.question.timeout, _timeout(call.request.headers))
        call.left = len(works)
        for work in works:
            work.deadline, work.done = deadline, partial(self._done, call)
        self.scheduler.submit(*works)

    def _done(self, call: Call, work: Work) -> None:
        call.left -= 1
        if call.left or call.is_over:
            return
        try:
            self._conclude(call)
        except Exception as error:  # a defect here must cost this client a 500, not an answer that never comes
            self._end(call, error_response(500, f"a defect of the server: {one_line(error)}"))

    def _conclude(self, call: Call) -> None:
        works = call.question.works
        error = works[0].error if len(works) == 1 else next((one.error for one in works if one.error), None)
        if error is None:
            self._answer(call)
        elif isinstance(error, RequestError):
            self._end(call, error_response(error.status, str(error), error.headers))
        else:
            self._fail(call, error)

    def _answer(self, call: Call) -> None:
        start = time.monotonic()
        predictions = [work.prediction for work in call.question.works if work.prediction is not None]
        response = call.question.answer(predictions, call.served, call.deployment)
        _count(call, start)
        self._end(call, response)
        if call.is_live and call.served.shadow is not None:
            self._shadow(call, call.served.shadow)
        call.question = NOTHING  # the works know the call: without this, each request would leave a cycle to collect

    def _fail(self, call: Call, error: Exception) -> None:
        """Answer by the spare version: a failing canary is blamed in its own count, and costs no client an answer."""
        failed = call.deployment
        spare = call.served.spare(failed) if call.is_live and not call.is_spare else None
        if spare is None:
            reason = f"version {failed.version} of {call.served.name} failed: {one_line(error)}"
            self._end(call, error_response(500, reason))
            return
        self._hand_over(call, spare)
        call.question.works = [replace(work, deployment=spare, error=None) for work in call.question.works]
        try:
            self._submit(call)
        except RequestError as refusal:
            self._end(call, error_response(refusal.status, str(refusal), refusal.headers))

    def _hand_over(self, call: Call, spare: Deployment) -> None:
        self._leave(call, 500)
        call.deployment, call.is_spare = spare, True
        spare.in_flight += 1
        spare.counters.pending += 1

    def _end(self, call: Call, response: Response) -> None:
        call.is_over = True
        response.headers += (("x-model-version", call.deployment.version),)
        call.reply(response)
        self._leave(call, response.status)

    def _leave(self, call: Call, status: int) -> None:
        deployment = call.deployment
        deployment.in_flight -= 1
        deployment.counters.pending -= 1
        if status >= 400:
            deployment.counters.failed(status)
        if call.is_live:
            deployment.count(status == 500)

    def _shadow(self, call: Call, shadow: Deployment) -> None:
        if shadow.model is None or shadow is call.deployment:
            return
        for work in call.question.works:
            if work.frames is not None and work.prediction is not None:
                done = compare(work.prediction, shadow.counters)
                self.scheduler.submit_shadow(Work(shadow, work.arrived, work.frames, count=work.count, done=done))


def _timeout(headers: Mapping[str, str]) -> float:
    given = headers.get(DEADLINE_HEADER) or headers.get(ENVOY_HEADER)
    if given is None:
        return math.inf
    try:
        milliseconds = float(given)
    except ValueError:
        milliseconds = math.nan
    if not milliseconds > 0:
        raise RequestError(400, f"{DEADLINE_HEADER}: should be milliseconds above 0, is {given[:40]}")
    return milliseconds / 1000


def _count(call: Call, answered: float) -> None:
    works, first = call.question.works, call.question.works[0]
    now = time.monotonic()
    call.deployment.counters.answered(
        frames=first.count if len(works) == 1 else sum(work.count for work in works),
        request=now - call.request.arrived,
        queue=max(0.0, first.started - first.arrived),
        decode=first.read_seconds if len(works) == 1 else sum(work.read_seconds for work in works),
        infer=first.infer_seconds if len(works) == 1 else sum(work.infer_seconds for work in works),
        output=now - answered,
    )
