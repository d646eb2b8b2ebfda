"""What an endpoint says of itself: health and metadata of the Open Inference Protocol v2, and GET /deployments.

Health is 200 or, as Kubernetes' probes want it, 503; the body says the same in JSON.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse

import serving
from serving.deployments import Deployment, Endpoint
from serving.v2 import model_metadata


@dataclass(frozen=True)
class Pages:
    """The GET pages of one endpoint. Each raises RequestError 404 on a model or version that is not here."""

    endpoint: Endpoint

    async def server(self, request: Request) -> JSONResponse:
        """Server metadata."""
        return JSONResponse({"name": "visionline", "version": serving.__version__, "extensions": []})

    async def live(self, request: Request) -> JSONResponse:
        """Server live: it answers."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> JSONResponse:
        """Server ready: some deployment has traffic."""
        ready = self.endpoint.is_ready
        return JSONResponse({"live": True, "ready": ready}, 200 if ready else 503)

    async def model(self, request: Request) -> JSONResponse:
        """Metadata of a model, by the version in the path, else by the one that the most traffic goes to."""
        model = self._chosen(request).model
        assert model is not None  # only ready deployments are chosen
        versions = sorted((one.version for one in self.endpoint.deployments if one.state == "ready"), key=_number)
        return JSONResponse(model_metadata(self.endpoint.model, versions, model))

    async def model_ready(self, request: Request) -> JSONResponse:
        """Model ready: the version in the path is, or some version has traffic."""
        self._chosen(request)
        return JSONResponse({"name": self.endpoint.model, "ready": True})

    async def deployments(self, request: Request) -> JSONResponse:
        """What the endpoint serves, and how far it is with desired.json."""
        return JSONResponse(self.endpoint.report())

    def _chosen(self, request: Request) -> Deployment:
        self.endpoint.check_name(request.path_params["model"])
        version = request.path_params.get("version")
        return self.endpoint.find(version) if version else self.endpoint.main()


def _number(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)
