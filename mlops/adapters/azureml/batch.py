"""DeployTarget on Azure ML: a stage's batch endpoint, and the Scorer of the files that it is given.

All jobs that name no deployment go to the endpoint's default one: that is what has the traffic, all of it. A batch
deployment answers no requests and takes no node until a job comes, so making one proves nothing of its version: only
a job does. Azure holds all state; each method first waits for what a killed release may have left going on.

Source: learn.microsoft.com, "Deploy models for scoring in batch endpoints".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlops.adapters.azureml.arm import workspace_path
from mlops.adapters.azureml.batchjobs import start
from mlops.adapters.azureml.batchspec import (
    AUTH,
    ENVIRONMENT,
    batch_deployment,
    batch_endpoint,
    is_current,
    serves,
)
from mlops.adapters.azureml.computes import ensure_cluster
from mlops.adapters.azureml.defaultstore import names_below
from mlops.adapters.azureml.environments import ensure_environment
from mlops.adapters.azureml.failures import explained, reason
from mlops.adapters.azureml.onlinelock import Lease, held
from mlops.adapters.azureml.onlinespec import DIGEST, VARIABLES, code_folder, deployment_name, version_of
from mlops.adapters.azureml.onlinewait import finished, looked_up, settled, there
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import ConfigError, TargetError
from mlops.names import endpoint_name
from mlops.ports import Deployment, DeploymentStatus, EndpointStatus, ScoredFile
from mlops.records import DataRecord
from mlops.scored import read_rows

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import BatchDeployment, BatchEndpoint

STATES = {"Succeeded": "ready", "Failed": "failed", "Canceled": "failed", "Deleting": "failed"}


@dataclass(frozen=True)
class BatchTarget:
    """The batch endpoint of a stage. `leases`: its lock, where this process holds it."""

    stage: Stage
    name: str
    leases: list[Lease] = field(default_factory=list)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the endpoint for one release. Raises BusyError naming the holder, where it is held already."""
        with held(self.stage, self.name) as lease:
            self.leases.append(lease)
            try:
                yield
            finally:
                self.leases.remove(lease)

    def status(self) -> EndpointStatus:
        """Return what Azure says of the endpoint and its deployments. Raises TargetError where it can't be asked.

        Also where a deployment that is not named after a version is the default: the endpoint is somebody else's.
        """
        endpoint = self._endpoint()
        if endpoint is None:
            return EndpointStatus(None, {}, {})
        found = self._deployments().items()
        seen = {
            version: replace(_status(version, one), is_current=is_current(self.stage, one)) for version, one in found
        }
        return EndpointStatus(str(endpoint.scoring_uri) if seen else None, self._traffic(endpoint), seen)

    def deploy(self, deployment: Deployment) -> None:
        """Make a version's deployment beside the others; one that is there already is left as it is.

        Raises TargetError where Azure refuses: a version is never to blame here, for nothing runs yet.
        """
        ensure_cluster(self.stage, self.stage.azureml.batch.cluster)
        self._ensure_endpoint()
        found = self._settled_deployment(deployment.version)
        if found is not None and serves(found, deployment) and is_current(self.stage, found):
            return
        if found is not None and not self._is_default(deployment.version):
            self.remove(deployment.version)
        environment = ensure_environment(self.stage, "batch", ENVIRONMENT)
        with code_folder() as code:
            entity = batch_deployment(self.stage, self.name, deployment, environment, code)
            what = f"version {deployment.version} on {self.name}"
            self._change(lambda: self._client.batch_deployments.begin_create_or_update(entity), what)

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Make the version with 100 percent the endpoint's default, none where none has any.

        Raises TargetError where several versions share the traffic, where Azure refuses, or does not do it.
        """
        wanted = {version: percent for version, percent in traffic.items() if percent}
        if len(wanted) > 1:
            raise TargetError(f"{self.name}: a batch endpoint gives all jobs to one version, not {dict(traffic)}")
        endpoint = self._settled_endpoint()
        if self._traffic(endpoint) == wanted:
            return
        endpoint.auth_mode = AUTH
        endpoint.defaults.deployment_name = deployment_name(*wanted) if wanted else None
        what = f"{self.name}: traffic"
        self._change(lambda: self._client.batch_endpoints.begin_create_or_update(endpoint), what)
        seen = self._traffic(self._settled_endpoint())
        if seen != wanted:
            raise TargetError(f"{self.name}: traffic is {seen}, should be {wanted}: run the step again")

    def remove(self, version: int) -> None:
        """Take a deployment away. Raises TargetError where it is the default."""
        if self._settled_deployment(version) is None:
            return
        if self._is_default(version):
            raise TargetError(f"{self.name}: version {version} has traffic: move it away before removing it")
        name, what = deployment_name(version), f"{self.name}: removing version {version}"
        self._change(lambda: self._client.batch_deployments.begin_delete(name, self.name), what)

    def score(self, deployment: Deployment, data: DataRecord) -> list[ScoredFile]:
        """Score the files of a published data version by a job on one deployment, in the order of their names.

        Raises JobError with what the script said where it failed, ConfigError where the data is not on Azure ML,
        TargetError where anything else fails.
        """
        address = _address(self.stage, data)
        names = self._files(data)
        endpoint, found = self._settled_endpoint(), self._settled_deployment(deployment.version)
        if found is None or not serves(found, deployment):
            raise TargetError(
                f"{self.name}: version {deployment.version} is not deployed: run `deploy --stage {self.stage.name}`"
            )
        job = start(self.stage, str(endpoint.scoring_uri), self.name, str(found.name), address)
        job.wait()
        return read_rows(job.rows(), f"job {job.name}", names, deployment)

    def _files(self, data: DataRecord) -> list[str]:
        with explained(f"data {data.name} {data.version}", TargetError):
            asset = self._client.data.get(name=data.name, version=data.version)
            return names_below(self.stage, f"{str(asset.path).partition('/paths/')[2].rstrip('/')}/")

    @property
    def _client(self) -> MLClient:
        return client_of(self.stage)

    def _endpoint(self) -> BatchEndpoint | None:
        return looked_up(lambda: self._client.batch_endpoints.get(self.name), f"endpoint {self.name}")

    def _settled_endpoint(self) -> BatchEndpoint:
        return there(self._endpoint, self.name, self.stage.name)

    def _settled_deployment(self, version: int) -> BatchDeployment | None:
        name, what = deployment_name(version), f"{self.name}: version {version}"
        return settled(lambda: looked_up(lambda: self._client.batch_deployments.get(name, self.name), what), what)

    def _deployments(self) -> dict[int, BatchDeployment]:
        with explained(f"{self.name}: deployments", TargetError):
            rest = list(self._client.batch_deployments.list(self.name))
        found = {version_of(str(one.name)): str(one.name) for one in rest}
        versions = sorted(version for version in found if version is not None)
        seen = {version: self._settled_deployment(version) for version in versions}
        return {version: one for version, one in seen.items() if one is not None}

    def _ensure_endpoint(self) -> None:
        found = settled(self._endpoint, f"endpoint {self.name}")
        if found is not None and found.provisioning_state == "Succeeded":
            return
        entity, what = batch_endpoint(self.stage, self.name), f"endpoint {self.name}"
        self._change(lambda: self._client.batch_endpoints.begin_create_or_update(entity), what)

    def _is_default(self, version: int) -> bool:
        return _default(self._settled_endpoint()) == deployment_name(version)

    def _traffic(self, endpoint: BatchEndpoint) -> dict[int, int]:
        name = _default(endpoint)
        if not name:
            return {}
        version = version_of(name)
        if version is None:
            raise TargetError(
                f"{self.name}: deployment {name}, its default, is not of ours: name an endpoint of this model's own in "
                "azureml.batch.endpoint"
            )
        return {version: 100}

    def _change(self, start: Callable[[], Any], what: str) -> None:
        from azure.core.exceptions import HttpResponseError

        for lease in self.leases:
            lease.check()
        with explained(what, TargetError):
            try:
                finished(start, what)
            except HttpResponseError as error:
                if "quota" not in f"{reason(error)} {error.message}".lower():
                    raise
                advice = "ask for more cores (portal: Quotas), or lower azureml.batch.nodes in the stage file"
                raise TargetError(f"{what}: {reason(error)}: {advice}") from None


def open_target(stage: Stage) -> BatchTarget:
    """Return the batch endpoint of a stage. Nothing is asked of Azure yet."""
    return BatchTarget(stage, stage.azureml.batch.endpoint or endpoint_name(stage.model, stage.name, "batch"))


def _default(endpoint: BatchEndpoint) -> str:
    return str(getattr(endpoint.defaults, "deployment_name", None) or "")


def _status(version: int, deployment: BatchDeployment) -> DeploymentStatus:
    given = deployment.provisioning_state
    said = str(getattr(given, "value", given))  # an enumeration's member where the SDK knows it
    state = STATES.get(said, "loading")
    why = None if state == "ready" else f"its provisioning state is {said}"
    digest = (deployment.environment_variables or {}).get(VARIABLES[DIGEST], "")
    return DeploymentStatus(version, digest, state, why, 0, 0, "", "")


def _address(stage: Stage, data: DataRecord) -> str:
    if not data.path.startswith("azureml:"):
        raise ConfigError(f"{data.path}: a batch endpoint reads data that is on Azure ML: set `platform: azureml`")
    return f"{workspace_path(stage)}/data/{data.name}/versions/{data.version}"
