"""Preflight on Kubernetes: asks the cluster for its version, its APIs and this user's rights; it changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from mlops.adapters.kubernetes.aks import open_cluster
from mlops.adapters.kubernetes.cluster import Cluster
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.pruning import expect_alone
from mlops.adapters.kubernetes.rendering import PROGRAM
from mlops.adapters.kubernetes.rights import is_allowed, needed
from mlops.config import Stage
from mlops.delivery import manifests, namespace_of
from mlops.ports import CheckLine
from mlops.preflight import cluster as checks
from mlops.preflight import retired
from mlops.preflight.line import guarded, ok

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class KubernetesPreflight:
    """What a stage needs of its cluster."""

    stage: Stage

    def lines(self) -> Iterator[CheckLine]:
        """Yield a line per check."""
        yield checks.kubectl_line(shutil.which(PROGRAM))
        yield from guarded("cluster", self._of_cluster(), is_needed=True)

    def _of_cluster(self) -> Iterator[CheckLine]:
        cluster = open_cluster(self.stage, PATIENCE_SECONDS)
        said = cluster.request("GET", "/version")
        yield checks.version_line(cluster.server, said)
        yield from retired.cluster_lines(str(said.get("gitVersion")), date.today())
        groups = {one["name"] for one in cluster.request("GET", "/apis")["groups"]}
        yield from checks.api_lines(self.stage, groups)
        yield from checks.monitoring_lines(manifests(self.stage), groups)
        yield from guarded("namespace", self._alone(cluster), is_needed=True)
        yield from guarded("rights", self._rights(cluster, groups))

    def _alone(self, cluster: Cluster) -> Iterator[CheckLine]:
        expect_alone(Kinds(cluster), self.stage)
        yield ok("namespace", f"{namespace_of(self.stage)} is no other model's and no other stage's")

    def _rights(self, cluster: Cluster, groups: Collection[str]) -> Iterator[CheckLine]:
        namespace, rights = namespace_of(self.stage), list(needed(self.stage, groups))
        missing = [str(right) for right in rights if not is_allowed(cluster, namespace, right)]
        yield checks.rights_line(namespace, missing, len(rights))


def open_preflight(stage: Stage) -> KubernetesPreflight:
    """Return what looks at the cluster of a stage."""
    return KubernetesPreflight(stage)
