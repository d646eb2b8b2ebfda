"""Preflight on this machine: looks at the state's folder, the disk, the port and the packages; it writes nothing."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions

from mlops.config import REPOSITORY, Stage
from mlops.ports import CheckLine
from mlops.preflight import machine, stagefile

CONNECT_SECONDS = 1.0


@dataclass(frozen=True)
class LocalPreflight:
    """What a stage needs of this machine."""

    stage: Stage

    def lines(self) -> Iterator[CheckLine]:
        """Yield a line per check."""
        home = machine.nearest(self.stage.home)
        yield machine.home_line(self.stage.home, os.access(home, os.W_OK))
        yield machine.disk_line(home, shutil.disk_usage(home).free)
        if self.stage.target == "local":
            yield machine.port_line(self.stage.local.port, _is_open(self.stage.local.port))
        wanted = {file: machine.pins((REPOSITORY / file).read_text(encoding="utf-8")) for file in _files(self.stage)}
        installed = {one.metadata["Name"]: one.version for one in distributions()}
        yield from machine.package_lines(wanted, machine.plain_names(installed))


def open_preflight(stage: Stage) -> LocalPreflight:
    """Return what looks at this machine for a stage."""
    return LocalPreflight(stage)


def _files(stage: Stage) -> list[str]:
    """Return the requirements of what runs here: the steps, the job's where the platform is local, the endpoint."""
    used = {
        "ci/requirements.txt": True,
        "ci/azureml.txt": stagefile.uses_azure(stage),
        "ci/images.txt": bool(stage.images.registry),
        "ci/kubernetes.txt": stage.target == "kubernetes",
        "train/requirements.txt": stage.platform == "local",
        "serve/requirements.txt": stage.target == "local",
    }
    return [f"environments/{file}" for file, is_used in used.items() if is_used]


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(CONNECT_SECONDS)
        return port != 0 and probe.connect_ex(("127.0.0.1", port)) == 0
