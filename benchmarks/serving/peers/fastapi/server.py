"""FastAPI as its users write it, on uvicorn.

At its best: uvloop and httptools, a process a core, an async handler that scores inline and answers ready bytes, so
that neither its thread pool nor its JSON encoder is in the way.
"""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI, Request, Response

import scorer


def build() -> FastAPI:
    """Return the application with a model of its own."""
    app, model = FastAPI(), scorer.load_scorer()

    @app.post("/score")
    async def score(request: Request) -> Response:
        return Response(model.answer(await request.body()), media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        "server:build",
        factory=True,
        port=scorer.port(),
        workers=scorer.workers(),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
