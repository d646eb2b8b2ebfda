"""BentoML with a service of one endpoint.

At its best: a worker process a core, an ASGI application mounted in the service (bentoml.asgi_app), because the bodies
of its own API methods pass through multipart parsing or a file (9 ms a request); no batching, which waits for company;
no metrics, no access log.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import scorer

OFF = {"enabled": False}


async def score(request: Request) -> Response:
    """Return the answer to a body."""
    service = bentoml.get_current_service()
    return Response(service.model.answer(await request.body()), media_type="application/json")


@bentoml.asgi_app(Starlette(routes=[Route("/score", score, methods=["POST"])]), path="/")
@bentoml.service(
    workers=scorer.workers(),
    metrics=OFF,
    logging={"access": OFF},
    traffic={"timeout": 60},
    tracing={"sample_rate": 0.0},
)
class Service:
    """Holds the model of a worker process."""

    def __init__(self) -> None:
        self.model = scorer.load_scorer()


if __name__ == "__main__":
    program = str(Path(sys.executable).with_name("bentoml"))
    flags = ["--port", str(scorer.port()), "--host", "127.0.0.1", "--working-dir", str(Path(__file__).parent)]
    os.execv(program, [program, "serve", "server:Service", *flags])
