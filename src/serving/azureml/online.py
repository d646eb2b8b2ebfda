"""The scoring script of an Azure ML online deployment: init() once in each process, run() for each POST /score.

The server turns an exception of run() into a 500 that says nothing, so run() raises none: bad input gets its 4xx, and
only the model's fault is a 500. Behind a managed endpoint a client sees any of them as 424, with the status here in
the header ms-azureml-model-error-statuscode.

Run it: azmlinfsrv --entry_script src/serving/azureml/online.py --model_dir PACKAGE --port PORT, with the variables that
serving.azureml names.

Sources: https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http and, for what becomes of the
status, https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints (HTTP status codes).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

# The runtime that was uploaded with this file, before one that the image may hold.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from serving.azureml.answering import LIMIT, answer  # noqa: E402
from serving.azureml.loading import load_served  # noqa: E402
from serving.deployments import ServedModel  # noqa: E402
from serving.http.message import Request, Response  # noqa: E402

served: list[ServedModel] = []


def init() -> None:
    """Load the model. Raises ServingError or PackageError, with which the server stops."""
    served[:] = [load_served()]


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Return the answer to a request, as the runtime gives it."""
    return _to_azure(answer(_from_azure(request), served[0]))


def _from_azure(request: AMLRequest) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = request.stream.read(LIMIT + 1)  # past its parsing of forms, and no more than is answered
    return Request(request.method, request.path, request.query_string.decode(), headers, body, time.monotonic())


def _to_azure(response: Response) -> AMLResponse:
    headers = {"Content-Type": response.content_type, **dict(response.headers)}
    return AMLResponse(response.body, response.status, headers)
