"""KServe's Python model server with a custom predictor.

At its best: its V1 path hands a body that is not JSON over as it is, while its V2 path makes a Python list of every
binary tensor (50 ms for a JPEG file); a uvicorn process a core on uvloop, no gRPC beside it, no latency log, an async
predict that runs inline.
"""

from __future__ import annotations

from typing import Any

from kserve import Model, ModelServer

import scorer


class Predictor(Model):
    """Scores one body at a time."""

    def __init__(self) -> None:
        super().__init__("model")
        self.model, self.ready = scorer.load_scorer(), True

    def __reduce__(self) -> tuple[type[Predictor], tuple[()]]:
        """Let each process that serves load a model of its own: KServe sends this object to them."""
        return Predictor, ()

    async def predict(self, payload: bytes, *_: Any, **__: Any) -> bytes:
        """Return the answer to a body."""
        return self.model.answer(payload)


if __name__ == "__main__":
    ModelServer(
        http_port=scorer.port(),
        workers=scorer.workers(),
        enable_grpc=False,
        enable_latency_logging=False,
        event_loop="uvloop",
    ).start([Predictor()])
