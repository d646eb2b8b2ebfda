"""Plain uvicorn: the least ASGI application that answers.

At its best: uvloop and httptools, a process a core, no access log, and the model run inline, because a hand-over to a
thread costs more than the tiny model and gains nothing where every core already has a process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

import scorer

HEADERS = [(b"content-type", b"application/json")]


async def read(receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes:
    """Return a request's body."""
    message = await receive()
    if not message.get("more_body"):
        return message["body"]
    parts = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def build() -> Callable[..., Awaitable[None]]:
    """Return the application with a model of its own."""
    model = scorer.load_scorer()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        answer = model.answer(await read(receive))
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, length]})
        await send({"type": "http.response.body", "body": answer})

    return app


if __name__ == "__main__":
    uvicorn.run(
        "server:build",
        factory=True,
        port=scorer.port(),
        workers=scorer.workers(),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
