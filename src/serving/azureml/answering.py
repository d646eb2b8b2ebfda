"""One request and its answer, without a server: the questions and answers of the runtime, by one model, at once.

Azure ML's server has one URL, so the body says what is asked: JSON is the Open Inference Protocol's infer, by its
content type or its first byte; all else is an image, or a form of several, as in POST /score.
"""

from __future__ import annotations

from serving.deployments import Deployment, ServedModel
from serving.errors import RequestError, one_line
from serving.http.limits import Limits
from serving.http.message import Request, Response, error_response
from serving.questions import ask_infer, ask_score
from serving.scoring import Question
from serving.v2.request import LENGTH_HEADER
from serving.work import execute

LIMIT = Limits().body_bytes


def answer(request: Request, served: ServedModel) -> Response:
    """Return the answer to one request, whatever it is: 200, 4xx with the client's fault, 500 with the model's."""
    deployment = served.deployments[0]
    try:
        response = _scored(_question(request, deployment), served, deployment)
    except RequestError as error:
        response = error_response(error.status, str(error), error.headers)
    response.headers += (("x-model-version", deployment.version),)
    return response


def _question(request: Request, deployment: Deployment) -> Question:
    if request.method != "POST":
        raise RequestError(405, f"{request.method}: only POST is answered here")
    if len(request.body) > LIMIT:
        raise RequestError(413, f"the body has more than {LIMIT} bytes")
    return (ask_infer if _is_infer(request) else ask_score)(request, deployment)


def _is_infer(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = kind == "application/json" or request.body.lstrip()[:1] == b"{"
    return is_json or LENGTH_HEADER.lower() in request.headers


def _scored(question: Question, served: ServedModel, deployment: Deployment) -> Response:
    assert deployment.model is not None  # load_served makes no other
    execute(deployment.model, question.works)
    for work in question.works:
        if isinstance(work.error, RequestError):
            raise work.error
        if work.error is not None:
            reason = f"version {deployment.version} of {served.name} failed: {one_line(work.error)}"
            return error_response(500, reason)
    predictions = [work.prediction for work in question.works if work.prediction is not None]
    return question.answer(predictions, served, deployment)
