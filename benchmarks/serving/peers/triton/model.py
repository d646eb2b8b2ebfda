"""The model of Triton's Python backend: bodies, each UINT8 [1, n], to answers, {"label": ..., "score": ...}.

One output that holds the whole answer costs less than one for the label and one for the score.
"""

from __future__ import annotations

import os
import sys
from typing import Any

sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)  # the backend's interpreter does not look at it

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402

import scorer  # noqa: E402


class TritonPythonModel:
    """Scores the bodies that wait; each instance is a process of its own."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Load the model."""
        self.model = scorer.load_scorer()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Return a response for each request that Triton handed over together."""
        bodies = [triton.get_input_tensor_by_name(request, "body").as_numpy().tobytes() for request in requests]
        return [self._respond(answer) for answer in self.model.answers(bodies)]

    def _respond(self, answer: bytes) -> Any:
        return triton.InferenceResponse([triton.Tensor("answer", np.array([[answer]], np.object_))])
