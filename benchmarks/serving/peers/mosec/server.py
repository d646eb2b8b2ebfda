"""mosec: a front in Rust, workers in Python, a Unix socket between them.

At its best: a worker a core, raw bytes in and out instead of JSON, decoding in the worker. It is measured with and
without batching, because its batches wait for company at least 1 ms: a lone client of the tiny model loses by that what
many clients gain.
"""

from __future__ import annotations

from mosec import Server, Worker

import scorer

WAIT_MS = 1  # the least that it takes


class Model(Worker):
    """Scores one body, or with batching a list of them."""

    def __init__(self) -> None:
        self.model = scorer.load_scorer()

    def deserialize(self, data: bytes) -> bytes:
        """Return the body as it is."""
        return data

    def forward(self, data: bytes | list[bytes]) -> bytes | list[bytes]:
        """Return the answer to a body, or to each."""
        return self.model.answers(data) if isinstance(data, list) else self.model.answer(data)

    def serialize(self, data: bytes) -> bytes:
        """Return the answer as it is."""
        return data


if __name__ == "__main__":
    server = Server()
    batch = scorer.batch()
    server.append_worker(
        Model, num=scorer.workers(), max_batch_size=batch, max_wait_time=WAIT_MS if batch > 1 else 0, route="/score"
    )
    server.run()
