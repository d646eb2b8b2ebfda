"""A registry's database for tests, made once a process: MLflow takes two seconds to make its tables."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from mlops.adapters.local.registry import LocalRegistry


@functools.cache
def _made() -> Path:
    home = Path(tempfile.mkdtemp(prefix="visionline-registry-"))
    LocalRegistry(home).versions("none")
    return home / "mlflow.db"


def give_database(home: Path) -> None:
    """Put an empty registry's database into a home."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(_made(), home / "mlflow.db")
