"""Serves the models that DIR/desired.json declares, and says in DIR/server.json where.

One server a folder: it holds a lock on DIR/server.lock for life, and whatever it knows can be read again from
desired.json, so it may be killed at any moment. SIGTERM ends it after the requests in flight.

Run: python -m serving.endpoint --directory DIR [--port N] [--host ADDRESS]
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import uvicorn

from serving.app import build_app
from serving.deployments import Endpoint
from serving.errors import ServingError, exit_code
from serving.files import write_json
from serving.reconcile import Reconciler

KEEP_ALIVE_SECONDS = 75  # longer than clients and proxies keep idle connections, so that they close first
LOCK_SECONDS = 0.5  # whoever asks whether a server runs takes the lock for a moment too
GRACE_SECONDS = 20  # for requests in flight when the server is told to end


def serve(directory: Path, host: str, port: int) -> None:
    """Serve until SIGTERM. Port 0 takes a free one. Raises ServingError where another server serves the folder."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has ended; without this it would end the process as a failure.
        signal.signal(number, lambda *_: sys.exit(0))
    directory.mkdir(parents=True, exist_ok=True)
    with _only_server(directory), _listener(host, port) as listener:
        endpoint = Endpoint()
        app = build_app(endpoint, Reconciler(directory, endpoint), threads=os.cpu_count() or 1)
        listener.listen()  # before anyone is told: a client that comes first waits instead of being refused
        _announce(directory, host, listener.getsockname()[1])
        config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none")
        config.timeout_keep_alive, config.timeout_graceful_shutdown = KEEP_ALIVE_SECONDS, GRACE_SECONDS
        uvicorn.Server(config).run([listener])


@contextmanager
def _only_server(directory: Path) -> Iterator[None]:
    with (directory / "server.lock").open("a") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise ServingError(f"{directory}: another server serves this folder: end it first")
            time.sleep(0.01)
        yield


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _listener(host: str, port: int) -> socket.socket:
    # The protocol is said, because asyncio turns Nagle's delay off only where it is: 40 ms a request.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServingError(f"{host}:{port}: cannot be listened on ({error.strerror}): choose another port") from None
    return listener


def _announce(directory: Path, host: str, port: int) -> None:
    reachable = "127.0.0.1" if host == "0.0.0.0" else host
    url = f"http://{reachable}:{port}"
    write_json(directory / "server.json", {"pid": os.getpid(), "port": port, "url": url})
    print(f"serving {directory} at {url}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serving.endpoint", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--directory", type=Path, required=True, help="holds desired.json; server.json is written here")
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    return parser.parse_args()


if __name__ == "__main__":
    options = _arguments()
    sys.exit(exit_code(lambda: serve(options.directory, options.host, options.port)))
