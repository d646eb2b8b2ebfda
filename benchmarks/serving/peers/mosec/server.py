"""mosec: a front in Rust, workers in Python, a Unix socket between them.

At its best: a worker a core, raw bytes in and out instead of JSON, decoding in the worker. Its batching was tried and
left off: it waits for company at least 1 ms, which costs the tiny model more than a batch gives, and slows MobileNetV2.
"""

from __future__ import annotations

from mosec import Server, Worker

import scorer


class Model(Worker):
    """Scores one body at a time."""

    def __init__(self) -> None:
        self.model = scorer.load_scorer()

    def deserialize(self, data: bytes) -> bytes:
        """Return the body as it is."""
        return data

    def forward(self, data: bytes) -> bytes:
        """Return the answer to a body."""
        return self.model.answer(data)

    def serialize(self, data: bytes) -> bytes:
        """Return the answer as it is."""
        return data


if __name__ == "__main__":
    server = Server()
    server.append_worker(Model, num=scorer.workers(), route="/score")
    server.run()
