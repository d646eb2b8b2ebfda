"""DeployTarget by Flux where Flagger moves the traffic: one commit of a version, and Flagger does the steps.

Flagger keeps a copy of the Deployment, the primary, which has the version before until the new one is through. A split
of the traffic is waited for, not made: the step is in force when Flagger has come to it. Where Flagger fails a version,
it takes the traffic back by itself, and what it says is the version's failure.

Source: docs.flagger.app/usage/how-it-works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from time import monotonic, sleep

from mlops.adapters.flux import commits
from mlops.adapters.flux.content import declared_in, with_traffic, with_version
from mlops.adapters.flux.primary import Sight
from mlops.adapters.flux.commits import NOBODY_LOOKED, FluxTarget, unlooked
from mlops.delivery import Declared
from mlops.errors import ConfigError, DeployError, StepError, TargetError
from mlops.ports import DECLARED, UNSEEN, Deployment, EndpointStatus

FLAGGER_SECONDS = 3600.0  # Flagger itself ends an analysis long before


@dataclass(frozen=True)
class FlaggedTarget:
    """A stage's folder of its GitOps repository, and Flagger in its cluster; `sight` is None where nobody looks."""

    flux: FluxTarget
    sight: Sight | None

    def lock(self) -> AbstractContextManager[None]:
        """Hold the stage for one release. Raises BusyError naming the holder, where it is held already."""
        return self.flux.lock()

    def status(self) -> EndpointStatus:
        """Return what Flagger has come to, and what the repository declares beyond that."""
        declared, model = declared_in(self.flux.clone.head().files), self.flux.stage.model
        if self.sight is None:
            return unlooked(model, declared, DECLARED, NOBODY_LOOKED)
        try:
            seen = self.sight.status()
        except (ConfigError, TargetError) as error:
            return unlooked(model, declared, UNSEEN, str(error))
        behind = unlooked(model, declared, UNSEEN, "Flagger does not run it")
        return replace(seen, deployments={**behind.deployments, **seen.deployments})

    def deploy(self, deployment: Deployment) -> None:
        """Commit a version as the one to serve, and wait until Flagger runs it.

        Raises DeployError with Flagger's words, and takes the version away, where Flagger fails it at once.
        """
        if self.flux.cluster is not None:
            self.flux.cluster.expect_judging()
        version, before = deployment.version, self.sight.said() if self.sight else ""

        def change(now: Declared) -> Declared:
            return with_traffic({version: 100})(with_version(deployment)(now))

        head = self.flux.commit(change, f"version {version} of {deployment.model}", version)
        if self.sight is None or self.flux.cluster is None:
            return
        sight = self.sight
        self.flux.follow(self.flux.cluster, head, lambda: sight.runs(version))
        if head.is_new:
            self._wait(version, lambda seen: sight.said() != before or seen.traffic == {version: 100})
        try:
            self._wait(version, lambda seen: seen.deployments[version].state == "ready")
        except DeployError:
            with suppress(StepError):  # what went wrong first is what is told
                self.remove(version)
            raise

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Wait until Flagger has come to a split of the traffic; one that goes back to another version is a commit.

        Raises DeployError, with Flagger's words, where it fails the version.
        """
        wanted = {version: percent for version, percent in traffic.items() if percent}
        main = declared_in(self.flux.clone.head().files).main
        if main is not None and main.version in wanted:
            if self.sight is not None:
                self._wait(main.version, lambda seen: _has_come(seen, main.version, wanted[main.version]))
            return
        back = {max(wanted, key=lambda one: wanted[one]): 100} if wanted else {}
        head = self.flux.commit(with_traffic(back), f"back to {next(iter(back), 'nothing')}", next(iter(back), None))
        if self.sight is not None and self.flux.cluster is not None:
            sight = self.sight
            self.flux.follow(self.flux.cluster, head, lambda: sight.status().traffic == back)

    def remove(self, version: int) -> None:
        """Commit that a version goes. Raises TargetError where it still has traffic."""
        status = self.status()
        if version not in status.deployments:
            return
        if status.traffic.get(version):
            raise TargetError(f"version {version} has traffic: move it away before removing it")

        def change(now: Declared) -> Declared:
            versions = {number: one for number, one in now.versions.items() if number != version}
            # Flagger has failed it, and serves another one by itself: that is what is to be declared now.
            served = {number: 100 for number, percent in status.traffic.items() if percent and number in versions}
            return replace(now, versions=versions, traffic=served if now.traffic.get(version) else now.traffic)

        head = self.flux.commit(change, f"version {version} goes", version)
        if self.sight is not None and self.flux.cluster is not None:
            sight = self.sight
            self.flux.follow(self.flux.cluster, head, lambda: version not in sight.status().deployments)

    def withdraw(self) -> None:
        """Close each pull request that still asks for something. Raises TargetError where that fails."""
        self.flux.withdraw()

    def _wait(self, version: int, is_so: Callable[[EndpointStatus], bool]) -> None:
        """Return when it is so. An outage of the API is waited out, as long as a rollout may take.

        Raises DeployError where Flagger fails the version, TargetError where it is waited for in vain.
        """
        assert self.sight is not None
        begun = seen_at = monotonic()
        while True:
            try:
                if self._is_there(self.sight, version, is_so):
                    return
                seen_at, text = monotonic(), self.sight.said()
            except TargetError as error:
                text = str(error)  # as while the API server restarts
            is_lost = monotonic() - seen_at > self.flux.stage.kubernetes.rollout_seconds
            if is_lost or monotonic() - begun > FLAGGER_SECONDS:
                raise TargetError(f"{self.flux.stage.name}: waited in vain for Flagger: {text}")
            sleep(commits.POLL_SECONDS)

    def _is_there(self, sight: Sight, version: int, is_so: Callable[[EndpointStatus], bool]) -> bool:
        seen = sight.status()
        one = seen.deployments.get(version)
        if one is not None and one.state == "failed":
            raise DeployError(f"version {version} fails on {self.flux.stage.name}: {one.reason}")
        return one is not None and is_so(seen)


def _has_come(seen: EndpointStatus, version: int, percent: int) -> bool:
    """Tell whether a version has its share: all of it only where no pod of the primary has another version any more."""
    is_whole = percent < 100 or seen.deployments[version].state == "ready"
    return seen.traffic.get(version, 0) >= percent and is_whole
