"""The model of Triton's Python backend: a body's bytes, UINT8 [n], to its label and score."""

from __future__ import annotations

import os
import sys
from typing import Any

sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)  # the backend's interpreter does not look at it

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

import scorer  # noqa: E402


class TritonPythonModel:
    """Scores one body at a time; each instance is a process of its own."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Load the model."""
        self.model = scorer.load_scorer()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Return a response for each request that Triton handed over together."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        body = triton.get_input_tensor_by_name(request, "body").as_numpy().tobytes()
        label, score = self.model.best(self.model.logits(self.model.frames(body))[0])
        labels = triton.Tensor("label", np.array([label.encode()], np.object_))
        scores = triton.Tensor("score", np.array([score], np.float32))
        return triton.InferenceResponse([labels, scores])
