"""The endpoints that run a model: a body in, JSON out. An ASGI application, so that it sees its answer leave.

The version is chosen once the body is complete, counts the request, and is held until the answer's last byte is sent:
so a version whose `in_flight` is 0 after the traffic left it answers nothing any more. Where the version fails on live
traffic, the one with most of the other traffic answers instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from serving.deployments import Deployment, Endpoint
from serving.errors import RequestError, one_line
from serving.images import decode_image
from serving.model import Model
from serving.v2 import infer_response, parse_infer

MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Served:
    """A model under the name and version that its answers bear."""

    name: str
    version: str
    model: Model


def answer_infer(body: bytes, served: Served) -> dict[str, Any]:
    """Answer an inference request of the protocol. Raises RequestError on a bad one, anything where the model fails."""
    request = parse_infer(body, served.model.contract)
    return infer_response(request, served.model.predict(request.frames), served.name, served.version)


def answer_score(body: bytes, served: Served) -> dict[str, Any]:
    """Score an image. Raises RequestError on a bad one, anything where the model fails."""
    prediction = served.model.predict(decode_image(body)[None])
    scores = dict(zip(served.model.labels, prediction.probabilities[0].tolist(), strict=True))
    return {
        "label": prediction.labels[0],
        "score": scores[prediction.labels[0]],
        "scores": scores,
        "model_name": served.name,
        "model_version": served.version,
        "digest": served.model.digest,
    }


@dataclass(frozen=True)
class Scoring:
    """Answers POSTed bodies with `answer`, run in the pool: by the version in the path, else by the traffic."""

    endpoint: Endpoint
    pool: ThreadPoolExecutor
    answer: Callable[[bytes, Served], dict[str, Any]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3). Raises RequestError where no model is there to answer or the body is too long."""
        request = Request(scope, receive)
        self.endpoint.check_name(request.path_params.get("model"))
        try:
            body = await read_body(request)
        except ClientDisconnect:
            return
        with ExitStack() as held:
            response = await self._respond(request.path_params.get("version"), body, held)
            await response(scope, receive, send)

    async def _respond(self, version: str | None, body: bytes, held: ExitStack) -> JSONResponse:
        if version is None:
            return await self._respond_live(body, held)
        return _response(*await self._run(self.endpoint.find(version), body, held))

    async def _respond_live(self, body: bytes, held: ExitStack) -> JSONResponse:
        chosen, status, content = await self._run(self.endpoint.route(), body, held)
        chosen.count(status >= 500)
        spare = self.endpoint.spare(chosen) if status >= 500 else None
        if spare is not None:
            # A failing canary is blamed in its own count, and costs no client an answer.
            chosen, status, content = await self._run(spare, body, held)
            chosen.count(status >= 500)
        return _response(chosen, status, content)

    async def _run(
        self, deployment: Deployment, body: bytes, held: ExitStack
    ) -> tuple[Deployment, int, dict[str, Any]]:
        held.enter_context(deployment.hold())
        assert deployment.model is not None  # only ready deployments are chosen
        served = Served(self.endpoint.model, deployment.version, deployment.model)
        try:
            content = await asyncio.get_running_loop().run_in_executor(self.pool, self.answer, body, served)
            return deployment, 200, content
        except RequestError as error:
            return deployment, error.status, {"error": str(error)}
        except Exception as error:  # the model's fault, whatever it is: the client is told and the version blamed
            reason = f"version {served.version} of {served.name} failed: {one_line(error)}"
            return deployment, 500, {"error": reason}


def _response(deployment: Deployment, status: int, content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, status, {"x-model-version": deployment.version})


async def read_body(request: Request) -> bytes:
    """Return a request's body. Raises RequestError 413 as soon as it is known to exceed MAX_BODY_BYTES."""
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise _too_long()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_long()
    return bytes(body)


def _too_long() -> RequestError:
    return RequestError(413, f"the body is longer than the {MAX_BODY_BYTES} bytes that are allowed")
