"""Azure ML's own scoring server: Flask on gunicorn, as in its online deployments.

At its best: a gunicorn process a core (its workers are synchronous, so one each is all that runs), the raw request
instead of JSON. It logs each request to standard output and that can't be switched off; here it goes to a file.
Being synchronous it closes each connection after its answer: clients pay for a new one each time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

import scorer

models: list[scorer.Scorer] = []


def init() -> None:
    """Load the model; the server calls it once in each process."""
    models.append(scorer.load_scorer())


@rawhttp
def run(request: AMLRequest) -> AMLResponse:
    """Return the answer to a request."""
    return AMLResponse(models[0].answer(request.get_data(cache=False)), 200)


if __name__ == "__main__":
    program = str(Path(sys.executable).with_name("azmlinfsrv"))
    flags = ["--entry_script", __file__, "--port", str(scorer.port()), "--worker_count", str(scorer.workers())]
    os.execv(program, [program, *flags])
