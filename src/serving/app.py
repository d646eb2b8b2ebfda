"""The HTTP face of an endpoint: Open Inference Protocol v2, POST /score for images, GET /deployments for operators.

It ties paths to serving.scoring and serving.pages, and turns every error into {"error": reason}, in one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from serving.deployments import Endpoint
from serving.errors import RequestError, one_line
from serving.pages import Pages
from serving.reconcile import Reconciler
from serving.scoring import Scoring, answer_infer, answer_score

MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"


def build_app(endpoint: Endpoint, reconciler: Reconciler, threads: int) -> Starlette:
    """Return the application; `threads` inferences run side by side, so that a slow one blocks no health check."""
    pool = ThreadPoolExecutor(threads, "inference")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        following = asyncio.get_running_loop().create_task(reconciler.follow())
        yield
        following.cancel()
        pool.shutdown()

    app = Starlette(routes=_routes(endpoint, pool), lifespan=lifespan)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _refused_by_router)
    app.add_exception_handler(Exception, _defect)
    return app


def _routes(endpoint: Endpoint, pool: ThreadPoolExecutor) -> list[Route]:
    pages, infer = Pages(endpoint), Scoring(endpoint, pool, answer_infer)
    return [
        Route("/v2", pages.server),
        Route("/v2/", pages.server),
        Route("/v2/health/live", pages.live),
        Route("/v2/health/ready", pages.ready),
        Route(MODEL, pages.model),
        Route(VERSION, pages.model),
        Route(f"{MODEL}/ready", pages.model_ready),
        Route(f"{VERSION}/ready", pages.model_ready),
        Route(f"{MODEL}/infer", infer, methods=["POST"]),
        Route(f"{VERSION}/infer", infer, methods=["POST"]),
        Route("/score", Scoring(endpoint, pool, answer_score), methods=["POST"]),
        Route("/deployments", pages.deployments),
    ]


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)
    return JSONResponse({"error": str(error)}, error.status)


async def _refused_by_router(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    reason = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse({"error": reason}, error.status_code, error.headers)


async def _defect(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"a defect of the server: {one_line(error)}"}, 500)
