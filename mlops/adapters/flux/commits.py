"""DeployTarget by Flux: each change of what a stage runs is a commit to its GitOps repository, or a pull request.

The repository holds what is wanted. What is so, the cluster tells, through the Kubernetes target's own eyes: a method
returns when Flux is at the commit and the cluster shows what was asked for. Flux's own word of the folder's health
decides nothing: it is of all that is there, so that a version that is to be left, or a site's broken worker, would keep
a release from leaving it. Where `flux.wait` is
false nobody looks: a version is then `declared`, never `ready`. Where the cluster should be looked at and can't be, the
commit stays, and an error says that nobody saw what became of it; a rerun that can look goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from time import monotonic, sleep

from mlops.adapters.flux.cluster import Cluster
from mlops.adapters.flux.clone import Clone, Files, Head
from mlops.adapters.flux.content import (
    Change,
    declared_in,
    files_of,
    message_of,
    with_traffic,
    with_version,
    without_version,
)
from mlops.adapters.flux.flow import APPLIED, FAILED, UNHEALTHY, WAITING, WORKING, Progress
from mlops.adapters.flux.lock import Lease, held
from mlops.adapters.flux.proposal import propose, withdraw
from mlops.adapters.flux.pulls import Pulls, open_pulls
from mlops.config import Stage
from mlops.delivery import Declared
from mlops.errors import ConfigError, StepError, TargetError
from mlops.ports import DECLARED, UNSEEN, Deployment, DeploymentStatus, EndpointStatus

POLL_SECONDS = 1.0
UNDER_WAY = (APPLIED, WORKING, UNHEALTHY)
NOBODY_LOOKED = "flux.wait is false: the commit was made, and nobody looked what became of it"


@dataclass(frozen=True)
class FluxTarget:
    """A stage's folder of its GitOps repository; `cluster` is None where nobody shall look at one."""

    stage: Stage
    clone: Clone
    cluster: Cluster | None
    leases: list[Lease] = field(default_factory=list)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the stage for one release. Raises BusyError naming the holder, where it is held already."""
        with held(self.clone.git, self.stage.name, self.clone.folder) as lease:
            self.leases.append(lease)
            try:
                self.clone.fetched()  # what was read before may be another release's past
                yield
            finally:
                self.leases.remove(lease)

    def status(self) -> EndpointStatus:
        """Return what the cluster runs, and what the repository declares beyond that.

        Raises TargetError where the repository can't be read.
        """
        declared = declared_in(self.clone.head().files)
        if self.cluster is None:
            return unlooked(self.stage.model, declared, DECLARED, NOBODY_LOOKED)
        try:
            seen = self.cluster.status()
        except (ConfigError, TargetError) as error:
            return unlooked(self.stage.model, declared, UNSEEN, str(error))
        behind = unlooked(self.stage.model, declared, UNSEEN, "Flux has not applied it yet")
        return replace(seen, deployments={**behind.deployments, **seen.deployments})

    def deploy(self, deployment: Deployment) -> None:
        """Commit a version beside the others, with no traffic, and wait until it is ready.

        Raises DeployError, with the cluster's reason, where it fails by its own fault, and takes it away; BusyError
        where a pull request waits; TargetError where anything else fails, or can't be seen.
        """
        if self.cluster is not None:
            self.cluster.expect_judging()
        version = deployment.version
        head = self.commit(with_version(deployment), f"version {version} of {deployment.model}", version)
        if self.cluster is not None:
            self._await_ready(self.cluster, deployment, head)
        elif not declared_in(head.files).traffic.get(version):
            # Nobody sees it get ready, so before it gets traffic it is given the time that the stage gives a version:
            # all of it anew in a rerun, for who was killed in the pause, or waited for a merge, has not waited it out.
            sleep(self.stage.kubernetes.rollout_seconds)

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Commit a split of the traffic and wait until it is in force, and the cameras' workers run what has the most.

        Raises as `deploy` does; where the workers do not run, the traffic has moved whatever they do.
        """
        wanted = {version: percent for version, percent in traffic.items() if percent}
        told = ", ".join(f"{percent} % to version {version}" for version, percent in sorted(wanted.items()))
        before = declared_in(self.clone.head().files)
        head = self.commit(with_traffic(wanted), told or "no traffic", max(wanted, default=None))
        if self.cluster is not None:
            cluster = self.cluster
            self.follow(cluster, head, lambda: is_in_force(cluster.status(), wanted))
            cluster.expect_routed(list(wanted))
            cluster.expect_workers(before, declared_in(head.files))

    def remove(self, version: int) -> None:
        """Commit that a version goes, and wait until it has. Raises TargetError where it still has traffic."""
        if version not in self.status().deployments:
            return
        head = self.commit(without_version(version), f"version {version} goes", version)
        if self.cluster is not None:
            cluster = self.cluster
            self.follow(cluster, head, lambda: version not in cluster.status().deployments)

    def commit(self, change: Change, title: str, version: int | None) -> Head:
        """Commit a change, or ask for it by a pull request; `version` is the one that the message tells of.

        Raises BusyError where the pull request waits, TargetError where the repository does not take it.
        """

        def files(now: Files) -> Files:
            return files_of(self.stage, change(declared_in(now)))

        before = declared_in(self.clone.head().files)
        known = {**before.versions, **change(before).versions}
        message = message_of(self.stage, title, known.get(version or 0))
        self._check()
        if self.stage.flux.policy == "push":
            return self.clone.change(files, message, self._check)
        return propose(self.clone, self._pulls(), self.stage.name, files, message)

    def withdraw(self) -> None:
        """Close each pull request that still asks for something. Raises TargetError where that fails."""
        if self.stage.flux.policy == "pull-request":
            self._check()
            withdraw(self.clone, self._pulls(), self.stage.name)

    def _pulls(self) -> Pulls:
        flux = self.stage.flux
        return open_pulls(flux.host, flux.repository, self.clone.git.secret, flux.branch)

    def _check(self) -> None:
        for lease in self.leases:
            lease.check()

    def _await_ready(self, cluster: Cluster, deployment: Deployment, head: Head) -> None:
        version = deployment.version

        def is_there() -> bool:
            seen = cluster.status().deployments
            return version in seen and seen[version].digest == deployment.digest

        self.follow(cluster, head, is_there)
        try:
            cluster.rolled_out(version)
        except StepError as error:
            if declared_in(head.files).traffic.get(version):
                raise TargetError(str(error)) from None
            with suppress(StepError):  # what went wrong first is what is told
                self.remove(version)
            raise
        if self.stage.kubernetes.autoscaling == "keda":
            cluster.awake(set(declared_in(head.files).traffic) - {version})
        self.follow(cluster, head, is_there)

    def follow(self, cluster: Cluster, head: Head, is_so: Callable[[], bool]) -> None:
        """Return once Flux is at a commit, and the cluster shows it. Raises TargetError."""
        where = f"{self.stage.name}: commit {str(head.commit)[:12]} is on {self.clone.branch}"
        reached = cache(lambda applied: self.clone.contains(applied, str(head.commit)))
        try:
            cluster.hurry(self.clone.folder)
        except (ConfigError, TargetError) as error:
            raise TargetError(f"{where}, but nobody saw what became of it: {error}") from None
        deadline = monotonic() + self.stage.kubernetes.rollout_seconds
        while True:
            flux = self._look(cluster, reached, is_so)
            if flux.state in UNDER_WAY:
                return
            if flux.state == FAILED or monotonic() > deadline:
                raise TargetError(f"{where}, but not in force: {flux.text}")
            sleep(POLL_SECONDS)

    def _look(self, cluster: Cluster, reached: Callable[[str], bool], is_so: Callable[[], bool]) -> Progress:
        try:
            flux = cluster.progress(self.clone.folder, reached)
            is_shown = flux.state in (WAITING, FAILED) or is_so()
        except TargetError as error:
            return Progress(WAITING, "Unseen", str(error))  # as while the API server restarts
        return flux if is_shown else replace(flux, state=WAITING)


def is_in_force(seen: EndpointStatus, traffic: Mapping[int, int]) -> bool:
    """Tell whether a cluster sends requests so, to versions that run as declared: with the replicas of their shares."""
    return seen.traffic == traffic and set(traffic) <= set(seen.deployments)


def unlooked(model: str, declared: Declared, state: str, reason: str) -> EndpointStatus:
    """Return what the repository declares, as what nobody has seen."""
    path = f"/v2/models/{model}/versions"
    seen = {
        version: DeploymentStatus(version, one.digest, state, reason, 0, 0, "", f"{path}/{version}/infer")
        for version, one in declared.versions.items()
    }
    return EndpointStatus(None, dict(declared.traffic), seen)
