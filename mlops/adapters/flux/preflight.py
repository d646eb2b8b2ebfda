"""Preflight on Flux: whether the repository takes our commits, and the cluster shows what Flux makes of them.

It changes nothing: the push is a dry run, which the host lets in or not by the same token, but for the rules of a
protected branch, which only a push meets.

Source: git-scm.com/docs/git-push (--dry-run).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlops.adapters.flux.canary import GROUP as FLAGGER
from mlops.adapters.flux.clone import Clone
from mlops.adapters.flux.cluster import Cluster
from mlops.adapters.flux.flow import GIT, OCI
from mlops.adapters.flux.pulls import open_pulls
from mlops.adapters.kubernetes.aks import open_cluster
from mlops.adapters.kubernetes.cluster import Cluster as Api
from mlops.adapters.kubernetes.preflight import PATIENCE_SECONDS
from mlops.adapters.kubernetes.rights import JUDGING, Right, is_allowed
from mlops.config import Stage
from mlops.delivery import WORKERS_FILE, manifests, namespace_of
from mlops.ports import CheckLine
from mlops.preflight import cluster as checks
from mlops.preflight import gitops
from mlops.preflight.line import guarded, ok
from mlops.rest import persistently

SEEN = (Right("list", gitops.FLUX[0], "kustomizations"), Right("list", gitops.FLUX[1], "gitrepositories"))
LOOKED_AT = (
    *(Right("list", "apps", "deployments"), Right("watch", "apps", "deployments"), Right("list", "", "pods")),
    *(Right("get", "", "pods", "log"), Right("get", "", "services"), Right("get", "", "configmaps"), *JUDGING),
)
LOOKED_AT_WITH_A_GATEWAY = (
    *(Right(verb, checks.GATEWAY, "httproutes") for verb in ("get", "list", "watch")),
    Right("get", checks.GATEWAY, "gateways"),
)
LOOKED_AT_WITH_FLAGGER = (Right("get", "apps", "deployments"), Right("get", FLAGGER, "canaries"))
LOOKED_AT_WITH_CAMERAS = (Right("list", "apps", "statefulsets"), Right("watch", "apps", "statefulsets"))


@dataclass(frozen=True)
class FluxPreflight:
    """What a stage needs of its GitOps repository and, where Flux is waited for, of its cluster."""

    stage: Stage

    def lines(self) -> Iterator[CheckLine]:
        """Yield a line per check."""
        yield from guarded("gitops", self._of_repository(), is_needed=True)
        if self.stage.flux.policy == "pull-request":
            yield from guarded("pull requests", self._of_pulls(), is_needed=True)
        yield from gitops.replicas_lines(self.stage)
        if self.stage.flux.wait:
            yield from guarded("cluster", self._of_cluster(), is_needed=True)

    def _of_repository(self) -> Iterator[CheckLine]:
        clone = Clone(self.stage)
        head = clone.fetched()
        yield gitops.branch_line(self.stage, head.commit)
        commit = clone.git.commit(head.commit, "preflight", {})
        persistently(lambda: clone.git.push(commit, f"refs/visionline/preflight/{self.stage.name}", is_dry=True))
        yield ok("gitops push", f"{self.stage.flux.repository} lets this token push")

    def _of_pulls(self) -> Iterator[CheckLine]:
        flux, secret = self.stage.flux, Clone(self.stage).git.secret
        open_pulls(flux.host, flux.repository, secret, flux.branch).find(f"visionline/{self.stage.name}/preflight")
        yield ok("pull requests", f"{flux.host} answers for {flux.repository}")

    def _of_cluster(self) -> Iterator[CheckLine]:
        api = open_cluster(self.stage, PATIENCE_SECONDS)
        groups = {one["name"] for one in api.request("GET", "/apis")["groups"]}
        yield from gitops.api_lines(self.stage, groups)
        yield from checks.monitoring_lines(manifests(self.stage), groups)
        yield from guarded("flux rights", self._of_rights(api), is_needed=True)
        yield from guarded("kustomization", self._of_folder(), is_needed=True)

    def _of_rights(self, api: Api) -> Iterator[CheckLine]:
        asked = [("", right) for right in SEEN] + [(namespace_of(self.stage), right) for right in self.looked_at]
        missing = [str(right) for namespace, right in asked if not is_allowed(api, namespace, right)]
        yield gitops.rights_line(missing, len(asked))

    @property
    def looked_at(self) -> tuple[Right, ...]:
        """Return the rights by which a release sees, in the stage's namespace, what became of its commits."""
        gateway = LOOKED_AT_WITH_A_GATEWAY if self.stage.kubernetes.traffic == "gateway" else ()
        flagger = LOOKED_AT_WITH_FLAGGER if self.stage.flux.flagger else ()
        cameras = LOOKED_AT_WITH_CAMERAS if WORKERS_FILE in manifests(self.stage) else ()
        return (*LOOKED_AT, *gateway, *flagger, *cameras)

    def _of_folder(self) -> Iterator[CheckLine]:
        found, source = Cluster(self.stage).flow_of(Clone(self.stage).folder)
        kind = OCI if source and source["kind"] == OCI else GIT
        yield ok("kustomization", f"{found['metadata']['name']} applies {self.stage.flux.path} from a {kind}")


def open_preflight(stage: Stage) -> FluxPreflight:
    """Return what looks at the repository and the cluster of a stage."""
    return FluxPreflight(stage)
