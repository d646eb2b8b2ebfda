"""Scores video streams through a model package: many sources at once, results to sinks, metrics for autoscaling.

What is scored and where it goes is one file: serving.streams.config says what it may hold. SIGTERM and SIGINT stop the
sources, score what waits, deliver it and exit with 0; killed at any moment, it starts again. The exit code is 1 where a
file could not be read to its end, or the model could not score a stream; the others have run to theirs.

Run: python -m serving.stream --config streams.yaml [--declare FILE] [--seconds N]
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import threading
from pathlib import Path

from serving.declare import only_model
from serving.errors import ServingError, exit_code
from serving.model import Model, load_model
from serving.streams.config import ModelSource, StreamsConfig, read_config
from serving.streams.engine import Engine
from serving.streams.metrics import serve_metrics
from serving.streams.outlets import open_outlets
from serving.streams.overview import Overview
from serving.streams.scorer import Models
from serving.streams.status import Board

LOCK_FILE = ".lock"
SHARED_ENGINE = "onnxruntime"  # its sessions score from several threads at once; of others each thread has its own


def run(config: StreamsConfig, seconds: float | None = None) -> None:
    """Run the streams to their end, or for some seconds. Raises ServingError, PackageError and ModelError."""
    config.out.mkdir(parents=True, exist_ok=True)
    _hold(config.out)
    models = load_models(config, len(os.sched_getaffinity(0)))
    outlets = open_outlets(config, models[0].main)
    engine = Engine(config.streams, models, outlets)
    url = serve_metrics(config.metrics, engine.overview)[1] if config.metrics else None
    model = {"digest": config.model.digest, "variant": config.model.variant, "engine": config.model.engine}
    board = Board(config.out, sys.stdout, {"pid": os.getpid(), "metrics": url, "model": model})
    outlets.say = board.say
    _stop_on_demand(engine, seconds)

    def tick(overview: Overview) -> None:
        board.show(overview)
        outlets.tick(overview.time)

    engine.run(tick)
    outlets.close(config.spool.close_seconds)
    board.show(engine.overview(), "stopped")
    for name, reason in engine.failures().items():
        raise ServingError(f"stream {name}: {reason}")


def _stop_on_demand(engine: Engine, seconds: float | None) -> None:
    # From a thread: a handler runs inside whatever the main thread does, which may hold the very lock it needs.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=engine.stop).start())
    if seconds is not None:
        timer = threading.Timer(seconds, engine.stop)
        timer.daemon = True
        timer.start()


def load_models(config: StreamsConfig, scorers: int) -> list[Models]:
    """Return what each scorer scores with. Raises ServingError and PackageError."""
    shadows = _load(config.shadow, scorers) if config.shadow else [None] * scorers
    return [Models(*pair) for pair in zip(_load(config.model, scorers), shadows, strict=True)]


def _load(source: ModelSource, scorers: int) -> list[Model]:
    """Return a model for each scorer, all the same one where its engine can be shared."""
    one = load_model(source.package, source.digest, source.variant, source.engine)
    if source.engine == SHARED_ENGINE:
        return [one] * scorers
    others = (load_model(source.package, source.digest, source.variant, source.engine) for _ in range(scorers - 1))
    return [one, *others]


def _hold(folder: Path) -> None:
    """Keep the folder to this process, until its end. Raises ServingError where another one has it."""
    file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)  # never closed: that would let go of it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ServingError(f"{folder}: another process writes here: give each an out folder of its own") from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving.stream", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="streams.yaml")
    parser.add_argument("--declare", type=Path, default=None, help="a file like desired.json, in place of key `model`")
    parser.add_argument("--seconds", type=float, default=None, help="stop after so long, as SIGTERM would")
    return parser.parse_args()


def main() -> None:
    """Run what the command line asks for."""
    options = _arguments()
    model = only_model(options.declare) if options.declare else None
    run(read_config(options.config, model), options.seconds)


if __name__ == "__main__":
    code = exit_code(main)
    sys.stdout.flush()
    # A source's thread may still hang in its network: all is delivered, and the interpreter's end would wait for it.
    os._exit(code)
