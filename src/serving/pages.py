"""What an endpoint says of itself: health and metadata of the Open Inference Protocol v2, deployments, metrics, docs.

Health is 200 or, as Kubernetes' probes want it, 503; the body says the same in JSON. What is true of all workers is
asked of all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import serving
from serving.deployments import Deployment, Endpoint, ServedModel
from serving.docs_page import docs_page
from serving.http.message import Request, Response, json_response
from serving.merge import merge_reports
from serving.metrics import exposition
from serving.openapi import document
from serving.repository import Repository
from serving.v2.metadata import model_metadata, server_metadata

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Values = Mapping[str, str]


@dataclass(frozen=True)
class Pages:
    """The pages of one worker. Each raises RequestError 404 on a model or version that is not here.

    `ask_workers` returns {"reports": those of all workers, "workers": how many there should be, "restarts": a count}.
    """

    endpoint: Endpoint
    repository: Repository
    ask_workers: Callable[[], Awaitable[Mapping[str, Any]]]
    is_draining: Callable[[], bool]

    def server(self, request: Request, values: Values) -> Response:
        """Server metadata."""
        return json_response(server_metadata(serving.__version__))

    def live(self, request: Request, values: Values) -> Response:
        """Server live: it answers."""
        return json_response({"live": True})

    def ready(self, request: Request, values: Values) -> Response:
        """Server ready: some deployment has traffic, and the server is not about to end."""
        ready = self.endpoint.is_ready and not self.is_draining()
        return json_response({"live": True, "ready": ready}, 200 if ready else 503)

    def model(self, request: Request, values: Values) -> Response:
        """Metadata of a model, by the version in the path, else by the one that the most traffic goes to."""
        served = self.endpoint.served(values["model"])
        model = _chosen(served, values).model
        assert model is not None  # only ready deployments are chosen
        versions = sorted({one.version for one in served.deployments if one.state == "ready"}, key=_number)
        return json_response(model_metadata(served.name, versions, model.labels, model.contract))

    def model_ready(self, request: Request, values: Values) -> Response:
        """Model ready: the version in the path is, or some version has traffic."""
        served = self.endpoint.served(values["model"])
        _chosen(served, values)
        return json_response({"name": served.name, "ready": True})

    async def deployments(self, request: Request, values: Values) -> Response:
        """What the endpoint serves, and how far it is with desired.json."""
        answer = await self.ask_workers()
        merged = merge_reports(answer["reports"])
        if len(answer["reports"]) < answer["workers"]:
            merged["observed_generation"] = 0  # some worker is starting: nothing is observed by all
        running = [report["worker"] for report in answer["reports"]]
        workers = {"wanted": answer["workers"], "restarts": answer["restarts"], "running": running}
        return json_response({**merged, "workers": workers})

    async def metrics(self, request: Request, values: Values) -> Response:
        """Metrics of all workers together, as Prometheus reads them."""
        answer = await self.ask_workers()
        return Response(200, exposition(answer["reports"]), METRICS_TYPE)

    def index(self, request: Request, values: Values) -> Response:
        """The models and versions that are here (POST, as Triton's model repository extension has it)."""
        return json_response(self.repository.index(self.endpoint, request.body))

    async def load(self, request: Request, values: Values) -> Response:
        """Load a model, and answer once each worker serves it."""
        return await self.repository.load(values["model"], request.body, self.ask_workers)

    async def unload(self, request: Request, values: Values) -> Response:
        """Unload a model, and answer once no worker serves it."""
        return await self.repository.unload(values["model"], request.body, self.ask_workers)

    def docs(self, request: Request, values: Values) -> Response:
        """The API as a page to read."""
        return Response(200, docs_page(document(serving.__version__)), "text/html; charset=utf-8")

    def openapi(self, request: Request, values: Values) -> Response:
        """The API as OpenAPI 3.1."""
        return json_response(document(serving.__version__))

    def names(self, request: Request) -> tuple[str | None, str | None]:
        """Return the model and version that the query of POST /score names, None for what it does not."""
        query = parse_qs(request.query) if request.query else {}
        return query.get("model", [None])[0], query.get("version", [None])[0]


def _chosen(served: ServedModel, values: Values) -> Deployment:
    version = values.get("version")
    return served.find(version) if version else served.main()


def _number(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)
