"""Preflight on Azure ML: asks Azure Resource Manager what is there and what is allowed. It sends GET and nothing else.

What the answers mean is for mlops/preflight/. The SDK is not needed, so it takes no seconds to import.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops.adapters.azureml.arm import MANAGEMENT, Arm, workspace_path
from mlops.adapters.azureml.credentials import credential, place
from mlops.adapters.azureml.failures import explained
from mlops.config import Stage, load_stage
from mlops.errors import ConfigError, StepError
from mlops.names import stage_before
from mlops.ports import CheckLine
from mlops.preflight import azure, permissions, quota, retired, stagefile
from mlops.preflight.line import failed, failure, guarded, ok, warning
from mlops.rest import Rest, persistently

WORKSPACE_API = "2024-10-01"
AUTHORIZATION_API = "2022-04-01"
PROVIDER_API = "2021-04-01"
REGISTRY_API = "2023-07-01"
VAULT_API = "2023-07-01"
DISCOVERY = "/registrymanagement/v1.0/registries/{}/discovery"


@dataclass(frozen=True)
class Discovered:
    """Where a shared registry is: its ARM id, the subscription's id, its first region."""

    id: str
    subscription: str
    region: str


@dataclass(frozen=True)
class AzurePreflight:
    """What a stage needs of Azure."""

    stage: Stage

    def lines(self) -> Iterator[CheckLine]:
        """Yield a line per check. Where the login or the workspace fails, the rest is not looked at."""
        login, workspace = guarded("login", self._login(), True), guarded("workspace", self._workspace(), True)
        for part in (login, workspace):
            found = list(part)
            yield from found
            if failed(found):
                yield warning("azure", "the rest was not looked at: mend this first")
                return
        yield from guarded("provider", self._provider())
        yield from guarded("roles", self._roles())
        yield from guarded("roles: storage", self._storage())
        yield from guarded("cluster", self._clusters())
        yield from guarded("quota", self._quota())
        yield from guarded("container registry", self._images())
        yield from guarded("registry", self._shared(), True)
        yield from guarded("source", self._source(), True)
        yield from guarded("kubernetes", self._kubernetes(), True)

    def _login(self) -> Iterator[CheckLine]:
        yield azure.login_line(place(os.environ), azure.who(_token()))

    def _workspace(self) -> Iterator[CheckLine]:
        yield azure.workspace_line(self._found)

    def _provider(self) -> Iterator[CheckLine]:
        found = Arm().get(f"{self._subscription}/providers/{permissions.PROVIDER}", PROVIDER_API)
        yield azure.provider_line(found)
        yield from retired.api_lines(found.get("resourceTypes") or ())

    def _roles(self) -> Iterator[CheckLine]:
        yield from permissions.step_lines(self.stage, self._allowed)

    def _storage(self) -> Iterator[CheckLine]:
        """Yield whether blobs may be written where the default datastore has no key of its own."""
        if self._has_key:
            yield ok("roles: storage", "the default datastore is opened by its own key")
        else:
            id = self._found["properties"]["storageAccount"]
            yield permissions.storage_line(self.stage, id.rpartition("/")[2], _permissions(id))

    def _clusters(self) -> Iterator[CheckLine]:
        may_make = permissions.allows(self._allowed, permissions.MAKES_CLUSTERS)
        for name, wanted in stagefile.used_clusters(self.stage).items():
            found = self._compute(name)
            yield azure.cluster_line(name, wanted, found, may_make)
            if found and self.stage.platform == "azureml" and name == self.stage.azureml.training.default_cluster:
                yield from guarded("job identity", self._identity(name, azure.principal_of(found)))

    def _identity(self, cluster: str, principal: str | None) -> Iterator[CheckLine]:
        """Yield whether a step of the job may register the model, and read what opens the place to report to."""
        if principal is None:
            yield failure("job identity", f"{cluster} has none, and jobs register by it: give it a system-assigned one")
            return
        if permissions.held(self._assigned(self._path, principal), permissions.WRITERS):
            yield ok("job identity", f"that of {cluster} may register models")
        else:
            text = f"that of {cluster} ({principal}) has no known role on the workspace: give it {permissions.ROLE}"
            yield failure("job identity", text)
        if not self._has_key:
            yield self._blobs(cluster, principal)
        if self.stage.report_secret:
            yield self._vault(cluster, principal)
        if self.stage.azureml.registry:
            yield self._sharing(cluster, principal, self.stage.azureml.registry)

    def _blobs(self, cluster: str, principal: str) -> CheckLine:
        id = self._found["properties"]["storageAccount"]
        account = id.rpartition("/")[2]
        if permissions.held(self._assigned(id, principal), permissions.BLOB_WRITERS):
            return ok("job identity", f"that of {cluster} may write blobs of {account}")
        what = f"that of {cluster} ({principal}) may not write blobs of {account}, where a job's outputs go"
        return failure("job identity", f"{what}: give it {permissions.BLOB_ROLE} there")

    def _vault(self, cluster: str, principal: str) -> CheckLine:
        id = self._found["properties"]["keyVault"]
        roles = permissions.held(self._assigned(id, principal), permissions.SECRET_READERS)
        if roles or permissions.may_read_secrets(Arm().get(id, VAULT_API), principal):
            return ok("job identity", f"that of {cluster} may read secrets of {id.rpartition('/')[2]}")
        what = f"that of {cluster} ({principal}) may not read '{self.stage.report_secret}', so nobody is told"
        return failure("job identity", f"{what}: give it Key Vault Secrets User on {id.rpartition('/')[2]}")

    def _sharing(self, cluster: str, principal: str, registry: str) -> CheckLine:
        if permissions.held(self._assigned(self._discovered(registry).id, principal), permissions.REGISTRY_WRITERS):
            return ok("job identity", f"that of {cluster} may register models in {registry}")
        text = f"that of {cluster} ({principal}) has no known role on the registry {registry}, where jobs register"
        return failure("job identity", f"{text}: give it {permissions.REGISTRY_ROLE} there")

    def _quota(self) -> Iterator[CheckLine]:
        region = self._found["location"]
        here = f"{self._subscription}/providers/{permissions.PROVIDER}/locations/{region}"
        sizes = Arm().get(f"{here}/vmSizes", WORKSPACE_API).get("value") or []
        usages = list(Arm().items(f"{here}/usages", WORKSPACE_API))
        yield from quota.lines(self.stage, region, sizes, usages)
        yield from quota.gpu_lines(self.stage, sizes)

    def _images(self) -> Iterator[CheckLine]:
        id = self._found["properties"].get("containerRegistry")
        yield azure.images_line(self._found, Arm().get(id, REGISTRY_API) if id else None)

    def _shared(self) -> Iterator[CheckLine]:
        if self.stage.azureml.registry:
            yield from self._registry(self.stage.azureml.registry, permissions.SHARED)

    def _registry(self, name: str, actions: Sequence[str]) -> Iterator[CheckLine]:
        found = self._discovered(name)
        yield ok("registry", f"{name} in {found.region}, subscription {found.subscription}")
        yield from guarded("roles: registry", permissions.shared_lines(name, _permissions(found.id), actions))

    def _discovered(self, name: str) -> Discovered:
        token = _token()
        host = f"https://{self._found['location']}.api.azureml.ms"
        service = Rest(host, {"Authorization": f"Bearer {token}"}, token)
        found = persistently(lambda: service.request("GET", DISCOVERY.format(name))) or {}
        where, group = found.get("subscriptionId"), found.get("resourceGroup")
        id = f"/subscriptions/{where}/resourceGroups/{group}/providers/{permissions.PROVIDER}/registries/{name}"
        return Discovered(id, str(where), str(found.get("primaryRegion")))

    def _source(self) -> Iterator[CheckLine]:
        """Yield whether the place that this stage's candidates come from can be read, and their packages fetched."""
        name = stage_before(self.stage.name)
        before = load_stage(name) if name else None
        if before is None or before.platform != "azureml":
            return
        registry = before.azureml.registry
        if registry and registry != self.stage.azureml.registry:
            yield from self._registry(registry, permissions.SHARED_READ)
        id = workspace_path(before)
        if not registry and id != self._path:
            found = Arm().get(id, WORKSPACE_API)
            yield ok("source", f"{name}'s candidates: {found.get('name')}")
            yield from guarded("roles: source", _source_roles(id, found["properties"]["storageAccount"]))

    def _kubernetes(self) -> Iterator[CheckLine]:
        name = self.stage.azureml.online.compute
        if self.stage.target == "azureml-online" and name:
            found = self._compute(name)
            if found is None:
                raise ConfigError(f"{name} is not attached: attach it, or change azureml.online.compute")
            yield azure.kubernetes_line(self.stage, found)

    @cached_property
    def _path(self) -> str:
        return workspace_path(self.stage)

    @property
    def _subscription(self) -> str:
        return f"/subscriptions/{self.stage.azureml.subscription}"

    @cached_property
    def _found(self) -> Any:
        return Arm().get(self._path, WORKSPACE_API)

    @cached_property
    def _has_key(self) -> bool:
        return _has_key(self._path)

    @cached_property
    def _allowed(self) -> list[Any]:
        return _permissions(self._path)

    def _compute(self, name: str) -> Any:
        try:
            return Arm().get(f"{self._path}/computes/{name}", WORKSPACE_API)
        except StepError as error:
            if error.status == 404:
                return None
            raise

    def _assigned(self, scope: str, principal: str) -> list[Any]:
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        return list(Arm().items(path, AUTHORIZATION_API, **{"$filter": f"assignedTo('{principal}')"}))


def open_preflight(stage: Stage) -> AzurePreflight:
    """Return what looks at Azure for a stage."""
    return AzurePreflight(stage)


def _source_roles(workspace: str, storage: str) -> Iterator[CheckLine]:
    has_key = _has_key(workspace)
    yield permissions.source_line(workspace.rpartition("/")[2], _permissions(workspace), has_key)
    if not has_key:
        yield permissions.source_storage_line(storage.rpartition("/")[2], _permissions(storage))


def _has_key(workspace: str) -> bool:
    """Tell whether the default datastore has a key; where not, identities alone are let in."""
    stores = Arm().get(f"{workspace}/datastores", WORKSPACE_API, isDefault="true").get("value") or ()
    return all((one["properties"].get("credentials") or {}).get("credentialsType") != "None" for one in stores)


def _permissions(scope: str) -> list[Any]:
    return list(Arm().items(f"{scope}/providers/Microsoft.Authorization/permissions", AUTHORIZATION_API))


def _token() -> str:
    with explained("login"):
        return credential().get_token(f"{MANAGEMENT}/.default").token
