"""What a stage's cluster shows: Flux's own objects, and what runs, by the Kubernetes target's eyes. It changes nothing.

Flux looks at the repository now and then. It is asked to look at once, as `flux reconcile` asks; whoever may not ask
waits for its next look.

Source: fluxcd.io/flux/components/kustomize/kustomizations (Triggering a reconcile).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops.adapters.flux import flow
from mlops.adapters.flux.flow import Object, Progress
from mlops.adapters.kubernetes import workers
from mlops.adapters.kubernetes.aks import open_cluster
from mlops.adapters.kubernetes.cluster import Cluster as Api
from mlops.adapters.kubernetes.handover import APPLY
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.live import ROUTES, STAGE_LABEL
from mlops.adapters.kubernetes.pods import Pods
from mlops.adapters.kubernetes.refusals import Refused
from mlops.adapters.kubernetes.rights import JUDGING, Lacking, expect
from mlops.adapters.kubernetes.routing import accepted
from mlops.adapters.kubernetes.target import KubernetesTarget, open_target
from mlops.adapters.kubernetes.waiting import Watched, awake, rolled_out, until
from mlops.config import Stage
from mlops.delivery import LABEL_VERSION, WORKERS_FILE, Declared, manifests, namespace_of, version_name
from mlops.errors import ConfigError, TargetError
from mlops.ports import EndpointStatus

ASKED = "reconcile.fluxcd.io/requestedAt"
KUSTOMIZATIONS = (flow.GROUP, flow.VERSION, "kustomizations")
SOURCES = {flow.GIT: "gitrepositories", flow.OCI: "ocirepositories"}


@dataclass(frozen=True)
class Cluster:
    """The cluster of a stage. Each method raises TargetError or ConfigError where it can't be asked."""

    stage: Stage

    def status(self) -> EndpointStatus:
        """Return what runs there."""
        return self._target.status()

    def progress(self, folder: str, is_reached: Callable[[str], bool]) -> Progress:
        """Return how far Flux is with a commit of our folder; see mlops.adapters.flux.flow."""
        found, source = self.flow_of(folder)
        seen = flow.progress(found, is_reached, source)
        trouble = flow.source_trouble(source) if seen.state == flow.WAITING else ""
        return Progress(seen.state, seen.reason, f"{seen.text}; {trouble}") if trouble else seen

    def hurry(self, folder: str) -> None:
        """Ask Flux to look at the repository, or at the registry, now."""
        _, source = self.flow_of(folder)
        # The Kustomization follows its source by itself.
        with suppress(Refused):
            self._ask(source)

    def flow_of(self, folder: str) -> tuple[Object, Object | None]:
        """Return the Kustomization that applies our folder, and its source. Raises TargetError where not one does."""
        listed = self._listed(*KUSTOMIZATIONS)
        kinds = [kind for kind in SOURCES if kind == flow.GIT or flow.is_fed_by(listed, folder, kind)]
        sources = [{**one, "kind": kind} for kind in kinds for one in self._listed(*_sources(kind))]
        found = flow.own(listed, sources, self.stage.flux.repository, folder)
        return found, flow.source_of(found, sources)

    def expect_judging(self) -> None:
        """Raise Lacking where this user may not ask what a version is judged by, which would show too late.

        A cluster that can't be asked keeps nobody from committing.
        """
        try:
            expect(self._api, namespace_of(self.stage), JUDGING)
        except Lacking:
            raise
        except (ConfigError, TargetError):
            pass  # who follows the commit tells

    def rolled_out(self, version: int) -> None:
        """Return once a version is ready. Raises DeployError where it is to blame that it is not."""
        rolled_out(self._watched(version), self._pods, version, self.stage.kubernetes.rollout_seconds)

    def awake(self, versions: Iterable[int]) -> None:
        """Return once versions that may have slept are ready; a broken one is left."""
        awake(self._watched, self._pods, versions, self.stage.kubernetes.rollout_seconds)

    def expect_routed(self, versions: Sequence[int]) -> None:
        """Return once versions that got traffic are ready with it, and the gateway has taken their route."""
        for version in versions:
            self.rolled_out(version)
        if self.stage.kubernetes.traffic == "gateway":
            metadata = {"name": self.stage.model, "namespace": namespace_of(self.stage)}
            route = {"apiVersion": ROUTES, "kind": "HTTPRoute", "metadata": metadata}
            accepted(self._kinds, [route], self.stage.kubernetes.rollout_seconds)

    def expect_workers(self, before: Declared, after: Declared) -> None:
        """Return once the cameras' workers run what is declared now, where a release waits for them.

        Raises TargetError, with the reason, where they do not.
        """
        if after.main is None or WORKERS_FILE not in manifests(self.stage) or not workers.are_due(before, after):
            return
        version, seconds = str(after.main.version), self.stage.kubernetes.rollout_seconds
        path = self._kinds.place("apps/v1", workers.KIND).path(namespace_of(self.stage))
        query = {"labelSelector": f"{STAGE_LABEL}={self.stage.name}"}

        def given(found: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
            """Return the workers once all are given the version; items of a list bear no kind of their own."""
            labels = [one["spec"]["template"]["metadata"]["labels"] for one in found]
            is_given = labels and all(one.get(LABEL_VERSION) == version for one in labels)
            return [{"apiVersion": "apps/v1", "kind": workers.KIND, **one} for one in found] if is_given else None

        found = until(Watched(self._api, path, query), given, seconds)
        if found is None:
            raise TargetError(
                f"{self.stage.name}: Flux gives the cameras' workers no version {version}: run the step again"
            )
        workers.expect_running(self._kinds, self._pods, found, seconds)

    def _watched(self, version: int) -> Watched:
        path = self._kinds.place("apps/v1", "Deployment").path(namespace_of(self.stage))
        name = version_name(self.stage.model, version)
        return Watched(self._api, path, {"fieldSelector": f"metadata.name={name}"})

    @cached_property
    def _pods(self) -> Pods:
        return Pods(self._api, namespace_of(self.stage), self.stage.model)

    @cached_property
    def _api(self) -> Api:
        return open_cluster(self.stage)

    @cached_property
    def _kinds(self) -> Kinds:
        return Kinds(self._api)

    @cached_property
    def _target(self) -> KubernetesTarget:
        return open_target(self.stage)

    def _listed(self, group: str, version: str, plural: str) -> list[Object]:
        found = self._api.find(f"/apis/{group}/{version}/{plural}")
        if found is None:
            raise TargetError(f"the cluster has no {plural}.{group}: install Flux there, or set flux.wait: false")
        return list(found["items"])

    def _ask(self, source: Object | None) -> None:
        if source is None:
            return
        group, version, plural = _sources(source["kind"])
        place = {key: source["metadata"][key] for key in ("name", "namespace")}
        body: dict[str, Any] = {"apiVersion": f"{group}/{version}", "kind": source["kind"]}
        body["metadata"] = {**place, "annotations": {ASKED: f"{time.time():.3f}"}}
        path = f"/apis/{group}/{version}/namespaces/{place['namespace']}/{plural}/{place['name']}"
        self._api.request("PATCH", path, body, {"fieldManager": "visionline-flux", "force": "true"}, APPLY)


def _sources(kind: str) -> tuple[str, str, str]:
    return flow.SOURCE_GROUP, flow.SOURCE_VERSION, SOURCES[kind]
