"""Serves the models that DIR/desired.json declares, and says in DIR/server.json where.

One server a folder: it holds a lock on DIR/server.lock for life, and whatever it knows can be read again from
desired.json, so it may be killed at any moment. SIGTERM ends it after the requests in flight.

Run: python -m serving.endpoint --directory DIR [--port N] [--host ADDRESS] [--workers N] [--models FOLDER]
     [--declare FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from serving.declare import declare_file
from serving.door import open_door
from serving.errors import ServingError, exit_code
from serving.files import write_json
from serving.options import endpoint_parser
from serving.supervisor import Supervisor, worker_command
from serving.tls import Certificates
from serving.watch import follow

LOCK_SECONDS = 0.5  # whoever asks whether a server runs takes the lock for a moment too
BACKLOG = 2048


def serve(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Serve until SIGTERM. Port 0 takes a free one. Raises ServingError where another server serves the folder."""
    open_door(options)  # here, so that what is wrong with it is said once, and not by each worker again and again
    certificates = Certificates.of(options)
    options.directory.mkdir(parents=True, exist_ok=True)
    with _only_server(options.directory), _listener(options.host, options.port) as listener:
        listener.listen(BACKLOG)  # before anyone is told: a client that comes first waits instead of being refused
        _announce(options.directory, options.host, listener.getsockname()[1], "https" if certificates else "http")
        if options.declare is not None:
            declare_file(options.directory, options.declare)
        with _following(options.models, options.directory):
            asyncio.run(Supervisor(worker_command(arguments), options.workers, listener).run())


@contextmanager
def _following(models: Path | None, directory: Path) -> Iterator[None]:
    """Follow the folder of models, where there is one, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=follow, args=(models, directory, stop), daemon=True)
    if models is not None:
        thread.start()
    yield
    stop.set()


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
    listener.setblocking(False)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ServingError(f"{host}:{port}: cannot be listened on ({error.strerror}): choose another port") from None
    return listener


def _announce(directory: Path, host: str, port: int, scheme: str) -> None:
    reachable = "127.0.0.1" if host == "0.0.0.0" else host
    url = f"{scheme}://{reachable}:{port}"
    write_json(directory / "server.json", {"pid": os.getpid(), "port": port, "url": url})
    print(f"serving {directory} at {url}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Serve and return the exit code: 0, or 1 after one line on stderr."""
    options = endpoint_parser("serving.endpoint", (__doc__ or "").splitlines()[0]).parse_args(arguments)
    return exit_code(lambda: serve(options, arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
