"""What a cluster shows where Flagger moves the traffic: its Canary, the Deployment that is new, and the primary."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from mlops.adapters.flux.canary import GROUP, VERSION, Analysis, analysis
from mlops.adapters.flux.flow import Object
from mlops.adapters.kubernetes.aks import open_cluster
from mlops.adapters.kubernetes.cluster import Cluster
from mlops.adapters.kubernetes.forward import Forwarder
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.live import gateway_url
from mlops.adapters.kubernetes.pods import Pods
from mlops.adapters.kubernetes.reasons import is_ready, is_rolled_out, obstacle, restarts
from mlops.config import Stage
from mlops.delivery import ANNOTATION_DIGEST, LABEL_VERSION, namespace_of
from mlops.errors import TargetError
from mlops.ports import DeploymentStatus, EndpointStatus

PRIMARY, CANARY = "primary", "canary"


@dataclass(frozen=True)
class Sight:
    """A stage's cluster under Flagger. Each method raises TargetError or ConfigError where the cluster can't be asked.

    `seen`: requests and errors by version, pod and its restarts; `forwarders`: where each version is asked.
    """

    stage: Stage
    seen: dict[tuple[int, str, int], tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)
    forwarders: dict[int, Forwarder] = field(default_factory=dict, compare=False, repr=False)

    def status(self) -> EndpointStatus:
        """Return what runs: the primary's version, and beside it the new one while that is another one."""
        new, primary = self._deployment(self.stage.model), self._deployment(f"{self.stage.model}-{PRIMARY}")
        if new is None or primary is None:
            return EndpointStatus(None, {}, {})
        flagger, old = self._analysis(), _version(primary)
        found = {old: self._seen(primary)}
        traffic = {old: 100}
        if _version(new) != old:
            found[_version(new)] = self._new(new, flagger)
            percent = flagger.percent if flagger.state == "going" else 0
            traffic = {old: 100 - percent, _version(new): percent}
        url = gateway_url(self._kinds, self.stage) or self._url(old)
        return EndpointStatus(url, {number: percent for number, percent in traffic.items() if percent}, found)

    def runs(self, version: int) -> bool:
        """Tell whether the Deployment that Flagger copies is of this version."""
        found = self._deployment(self.stage.model)
        return found is not None and _version(found) == version

    def said(self) -> str:
        """Return what Flagger says now, and since when."""
        found = self._canary()
        since = (found or {}).get("status", {}).get("lastTransitionTime", "")
        return f"{analysis(found).text} (since {since or 'never'})" if found else "there is no canary yet"

    def _new(self, deployment: Object, flagger: Analysis) -> DeploymentStatus:
        one = self._seen(deployment)
        if flagger.state == "failed":
            return DeploymentStatus(one.version, one.digest, "failed", flagger.text, *_counts(one), "", one.infer_path)
        return one

    def _seen(self, deployment: Object) -> DeploymentStatus:
        version, template = _version(deployment), deployment["spec"]["template"]
        pods = Pods(self._api, namespace_of(self.stage), str(deployment["metadata"]["name"])).of(version)
        is_up = _is_up(deployment)
        found = None if is_up else obstacle(deployment, pods)
        reason = None if is_up else found.text if found else "it is being rolled out"
        path = f"/v2/models/{self.stage.model}/versions/{version}/infer"
        digest, counts = template["metadata"]["annotations"][ANNOTATION_DIGEST], self._counted(version, pods)
        state = "ready" if is_up else "loading"
        return DeploymentStatus(version, digest, state, reason, *counts, self._url(version), path)

    def _counted(self, version: int, pods: list[dict[str, object]]) -> tuple[int, int]:
        """Return the live requests and errors of a version that were ever seen, on either side."""
        asked = Pods(self._api, namespace_of(self.stage), self.stage.model)
        for pod in pods:
            said = asked.report(pod["metadata"]["name"], version) if is_ready(pod) else None  # type: ignore[index]
            if said is not None:
                key = (version, str(pod["metadata"]["uid"]), restarts(pod))  # type: ignore[index]
                self.seen[key] = (int(said["requests"]), int(said["errors"]))
        counts = [count for (number, _, _), count in self.seen.items() if number == version]
        return sum(requests for requests, _ in counts), sum(errors for _, errors in counts)

    def _analysis(self) -> Analysis:
        found = self._canary()
        if found is None:
            raise TargetError(f"the cluster has no Canary {self.stage.model}: is Flagger there? See flux.flagger")
        return analysis(found)

    def _canary(self) -> Object | None:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace_of(self.stage)}/canaries/{self.stage.model}"
        found: Object | None = self._api.find(path)
        return found

    def _deployment(self, name: str) -> Object | None:
        found: Object | None = self._api.find(f"/apis/apps/v1/namespaces/{namespace_of(self.stage)}/deployments/{name}")
        return found

    def _url(self, version: int) -> str:
        """Return where a version is asked, past the split, on whichever side has its pods at that moment."""
        if version not in self.forwarders:
            space, service = namespace_of(self.stage), lambda _: f"{self.stage.model}-{self._side(version)}"
            self.forwarders[version] = Forwarder(self._api, space, service, lambda _: None)
        return self.forwarders[version].url

    def _side(self, version: int) -> str:
        new, primary = self._deployment(self.stage.model), self._deployment(f"{self.stage.model}-{PRIMARY}")
        # While the primary takes a version over, it has pods of the version before, too; the canary's stay until then.
        is_canary = new is not None and _version(new) == version and _is_up(new)
        return PRIMARY if primary is not None and _version(primary) == version and not is_canary else CANARY

    @cached_property
    def _api(self) -> Cluster:
        return open_cluster(self.stage)

    @cached_property
    def _kinds(self) -> Kinds:
        return Kinds(self._api)


def _version(deployment: Object) -> int:
    return int(deployment["spec"]["template"]["metadata"]["labels"][LABEL_VERSION])


def _is_up(deployment: Object) -> bool:
    return is_rolled_out(deployment) and int(deployment["spec"].get("replicas", 1)) > 0


def _counts(one: DeploymentStatus) -> tuple[int, int]:
    return one.requests, one.errors
