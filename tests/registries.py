"""What registries are tested with: a database, made once a process (MLflow takes two seconds to), and a package."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from mlops.adapters.local.registry import LocalRegistry
from modelpackage import seal_package


@functools.cache
def _made() -> Path:
    home = Path(tempfile.mkdtemp(prefix="visionline-registry-"))
    LocalRegistry(home).versions("none")
    return home / "mlflow.db"


def give_database(home: Path) -> None:
    """Put an empty registry's database into a home."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(_made(), home / "mlflow.db")


def sealed(folder: Path, content: str = "weights", model: str = "fashion-classifier") -> Path:
    """Write a sealed package that a registry takes, though nothing could score with it, and return its folder."""
    folder.mkdir(parents=True)
    (folder / "model_int8.onnx").write_text(content)
    (folder / "labels.json").write_text('["a", "b"]')
    seal_package(folder, model, "commit", "data", "sha256:0")
    return folder
