"""Runs one of the tools for images, and says what it said where it fails. What a tool is for, its own file knows."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops.adapters.images import acr
from mlops.errors import ConfigError, StepError

LINES = 6


@dataclass(frozen=True)
class Ended:
    """How a tool ended: its exit code, what it answered, and its last lines in one."""

    code: int
    output: bytes
    complaint: str


def run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> Ended:
    """Run a tool to its end, logged in to Azure's registries that it is to use.

    Raises ConfigError where it is not installed, RegistryError where such a registry does not let this process in.
    """
    environment = {**os.environ, **acr.variables(command), **(variables or {})}
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, check=False)
    except FileNotFoundError:
        raise ConfigError(
            f"{command[0]} is not installed: install it, or name another in images of the stage file"
        ) from None
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return Ended(ended.returncode, ended.stdout, " | ".join(line.strip() for line in lines[-LINES:]))


def must(
    command: Sequence[str], error: type[StepError], way_out: str, variables: Mapping[str, str] | None = None
) -> bytes:
    """Return what a tool answered. Raises the error, with its last lines and the way out, where it fails."""
    ended = run(command, variables)
    if ended.code:
        raise error(f"{command[0]} {command[1]}: {ended.complaint or f'exit code {ended.code}'}: {way_out}")
    return ended.output
