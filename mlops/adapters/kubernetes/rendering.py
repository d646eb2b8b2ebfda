"""Renders a kustomize tree by `kubectl kustomize`, which is on every hosted CI agent. It asks no cluster."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import yaml

from mlops.adapters.kubernetes.kinds import Object
from mlops.adapters.kubernetes.refusals import hidden
from mlops.errors import ConfigError, TargetError

PROGRAM = "kubectl"
SECONDS = 60.0
AGAIN = "see whether this machine is too busy, and run the step again"


def render(files: Mapping[str, str]) -> list[Object]:
    """Return the objects of a tree.

    Raises ConfigError where kubectl is absent, or refuses the tree, TargetError where it does not end.
    """
    return list(_rendered(tuple(sorted(files.items()))))


@lru_cache(maxsize=16)  # a release renders what it goes back to, or prunes by, a second time
def _rendered(files: tuple[tuple[str, str], ...]) -> tuple[Object, ...]:
    program = shutil.which(PROGRAM)
    if program is None:
        raise ConfigError("kubectl is not on the PATH: install it (https://kubernetes.io/docs/tasks/tools)")
    with tempfile.TemporaryDirectory(prefix="visionline-") as folder:
        for name, text in files:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [program, "kustomize", folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise TargetError(f"{program} does not render infra/kubernetes within {SECONDS:.0f} s: {AGAIN}") from None
    if done.returncode != 0:
        said = hidden(done.stderr.replace(folder, "")) or f"exit code {done.returncode}"
        raise ConfigError(f"infra/kubernetes cannot be rendered: {said}")
    return tuple(one for one in yaml.load_all(done.stdout, _LOADER) if one)


# Ten times as fast as the loader in Python, where the wheel has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
