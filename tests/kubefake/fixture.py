"""The fixture `cluster`: a fake cluster that KUBECONFIG leads to, for this process and its children.

A test ends with an error where a handler of the fake broke.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubefake.cluster import Cluster, new_cluster, write_kubeconfig
from kubefake.runtimes import Runtimes


@pytest.fixture(scope="session")
def runtimes() -> Iterator[Runtimes]:
    """Return the edge runtimes of this session, started as pods need them."""
    made = Runtimes()
    yield made
    made.stop()


@pytest.fixture
def cluster(runtimes: Runtimes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubectl: Path) -> Iterator[Cluster]:
    """Serve a fake cluster, with kubectl on PATH."""
    with new_cluster(runtimes).running() as made:
        monkeypatch.setenv("PATH", f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", {"fake": made})))
        yield made
    assert (made.errors, made.kubelet.problems) == ([], [])
