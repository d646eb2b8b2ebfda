"""Reads the JSON that Terraform and az write. It knows neither's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError


def read_told(path: Path, way_out: str) -> Any:
    """Return what a file of JSON holds. Raises ConfigError, with `way_out`, which says what file to give."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))  # PowerShell's redirection begins a file with a mark
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}): {way_out}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: is not JSON ({error}): {way_out}") from None
