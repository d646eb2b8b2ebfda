"""Whether a kubeconfig leads to a cluster: readable, with a current context whose cluster and user are there.

Source: kubernetes.io, "Organizing Cluster Access Using kubeconfig Files".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok

CHECK = "kubernetes"
TARGETS = ("kubernetes", "flux")
LOGIN = "get one by `az aks get-credentials` or from the cluster's owner, and name it in KUBECONFIG"


def lines(path: Path, context: str | None = None) -> Iterator[CheckLine]:
    """Yield whether the file at `path` leads to a cluster, by its current context or the one named."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        wanted, server = _server(content, context)
    except OSError as error:
        yield failure(CHECK, f"{path}: cannot be read ({error.strerror}): {LOGIN}")
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        yield failure(CHECK, f"{path}: names no cluster for its current context: {LOGIN}")
    else:
        yield ok(CHECK, f"{path}: context {wanted} leads to {server}")


def _server(content: Any, context: str | None) -> tuple[str, str]:
    wanted = context or content["current-context"]
    chosen = next(one["context"] for one in content["contexts"] if one["name"] == wanted)
    next(one for one in content["users"] if one["name"] == chosen["user"])
    return wanted, next(one["cluster"]["server"] for one in content["clusters"] if one["name"] == chosen["cluster"])
