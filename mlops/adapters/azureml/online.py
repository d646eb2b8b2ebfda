"""DeployTarget on Azure ML: a stage's online endpoint, managed by Azure or on an attached Kubernetes cluster.

Azure holds all state. A deployment is named after its version and declares its package's digest among its properties.
Each method first waits for what a killed release may have left going on, so that each may be repeated.

Source: learn.microsoft.com, "Perform safe rollout of new deployments for real-time inference".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlops.adapters.azureml.arm import Arm, workspace_path
from mlops.adapters.azureml.environments import ensure_environment
from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.onlineauth import Authorization
from mlops.adapters.azureml.onlinelock import Lease, held
from mlops.adapters.azureml.onlinemetrics import LONGEST, count
from mlops.adapters.azureml.onlinereach import expect_reachable
from mlops.adapters.azureml.onlinespec import (
    ENVIRONMENT,
    code_folder,
    deployment_entity,
    deployment_name,
    endpoint_entity,
    lasting,
    mirrored,
    variables,
)
from mlops.adapters.azureml.onlinestatus import is_current, shares, started, status_of, traffic_of
from mlops.adapters.azureml.onlinewait import (
    SUCCEEDED,
    converged,
    finished,
    looked_up,
    settled,
    state_of,
    there,
    verdict_on,
)
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import StepError, TargetError
from mlops.hiding import hidden
from mlops.names import endpoint_name
from mlops.ports import Deployment, EndpointStatus

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

LOG_LINES = 40
SHOWN_LINES = 3
LONGEST_LINE = 200


@dataclass(frozen=True)
class OnlineTarget:
    """The endpoint of a stage. `opened`: from a day before it live traffic is counted; `leases`: the lock, if held."""

    stage: Stage
    name: str
    authorization: Authorization
    arm: Arm = field(default_factory=Arm)
    opened: datetime = field(default_factory=lambda: datetime.now(UTC))
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

        Also where a deployment that is not named after a version has traffic: the endpoint is somebody else's.
        """
        endpoint = self._endpoint()
        if endpoint is None:
            return EndpointStatus(None, {}, {})
        found = self._deployments()
        path = f"{workspace_path(self.stage)}/onlineEndpoints/{self.name}"
        since = {name: started(one, self.opened - LONGEST) for name, one in found.items()}
        counts = count(self.arm, path, since, self.opened)
        with explained(f"{self.name}: credentials", TargetError):
            return status_of(self.stage, endpoint, found, counts, self.authorization.headers)

    def deploy(self, deployment: Deployment) -> None:
        """Start a version beside the others, with no traffic; one that runs already is left as it is.

        Raises DeployError, with its last log lines, where the version fails, TargetError where anything else does; a
        deployment that failed is taken away.
        """
        converged(lambda: self._deploy(deployment))
        expect_reachable(self.status().deployments[deployment.version], self.name)

    def set_traffic(self, traffic: Mapping[int, int]) -> None:
        """Split the traffic. Raises TargetError where Azure refuses, or does not do it."""
        wanted = {version: percent for version, percent in traffic.items() if percent}
        converged(lambda: self._split({deployment_name(version): percent for version, percent in wanted.items()}))
        seen = traffic_of(self._settled_endpoint())
        if seen != wanted:
            raise TargetError(f"{self.name}: traffic is {seen}, should be {wanted}: run the step again")

    def mirror(self, version: int) -> int:
        """Copy the stage file's percent of the live requests to a version; Azure discards what it answers.

        Returns that percent; where it is 0 nothing is asked of Azure. Raises TargetError where Azure refuses.
        """
        percent = self.stage.azureml.online.mirror_percent
        if percent:
            converged(lambda: self._mirror({deployment_name(version): percent}))
        return percent

    def remove(self, version: int) -> None:
        """Take a deployment away. Raises TargetError where it still has traffic."""
        converged(lambda: self._remove(version))

    def _deploy(self, deployment: Deployment) -> None:
        self._ensure_endpoint()
        name = deployment_name(deployment.version)
        found = self._settled_deployment(name)
        if found is not None and _serves(found, deployment) and is_current(self.stage, found):
            return
        endpoint = self._settled_endpoint()
        if found is not None and not (endpoint.traffic or {}).get(name):
            self._remove(deployment.version)
            found = None
        self._create(deployment, found)

    def _split(self, wanted: Mapping[str, int]) -> None:
        endpoint = self._settled_endpoint()
        mirror = mirrored(endpoint.mirror_traffic or {}, wanted, set(self._deployments()))
        self._change_traffic(endpoint, wanted, mirror)

    def _mirror(self, wanted: Mapping[str, int]) -> None:
        endpoint = self._settled_endpoint()
        self._change_traffic(endpoint, shares(endpoint.traffic), wanted)

    def _remove(self, version: int) -> None:
        name = deployment_name(version)
        if self._settled_deployment(name) is None:
            return
        endpoint = self._settled_endpoint()
        if (endpoint.traffic or {}).get(name):
            raise TargetError(f"{self.name}: version {version} has traffic: move it away before removing it")
        if name in (endpoint.mirror_traffic or {}):
            mirror = {key: percent for key, percent in endpoint.mirror_traffic.items() if key != name}
            self._change_traffic(endpoint, shares(endpoint.traffic), mirror)
        what = f"{self.name}: removing version {version}"
        self._change(lambda: self._client.online_deployments.begin_delete(name, self.name), what)

    @property
    def _client(self) -> MLClient:
        return client_of(self.stage)

    def _endpoint(self) -> OnlineEndpoint | None:
        return looked_up(lambda: self._client.online_endpoints.get(self.name), f"endpoint {self.name}")

    def _settled_endpoint(self) -> OnlineEndpoint:
        return there(self._endpoint, self.name, self.stage.name)

    def _deployment(self, name: str) -> OnlineDeployment | None:
        what = f"{self.name}: deployment {name}"
        return looked_up(lambda: self._client.online_deployments.get(name, self.name), what)

    def _settled_deployment(self, name: str) -> OnlineDeployment | None:
        return settled(lambda: self._deployment(name), f"{self.name}: deployment {name}")

    def _deployments(self) -> dict[str, OnlineDeployment]:
        with explained(f"{self.name}: deployments", TargetError):
            return {str(one.name): one for one in self._client.online_deployments.list(self.name)}

    def _ensure_endpoint(self) -> None:
        found = settled(self._endpoint, f"endpoint {self.name}")
        if found is not None:
            self._expect_same(found)
        if found is None or state_of(found) != SUCCEEDED:
            # One that failed is put again as it is: it may have traffic.
            entity = found or endpoint_entity(self.stage, self.name)
            what = f"endpoint {self.name}"
            self._change(lambda: self._client.online_endpoints.begin_create_or_update(entity), what)

    def _expect_same(self, endpoint: OnlineEndpoint) -> None:
        online, compute = self.stage.azureml.online, getattr(endpoint, "compute", None) or "managed"
        for key, seen, wanted in (
            ("auth", str(endpoint.auth_mode), online.auth),
            ("compute", str(compute).rpartition("/")[2], online.compute or "managed"),
        ):
            if seen.lower() != wanted.lower():
                raise TargetError(
                    f"endpoint {self.name}: its {key} is {seen}, in mlops/stages/{self.stage.name}.yaml "
                    f"azureml.online.{key} is {wanted}: change that back, or name a new azureml.online.endpoint"
                )

    def _create(self, deployment: Deployment, before: OnlineDeployment | None) -> None:
        from azure.core.exceptions import HttpResponseError

        what = f"version {deployment.version} on {self.name}"
        environment = ensure_environment(self.stage, "score", ENVIRONMENT)
        with code_folder() as code, explained(what, TargetError):
            entity = deployment_entity(self.stage, self.name, deployment, environment, code)
            entity.properties = {**(before.properties if before else {}), **entity.properties}  # may not lose any
            self._check()
            try:
                finished(lambda: self._client.online_deployments.begin_create_or_update(entity), what)
            except HttpResponseError as error:
                verdict = verdict_on(error, what, lambda: self._last_lines(str(entity.name)))
                if before is None:
                    with suppress(StepError):  # what went wrong first is what is told
                        self.remove(deployment.version)
                raise verdict from None

    def _last_lines(self, name: str) -> str:
        from azure.core.exceptions import AzureError

        try:
            text = self._client.online_deployments.get_logs(name, self.name, LOG_LINES)
        except AzureError:
            return "its log can't be read"
        lines = [hidden(line.strip())[:LONGEST_LINE] for line in text.splitlines() if line.strip()]
        return " | ".join(lines[-SHOWN_LINES:]) or "it wrote no log"

    def _change_traffic(self, endpoint: OnlineEndpoint, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        if shares(endpoint.traffic) == dict(traffic) and shares(endpoint.mirror_traffic) == dict(mirror):
            return
        endpoint.traffic, endpoint.mirror_traffic = dict(traffic), dict(mirror)
        what = f"{self.name}: traffic"
        self._change(lambda: self._client.online_endpoints.begin_create_or_update(endpoint), what)

    def _change(self, start: Callable[[], Any], what: str) -> None:
        self._check()
        with explained(what, TargetError):
            finished(start, what)

    def _check(self) -> None:
        for lease in self.leases:
            lease.check()


def open_target(stage: Stage) -> OnlineTarget:
    """Return the online endpoint of a stage. Nothing is asked of Azure yet."""
    name = stage.azureml.online.endpoint or endpoint_name(stage.model, stage.name)
    return OnlineTarget(stage, name, Authorization(lambda: client_of(stage), name))


def _serves(found: OnlineDeployment, deployment: Deployment) -> bool:
    properties, given = found.properties or {}, found.environment_variables or {}
    is_same = lasting(deployment).items() <= properties.items() and variables(deployment).items() <= given.items()
    return state_of(found) == SUCCEEDED and is_same
