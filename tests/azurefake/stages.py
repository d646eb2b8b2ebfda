"""Stages that point at the fake Azure's workspace: as an object, and as files for a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from azurefake.state import GROUP, SUBSCRIPTION, WORKSPACE
from frozen_stages import FROZEN, based
from mlops.config import Stage, load_stage
from mlops.names import STAGES

POINTING = {
    "platform": "azureml",
    "azureml": {"subscription": SUBSCRIPTION, "resource_group": GROUP, "workspace": WORKSPACE},
}


def write_stages(folder: Path, **changes: Mapping[str, Any]) -> Path:
    """Write base.yaml and a file a stage, each laid over with the changes for that stage, and return the folder.

    The environment variable VISIONLINE_STAGES makes a process read them.
    """
    based(folder)
    for name in STAGES:
        delta = yaml.safe_load((FROZEN / f"{name}.yaml").read_text(encoding="utf-8"))
        content = laid(laid(delta, POINTING), changes.get(name, {}))
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def azure_stage(name: str = "dev", **changes: Any) -> Stage:
    """Return a stage of the fake's workspace, with changes by key of the stage file: azureml={"registry": "shared"}."""
    with tempfile.TemporaryDirectory() as folder:
        return load_stage(name, write_stages(Path(folder), **{name: changes}))


def laid(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Return one mapping laid over with another, at each depth."""
    merged = dict(base)
    for key, value in delta.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = laid(merged[key], value) if both else value
    return merged
