"""What a body asks, and how the answer is said: the Open Inference Protocol's infer, and POST /score for images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qs

import numpy as np
import orjson

from serving.deployments import Deployment, ServedModel
from serving.errors import RequestError
from serving.http.message import Request, Response
from serving.images import MAX_PIXELS, decode_image, decode_scaled, image_size
from serving.model import Prediction
from serving.multipart import images_of
from serving.scoring import Question
from serving.v2.answer import infer_answer
from serving.v2.request import InferRequest, parse_infer
from serving.work import Frames, Work

# An image of so many bytes and pixels is read in some milliseconds.
QUICK_BYTES = 512 * 1024
QUICK_PIXELS = 1_000_000
TOP = 10
MICROSECONDS = 1e6
T = TypeVar("T")


def ask_infer(request: Request, deployment: Deployment) -> Question:
    """Read an inference request of the protocol. Raises RequestError 400."""
    assert deployment.model is not None  # only ready deployments are chosen
    length = request.headers.get("inference-header-content-length")
    question = parse_infer(request.body, _integer(length), deployment.model.contract)
    pixels = question.frames.size // 3
    is_quick = pixels <= QUICK_PIXELS
    work = Work(deployment, request.arrived, question.frames, None, len(question.frames), is_quick, pixels)
    timeout = math.inf if question.timeout_us is None else question.timeout_us / MICROSECONDS
    return Question((work,), partial(_answer_infer, question), timeout)


def ask_score(request: Request, deployment: Deployment) -> Question:
    """Read one image, or several by multipart/form-data. Raises RequestError: 400, 413, 415.

    Of the query, `top` is how many scores to answer; `side` lets a JPEG be decoded at the smallest of libjpeg's scales
    whose sides are that long or more, which is quicker and not quite the same picture.
    """
    query = parse_qs(request.query) if request.query else {}
    top, side = _number(query, "top", TOP), _number(query, "side", 0)
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/"):
        return Question((_image(request, deployment, request.body, side),), partial(_answer_score, top))
    images = images_of(request.body, content_type)
    works = [_image(request, deployment, content, side, name) for name, content in images]
    if (pixels := sum(work.pixels for work in works)) > MAX_PIXELS:
        raise RequestError(
            413, f"the form's images have {pixels} pixels together, {MAX_PIXELS} are allowed: send fewer"
        )
    return Question(works, partial(_answer_several, [name for name, _ in images], top))


def _image(request: Request, deployment: Deployment, content: bytes, side: int, name: str | None = None) -> Work:
    width, height = _named(name, image_size, content)
    if not side:
        _named(name, _check_fits, (height, width), deployment)
    pixels = width * height
    is_quick = len(content) <= QUICK_BYTES and pixels <= QUICK_PIXELS
    read = partial(_named, name, _frame, content, side)
    return Work(deployment, request.arrived, read=read, is_quick=is_quick, pixels=pixels)


def _check_fits(size: tuple[int, int], deployment: Deployment) -> None:
    assert deployment.model is not None  # only ready deployments are chosen
    wanted = deployment.model.contract.input_shape[1:3]
    if any(known not in (-1, given) for known, given in zip(wanted, size, strict=True)):
        raise RequestError(400, f"the image has {size[1]}x{size[0]} pixels, the model takes {wanted[1]}x{wanted[0]}")


def _frame(content: bytes, side: int) -> Frames:
    return (decode_scaled(content, side) if side else decode_image(content))[None]


def _named(name: str | None, read: Callable[..., T], *arguments: Any) -> T:
    """Read an image; where several came, an error names the one."""
    try:
        return read(*arguments)
    except RequestError as error:
        raise error if name is None else RequestError(error.status, f"{name}: {error}") from None


def _answer_infer(
    question: InferRequest, predictions: Sequence[Prediction], served: ServedModel, deployment: Deployment
) -> Response:
    answer = infer_answer(question, predictions[0], served.name, deployment.version)
    length = answer.header_length
    headers = () if length is None else (("inference-header-content-length", str(length)),)
    return Response(200, answer.body, answer.content_type, headers)


def _answer_score(top: int, predictions: Sequence[Prediction], served: ServedModel, deployment: Deployment) -> Response:
    return Response(200, orjson.dumps({**_scores(predictions[0], top), **_source(served, deployment)}))


def _answer_several(
    names: Sequence[str],
    top: int,
    predictions: Sequence[Prediction],
    served: ServedModel,
    deployment: Deployment,
) -> Response:
    images = [{"name": name, **_scores(one, top)} for name, one in zip(names, predictions, strict=True)]
    return Response(200, orjson.dumps({"images": images, **_source(served, deployment)}))


def _scores(prediction: Prediction, top: int) -> dict[str, Any]:
    scores = prediction.probabilities[0]
    best = np.argsort(-scores, kind="stable")[:top].tolist()
    named = {prediction.classes[index]: float(scores[index]) for index in best}
    return {"label": prediction.classes[best[0]], "score": float(scores[best[0]]), "scores": named}


def _source(served: ServedModel, deployment: Deployment) -> dict[str, str]:
    digest = deployment.declared.digest
    return {"model_name": served.name, "model_version": deployment.version, "digest": digest}


def _number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    if name not in query:
        return default
    given = query[name][0]
    if not (given.isascii() and given.isdecimal()) or len(given) > 6 or int(given) < 1:
        raise RequestError(400, f"{name}: should be a number from 1, is {given[:40]}")
    return int(given)


def _integer(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise RequestError(400, f"Inference-Header-Content-Length: should be a number of bytes, is {text[:40]}")
    return int(text)
