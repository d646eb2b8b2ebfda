"""Ties the pages to requests, and turns every error into {"error": reason}, in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from serving.door import Door
from serving.errors import RequestError, ServingError, one_line
from serving.http.message import Reply, Request, Response, error_response
from serving.pages import Pages
from serving.questions import ask_infer, ask_score
from serving.routes import Match, match
from serving.scoring import Scoring

PLAIN = "identity"
AS_IT_IS = (("accept-encoding", PLAIN),)  # what to say with a 415 (RFC 9110, 12.5.3)

Page = Callable[[Request, Mapping[str, str]], Response | Awaitable[Response]]


@dataclass(frozen=True)
class App:
    """The application of one worker: requests in, answers out through `reply`, at once or later."""

    scoring: Scoring
    pages: Pages
    door: Door | None

    def admit(self, request: Request) -> Response | None:
        """Refuse, before its body is read, a request for no page, by nobody who is known, or with a compressed body."""
        try:
            match(request.method, request.path)
            if self.door is not None:
                self.door.check(request.path, request.headers)
        except RequestError as error:
            return _as_response(error)
        if request.headers.get("content-encoding", PLAIN) != PLAIN:
            return error_response(415, "Content-Encoding: should be none: send the body as it is", AS_IT_IS)
        return None

    def handle(self, request: Request, reply: Reply) -> None:
        """Answer a request."""
        try:
            token = None if self.door is None else self.door.check(request.path, request.headers)
            if token is None:
                self._dispatch(match(request.method, request.path), request, reply)
            else:
                asyncio.get_running_loop().create_task(self._verify(token, request, reply))
        except Exception as error:
            reply(_as_response(error))

    async def _verify(self, token: str, request: Request, reply: Reply) -> None:
        assert self.door is not None
        try:
            await asyncio.to_thread(self.door.verify, token)
            self._dispatch(match(request.method, request.path), request, reply)
        except Exception as error:
            reply(_as_response(error))

    def _dispatch(self, found: Match, request: Request, reply: Reply) -> None:
        if found.page == "infer":
            names = (found.values["model"], found.values.get("version"))
            self.scoring.score(request, reply, names, ask_infer)
        elif found.page == "score":
            self.scoring.score(request, reply, self.pages.names(request), ask_score)
        else:
            answer = getattr(self.pages, found.page)(request, found.values)
            if isinstance(answer, Response):
                reply(answer)
            else:
                asyncio.get_running_loop().create_task(_later(answer, reply))


async def _later(answer: Awaitable[Response], reply: Reply) -> None:
    try:
        reply(await answer)
    except Exception as error:
        reply(_as_response(error))


def _as_response(error: Exception) -> Response:
    if isinstance(error, RequestError):
        challenge = (("www-authenticate", "Bearer"),) if error.status == 401 else ()
        return error_response(error.status, str(error), (*error.headers, *challenge))
    if isinstance(error, ServingError):
        return error_response(400, str(error))
    return error_response(500, f"a defect of the server: {one_line(error)}")
