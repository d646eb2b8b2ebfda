"""Clients that keep asking an endpoint to score images, at a constant rate, and write down every answer.

Each client keeps its connection; one that the server closed while it was idle is opened again and the request sent
once more, which RFC 9110 (9.2.2) allows, since scoring changes nothing. So what counts as failed did fail.

Run: python -m serving.load --url URL --model NAME --images FOLDER --clients N --out load.jsonl [--seconds S]
It ends after S seconds, or on SIGTERM, and writes load.json beside load.jsonl.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from serving.client import Client
from serving.errors import ServingError, exit_code
from serving.figures import percentile
from serving.files import write_json
from serving.samples import read_samples


@dataclass(frozen=True)
class Sample:
    """One request: epoch seconds at its answer, ms it took, HTTP status (0: no answer), version that answered."""

    t: float
    ms: float
    status: int
    version: int | None


class Log:
    """Writes each sample to a file as it comes, from several threads, and keeps all of them for the figures."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.samples: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """Write one sample; the line is complete on disk when this returns."""
        with self._lock:
            self.samples.append(sample)
            self._file.write(json.dumps(asdict(sample)) + "\n")
            self._file.flush()


def summarise(samples: Sequence[Sample]) -> dict[str, object]:
    """Return the figures of load.json; latencies are those of answered requests, null where there were none."""
    good = [sample for sample in samples if sample.status == 200]
    versions = sorted({sample.version for sample in good if sample.version is not None})
    latencies = sorted(sample.ms for sample in good)
    return {
        "requests_total": len(samples),
        "requests_failed": len(samples) - len(good),
        "versions": {str(version): sum(sample.version == version for sample in good) for version in versions},
        "ms_p50": percentile(latencies, 50),
        "ms_p99": percentile(latencies, 99),
    }


def ask(client: Client, image: bytes) -> Sample:
    """Have one image scored."""
    start = time.perf_counter()
    status, answer = client.request("POST", "/score", image)
    milliseconds = (time.perf_counter() - start) * 1000
    version = answer.get("model_version")
    return Sample(time.time(), milliseconds, status, None if version is None else int(version))


def keep_asking(url: str, images: Sequence[bytes], rate: float, log: Log, stop: threading.Event) -> None:
    """Ask `rate` times a second until told to stop. What a slow answer delayed is not made up for."""
    with closing(Client(url)) as client:
        number, due = 0, time.monotonic()
        while not stop.wait(due - time.monotonic()):
            log.add(ask(client, images[number % len(images)]))
            number, due = number + 1, max(due + 1 / rate, time.monotonic())


def run(options: argparse.Namespace) -> None:
    """Run the clients until SIGTERM, SIGINT or the end of the time, then write the figures. Raises ServingError."""
    images = read_samples(options.images)
    check_served(options.url, options.model)
    # Blocked before the clients start, so that every thread has them blocked, and only the wait below sees them.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    with options.out.open("w", encoding="utf-8") as file, ThreadPoolExecutor(options.clients) as pool:
        log = Log(file)
        arguments = (options.url, images, options.rate, log, stop)
        clients = [pool.submit(keep_asking, *arguments) for _ in range(options.clients)]
        signal.sigtimedwait(signals, options.seconds) if options.seconds else signal.sigwait(signals)
        stop.set()
    for client in clients:
        client.result()
    write_json(options.out.with_suffix(".json"), summarise(log.samples))


def check_served(url: str, model: str) -> None:
    """Raise ServingError where the endpoint does not serve the model."""
    with closing(Client(url)) as client:
        status, answer = client.request("GET", f"/v2/models/{model}/ready")
    if status != 200:
        raise ServingError(
            f"{url}: {answer.get('error', 'answered no JSON')}: start it, or give another --url or --model"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="http://host:port of the endpoint")
    parser.add_argument("--model", required=True, help="the model that it should serve")
    parser.add_argument("--images", type=Path, required=True, help="an image, a folder of images or a model package")
    parser.add_argument("--clients", type=int, default=4, help="how many ask side by side")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second of each client")
    parser.add_argument("--seconds", type=float, default=None, help="end after so long; without it, on SIGTERM")
    parser.add_argument(
        "--out", type=Path, required=True, help="load.jsonl: a line a request; load.json is put beside it"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(exit_code(lambda: run(_arguments())))
