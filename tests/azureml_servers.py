"""Runs Azure ML's own inference server on our scoring script, for tests, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from modelpackage import package_digest
from running_endpoint import DEADLINE_SECONDS, REPOSITORY, wait_for

ONLINE = REPOSITORY / "src" / "serving" / "azureml" / "online.py"
ATTEMPTS = 5


def variables(package: Path, **changes: str) -> dict[str, str]:
    """Return the environment variables of a deployment of a package, as version 7."""
    own = {"VISIONLINE_VERSION": "7", "VISIONLINE_DIGEST": package_digest(package), "VISIONLINE_VARIANT": "int8"}
    return {**own, **changes}


def start_server(model_dir: Path, deployment: Mapping[str, str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start the server as Azure ML does: from another folder, with nothing of this repository on its path."""
    program = str(Path(sys.executable).with_name("azmlinfsrv"))
    line = [program, "--entry_script", str(ONLINE), "--model_dir", str(model_dir), "--port", str(port)]
    hidden = ("PYTHONPATH", "AZUREML_MODEL_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    with log.open("wb") as stream:
        return subprocess.Popen(
            line, cwd=log.parent, env={**environment, **deployment}, stdout=stream, stderr=subprocess.STDOUT
        )


@contextmanager
def inference_server(model_dir: Path, deployment: Mapping[str, str], log: Path) -> Iterator[httpx.Client]:
    """Yield a client of a running server; it is killed at the end. It refuses port 0, so free ones are tried."""
    for _ in range(ATTEMPTS):
        port = free_port()
        process = start_server(model_dir, deployment, port, log)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_SECONDS, trust_env=False)
        try:
            wait_for(lambda: process.poll() is not None or _is_healthy(client))
            if process.poll() is None:
                yield client
                return
        finally:
            client.close()
            process.terminate()
            process.wait(timeout=DEADLINE_SECONDS)
    raise AssertionError(f"the server does not start: {log.read_text(errors='replace')[-3000:]}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _is_healthy(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx.TransportError:
        return False
