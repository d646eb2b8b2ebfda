"""DeployTarget on Kubernetes: a stage's versions on one cluster, pushed by server-side apply.

The cluster holds all state. Each change is the whole tree of mlops.delivery, rendered and applied: pods first; then,
once they are ready, what sends requests to them; last, what is no longer declared goes. So a killed release leaves a
cluster that serves, and whatever was changed by hand meanwhile is put back by the next.

Source: kubernetes.io, "Server-Side Apply"; gateway-api.sigs.k8s.io, "HTTP traffic splitting".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from mlops.adapters.kubernetes import workers
from mlops.adapters.kubernetes.applying import apply, delete, expect_kinds
from mlops.adapters.kubernetes.aks import open_cluster
from mlops.adapters.kubernetes.cluster import Cluster
from mlops.adapters.kubernetes.forward import Forwarder
from mlops.adapters.kubernetes.handover import end_scaling
from mlops.adapters.kubernetes.kinds import Kinds, Object, in_order
from mlops.adapters.kubernetes.lease import Lease, Place, held
from mlops.adapters.kubernetes.live import STAGE_LABEL, Live, gateway_url, look
from mlops.adapters.kubernetes.pods import Pods
from mlops.adapters.kubernetes.pruning import drained, expect_alone, leftovers
from mlops.adapters.kubernetes.reasons import is_rolled_out, obstacle
from mlops.adapters.kubernetes.rendering import render
from mlops.adapters.kubernetes.rights import JUDGING, expect
from mlops.adapters.kubernetes.routing import accepted
from mlops.adapters.kubernetes.waiting import Watched, awake, expect_end, rolled_out
from mlops.config import Stage
from mlops.delivery import VERSION_HEADER, Declared, Served, manifests, namespace_of, tree, version_name
from mlops.errors import StepError, TargetError
from mlops.ports import Deployment, DeploymentStatus, EndpointStatus

SCALER = "ScaledObject"
READY, LOADING, FAILED = "ready", "loading", "failed"


@dataclass
class KubernetesTarget:
    """The endpoint of a stage on its cluster, which is first asked when a method is called."""

    stage: Stage
    _lease: Lease | None = field(default=None, init=False, repr=False)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the endpoint for one release. Raises BusyError naming the holder."""
        self._ensure_namespace()
        with held(Place(self._cluster, self._namespace, f"{self.stage.model}-release")) as lease:
            self._lease = lease
            expect_alone(self._kinds, self.stage)
            declared = self._rendered(look(self._kinds, self.stage).declared)
            end_scaling(self._kinds, self._namespace, f"{STAGE_LABEL}={self.stage.name}", declared, self._seconds)
            self._check()
            self._apply_scalers()
            try:
                yield
            finally:
                self._lease = None
                with suppress(TargetError):  # a pod that stays awake until the next release harms nobody
                    lease.check()
                    self._apply_scalers()

    def status(self) -> EndpointStatus:
        """Return what the cluster runs. A version that has traffic but was changed by hand is not among those.

        Nor is one that should have traffic, where what brings it was deleted.
        """
        live = look(self._kinds, self.stage)
        seen = {
            version: self._seen(version, live)
            for version in live.deployments
            if (live.is_steered and live.is_as_declared(self.stage, version)) or version not in live.traffic
        }
        return EndpointStatus(self._url() if seen else None, live.traffic, seen)

    def deploy(self, deployment: Deployment) -> None:
        """Start a version beside the others, and take it away again where it does not get ready.

        Raises DeployError where the version is to blame, TargetError where the cluster is, or where the version served
        already: then what served goes on.
        """
        expect(self._cluster, self._namespace, JUDGING)
        live, version = self._look(), deployment.version
        if live.traffic and not live.is_steered:
            self._apply(live.declared, ())  # what should serve gets its requests back before anything else is tried
        served = Served(version, deployment.digest, deployment.variant, dict(deployment.images))
        wanted = replace(live.declared, versions={**live.declared.versions, version: served})
        try:
            self._apply(wanted, (version,))
        except StepError as error:
            if version in live.declared.traffic:
                raise TargetError(str(error)) from None
            self._undo(live.declared, error)
            raise
        if self._may_sleep:
            awake(self._watched, self._pods, set(live.declared.traffic) - {version}, self._seconds)

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Split the traffic, once the cameras' workers run with what has the most of it.

        Raises TargetError, the traffic being as before, where the cluster does not take it, or they do not; where the
        traffic goes back to an older version it has gone there whatever they do.
        """
        live = self._look()
        wanted = replace(live.declared, traffic={version: percent for version, percent in traffic.items() if percent})
        missing = sorted(set(wanted.traffic) - set(live.deployments))
        if missing:
            raise TargetError(f"{self._namespace}: version {missing[0]} is not deployed: run the step again")
        is_back, is_due = workers.goes_back(live.declared, wanted), workers.are_due(live.declared, wanted)
        try:
            self._apply(wanted, self._growing(live.declared.traffic, wanted.traffic), is_due and not is_back)
        except StepError as error:
            self._undo(live.declared, error)
            raise TargetError(str(error)) from None
        if is_due and is_back:
            workers.expect_running(self._kinds, self._pods, self._rendered(wanted), self._seconds)

    def remove(self, version: int) -> None:
        """Take a version away, and all else that is not declared, after its last request was answered.

        Raises TargetError where it still has traffic.
        """
        live = self._look()
        if live.traffic.get(version):
            raise TargetError(f"{self._namespace}: version {version} has traffic: move it away before removing it")
        if version in live.deployments or version in live.declared.versions:
            self._prune(_without(live.declared, version))

    @cached_property
    def _cluster(self) -> Cluster:
        return open_cluster(self.stage)

    @cached_property
    def _kinds(self) -> Kinds:
        return Kinds(self._cluster)

    @cached_property
    def _pods(self) -> Pods:
        return Pods(self._cluster, self._namespace, self.stage.model)

    @cached_property
    def _forwarder(self) -> Forwarder:
        model = self.stage.model
        return Forwarder(
            self._cluster, self._namespace, lambda it: version_name(model, int(it)) if it else model, self._fault_of
        )

    @property
    def _namespace(self) -> str:
        return namespace_of(self.stage)

    @property
    def _seconds(self) -> float:
        return self.stage.kubernetes.rollout_seconds

    def _look(self) -> Live:
        """Return what runs, before it is changed. Raises TargetError where the lock was lost."""
        self._check()
        return look(self._kinds, self.stage)

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _growing(self, before: Mapping[int, int], after: Mapping[int, int]) -> tuple[int, ...]:
        """Return the versions that must be ready before traffic moves: where pods make the shares, all that grow.

        With a gateway, one that serves already keeps its pods, and going back to it must not wait.
        """
        pods_grow = self.stage.kubernetes.traffic == "replicas"
        return tuple(one for one in after if not before.get(one) or (pods_grow and after[one] > before[one]))

    def _apply(self, declared: Declared, awaited: tuple[int, ...], with_workers: bool = False) -> None:
        """Apply all that is declared; requests go elsewhere only once the awaited versions are ready, and the workers.

        Raises TargetError where the lock was lost, before or during that wait: then the traffic may be another's.
        """
        self._check()
        objects = in_order(self._rendered(declared))
        expect_kinds(self._kinds, objects)
        steers = [one for one in objects if self._steers(one)]
        for one in objects:
            if one not in steers:
                apply(self._kinds, one)
        for version in awaited:
            rolled_out(self._watched(version), self._pods, version, self._seconds, int(self._may_sleep))
        if with_workers:
            workers.expect_running(self._kinds, self._pods, objects, self._seconds)
        self._check()
        for one in steers:
            apply(self._kinds, one)
        accepted(self._kinds, [one for one in steers if one["kind"] == "HTTPRoute"], self._seconds)

    def _undo(self, before: Declared, error: StepError) -> None:
        """Go back to what was declared before, as far as the cluster lets us; the first error is what is told."""
        try:
            self._apply(before, ())
            self._prune(before)
        except StepError as second:
            error.args = (f"{error} (and it could not be undone: {second})",)

    def _prune(self, declared: Declared) -> None:
        """Take away what is not declared: what steers requests goes first, the Deployments, drained, last."""
        self._check()
        kept = self._rendered(declared)
        for one in in_order(kept):
            apply(self._kinds, one)
        live = self._look()
        going = [
            number for number in live.deployments if number not in declared.versions and number not in live.traffic
        ]
        drained(self._pods, going, self._seconds)
        self._check()
        for one in leftovers(self._kinds, self.stage, kept, live):
            delete(self._kinds, one)
        for number in going:
            delete(self._kinds, live.deployments[number])
        for number in going:
            name = version_name(self.stage.model, number)
            expect_end(self._watched(number), f"{self._namespace}: {name}", self._seconds)

    @property
    def _may_sleep(self) -> bool:
        """Tell whether versions are scaled to no pod at all while nobody asks them."""
        return self.stage.kubernetes.autoscaling == "keda"

    def _apply_scalers(self) -> None:
        """Keep a pod of each version awake while a release holds the lock, for it is probed; let them sleep after."""
        if self._may_sleep:
            for one in self._rendered(look(self._kinds, self.stage).declared):
                if one["kind"] == SCALER:
                    apply(self._kinds, one)

    def _rendered(self, declared: Declared) -> list[Object]:
        found = render({**manifests(self.stage), **tree(self.stage, declared)})
        return [_awake(one) for one in found] if self._lease is not None else found

    def _steers(self, one: Object) -> bool:
        return one["kind"] == "HTTPRoute" or (one["kind"], one["metadata"]["name"]) == ("Service", self.stage.model)

    def _watched(self, version: int) -> Watched:
        path = self._kinds.place("apps/v1", "Deployment").path(self._namespace)
        name = version_name(self.stage.model, version)
        return Watched(self._cluster, path, {"fieldSelector": f"metadata.name={name}"})

    def _ensure_namespace(self) -> None:
        if self._cluster.find(f"/api/v1/namespaces/{self._namespace}") is None:
            for one in self._rendered(Declared({}, {})):
                if one["kind"] == "Namespace":
                    apply(self._kinds, one)

    def _seen(self, version: int, live: Live) -> DeploymentStatus:
        deployment, served = live.deployments[version], live.declared.versions.get(version)
        declared = served.digest if served else ""
        digests = [one["digest"] for one in self._pods.reports(version) if "digest" in one]
        digest = next((one for one in digests if one != declared), declared)
        state, reason = self._state(version, deployment)
        path = f"/v2/models/{self.stage.model}/versions/{version}/infer"
        header = {VERSION_HEADER: str(version)}
        told = (*self._pods.counts(version), self._forwarder.url, path, header)
        return DeploymentStatus(version, digest, state, reason, *told, uncounted=self._pods.mute.get(version))

    def _state(self, version: int, deployment: Object) -> tuple[str, str | None]:
        if is_rolled_out(deployment):
            return READY, None
        found = obstacle(deployment, self._pods.of(version))
        return (FAILED if found and found.is_final else LOADING), found.text if found else "it is being rolled out"

    def _fault_of(self, version: int) -> str | None:
        """Return why a version has no pod that answers, None where it is not to blame."""
        live = look(self._kinds, self.stage)
        if version not in live.deployments:
            return None
        found = obstacle(live.deployments[version], self._pods.of(version))
        return found.text if found and found.is_of_version else None

    def _url(self) -> str:
        return gateway_url(self._kinds, self.stage) or self._forwarder.url


def open_target(stage: Stage) -> KubernetesTarget:
    """Return the endpoint of a stage on its cluster."""
    return KubernetesTarget(stage)


def _awake(one: Object) -> Object:
    """Return the object; what would scale a version to no pod leaves it one."""
    if one["kind"] != SCALER:
        return one
    spec = one["spec"]
    return {**one, "spec": {**spec, "minReplicaCount": max(1, int(spec.get("minReplicaCount") or 0))}}


def _without(declared: Declared, version: int) -> Declared:
    return replace(declared, versions={number: one for number, one in declared.versions.items() if number != version})
