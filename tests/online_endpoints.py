"""A stage of the fake Azure that serves by an online endpoint, with versions registered, for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azurefake.message import Request
from azurefake.online import ENDPOINT
from azurefake.stages import azure_stage
from azurefake.state import GROUP, SUBSCRIPTION, WORKSPACE, Azure
from model_packages import make_package

from mlops.adapters.azureml.online import OnlineTarget, open_target
from mlops.adapters.azureml.registry import open_registry
from mlops.config import Stage
from mlops.ports import Deployment
from modelpackage import package_digest, read_release, seal_package

NAME = "fashion-classifier-production"
ID = ENDPOINT.format(subscription=SUBSCRIPTION, group=GROUP, workspace=WORKSPACE, endpoint=NAME)


@dataclass(frozen=True)
class Served:
    """A stage, its target, and the packages of its versions."""

    azure: Azure
    stage: Stage
    packages: dict[int, Path]

    @property
    def target(self) -> OnlineTarget:
        """Return the target as a new process would open it."""
        return open_target(self.stage)

    def deployment(self, version: int) -> Deployment:
        """Return what the stage would deploy."""
        package = self.packages[version]
        return Deployment(self.stage.model, version, package_digest(package), package, "int8")

    def serve(self, *versions: int) -> OnlineTarget:
        """Deploy versions, give the first all the traffic, and return the target."""
        target = self.target
        for version in versions:
            target.deploy(self.deployment(version))
        target.set_traffic({versions[0]: 100})
        return target

    def changes(self) -> list[str]:
        """Return what was changed of the endpoint, in order: method and path below it."""
        return [f"{one.method} {_below(one)}" for one in changing(self.azure)]

    def resource(self, name: str = "") -> dict[str, Any]:
        """Return the endpoint, or a deployment of it, as Azure has it."""
        found = self.azure.get(f"{ID}/deployments/{name}" if name else ID)
        assert found is not None
        return found


def registered(azure: Azure, folder: Path, versions: int = 2, spoiled: int = 0, **changes: Any) -> Served:
    """Register versions 1, 2, ... and return the stage production, changed so, that is to serve them.

    The golden predictions of the version `spoiled` are not those that its model makes.
    """
    stage = azure_stage("production", target="azureml-online", **changes)
    packages = {one: make_package(folder / str(one), version_bias=one / 10) for one in range(1, versions + 1)}
    for version, package in packages.items():
        if version == spoiled:
            _spoil_golden(package)
        open_registry(stage).register(stage.model, package, {})
    return Served(azure, stage, packages)


def changing(azure: Azure) -> list[Request]:
    """Return the requests that change an online endpoint or a deployment of one, in order."""
    sent = azure.sent("*", "/onlineendpoints/")
    return [one for one in sent if one.method in ("PUT", "DELETE")]


def _spoil_golden(package: Path) -> None:
    golden = json.loads((package / "golden.json").read_text())
    golden["variants"]["int8"]["labels"].reverse()
    (package / "golden.json").write_text(json.dumps(golden))
    release = read_release(package)
    seal_package(package, release.model, release.git_commit, release.data_version, release.checkpoint)


def _below(request: Request) -> str:
    return request.path.lower().partition(f"/onlineendpoints/{NAME}")[2] or "/"
