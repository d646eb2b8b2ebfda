"""MLServer with a custom runtime.

At its best: a model process a core (parallel_workers), a custom handler that takes the body's bytes, since its V2
endpoint reads JSON only; no metrics, no access log.
"""

# Without the future import of annotations: MLServer takes the handler's as they are, and strings tell it nothing.
import json
import os
import sys
from pathlib import Path
from typing import Annotated

from fastapi import Body
from mlserver import MLModel
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse

import scorer


class Runtime(MLModel):
    """Scores one body at a time."""

    async def load(self) -> bool:
        """Load the model in a model process."""
        self.model = scorer.load_scorer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Refuse: the benchmark calls the handler below."""
        raise NotImplementedError

    @custom_handler(rest_path="/score")
    async def score(self, body: Annotated[bytes, Body()]) -> dict:
        """Return the label and the score of a body."""
        return json.loads(self.model.answer(body))


if __name__ == "__main__":
    folder = Path(os.environ["BENCHMARK_SCRATCH"])
    settings = {
        "http_port": scorer.port(),
        "grpc_port": int(os.environ["BENCHMARK_SECOND_PORT"]),
        "parallel_workers": scorer.workers(),
        "metrics_endpoint": None,
        "debug": False,
        "host": "127.0.0.1",
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    model = {"name": "model", "implementation": "server.Runtime"}
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}:{os.environ['PYTHONPATH']}"
    program = str(Path(sys.executable).with_name("mlserver"))
    os.execv(program, [program, "start", str(folder)])
