"""The two trees of YAML as they stand in the repository, by path; a test makes others of what was read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
GITHUB, AZURE = ".github", ".azure-pipelines"
WORKFLOWS = f"{GITHUB}/workflows/"

SETTINGS = f"{AZURE}/settings.yml"
KEPT = 4096  # plans, for trees that are read more than once


class Files(dict[str, Any]):
    """Each file's content by its path; told from others by identity, as nobody changes one that was read."""

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


@cache
def read_tree(folder: str, root: Path = ROOT) -> Files:
    """Return each YAML file under a folder by its path from the root; none where the folder is not there."""
    paths = sorted(path for path in (root / folder).rglob("*.yml") if "ISSUE_TEMPLATE" not in path.parts)
    return Files((path.relative_to(root).as_posix(), yaml.safe_load(path.read_text("utf-8"))) for path in paths)


def changed(files: Files, path: str, content: Any) -> Files:
    """Return the files with one of them replaced."""
    return Files({**files, path: content})


def names(github: Files, azure: Files) -> list[str]:
    """Return the pipelines' names, of either system."""
    here = [path.removeprefix(WORKFLOWS) for path in github if path.startswith(WORKFLOWS)]
    there = [path.removeprefix(f"{AZURE}/") for path in azure if path.count("/") == 1 and path != SETTINGS]
    return sorted({name.removesuffix(".yml") for name in (*here, *there)})
