"""LitServe: FastAPI processes in front, model processes behind, a queue between them.

At its best: a model process a core and a front process a core, the ZeroMQ queue (fast_queue) instead of the
multiprocessing manager's, raw bytes as the request instead of JSON, no tracking of requests.
"""

# Without the future import of annotations: LitServe takes decode_request's as they are, and strings tell it nothing.
from typing import Annotated

import litserve
from fastapi import Body, Response

import scorer


class Model(litserve.LitAPI):
    """Scores one body at a time."""

    def setup(self, device: str) -> None:
        """Load the model in a model process."""
        self.model = scorer.load_scorer()

    def decode_request(self, request: Annotated[bytes, Body()]) -> bytes:
        """Return the body as it is."""
        return request

    def predict(self, body: bytes) -> bytes:
        """Return the answer to a body."""
        return self.model.answer(body)

    def encode_response(self, output: bytes) -> Response:
        """Return the answer as it is."""
        return Response(output, media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(
        Model(api_path="/score"), accelerator="cpu", workers_per_device=scorer.workers(), timeout=False, fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=scorer.port(),
        num_api_servers=scorer.workers(),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
