"""Stages whose target is flux, for tests: production of a model, in a folder of a GitOps repository."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mlops.config import Stage, load_stage


def flux_stage(repository: str, name: str = "production", **flux: Any) -> Stage:
    """Return a stage that releases to clusters/<stage> of a repository; `flux` changes keys of its flux section."""
    stage = load_stage(name)
    changed = {"repository": repository, "path": f"clusters/{name}", **flux}
    return replace(stage, target="flux", flux=replace(stage.flux, **changed))
