"""A repository whose stages are on a fake Azure, for tests that run its pipelines there, whichever system they are of.

What the training job does on its nodes stands in for itself, but for the registration, which is the real one.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure_life import MODEL, work_on, write_places
from azurefake.jobs import plan
from azurefake.state import CLIENT, SUBSCRIPTION, TENANT, Azure
from pipeline_trees.agent import AzureRepository
from running_endpoint import wait_for
from trainings import trained
from workflow_runs import CodeRepository, bring_stripes

from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.records import stage_tag
from mlops.steps.register import register

# What GitHub's environments hold of each identity, as variables.
IDENTITY = {"AZURE_CLIENT_ID": CLIENT, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION, "AZURE_TENANT_ID": TENANT}

# Stands for az, which a task has logged in by a service connection: it says where.
AZ = f"""#!/bin/sh
test "$*" = "account show --query id --output tsv" && echo {SUBSCRIPTION}
"""


@dataclass(frozen=True)
class Cloud:
    """A repository whose stages are on a fake Azure, and that Azure."""

    azure: Azure
    repository: CodeRepository

    def at(self, stage: str) -> Context:
        """Return a stage as a person would look at it."""
        return Context(load_stage(stage), self.repository.root / "looking", lambda line: None)

    def tags(self, stage: str) -> dict[int, str | None]:
        """Return what each version in a stage's registry is in that stage."""
        versions = self.at(stage).registry.versions(MODEL)
        return {number: stage_tag(one, stage) for number, one in versions.items()}

    def made(self, number: int, *stages: str, right: int | None = None) -> None:
        """Register a version in dev, and release it in these stages, as pipelines before have done."""
        dev = self.at("dev")
        register(dev, trained(self.repository.root / f"model{number}", number, dev, right=right))
        for stage in stages:
            for step in ("promote", "deploy"):
                assert main([step, "--stage", stage, "--run", f"before-{number}"], lambda line: None) == 0, step


def connect(repository: AzureRepository) -> None:
    """Let a repository's service connections lead to the fake Azure's identity."""
    repository.connected |= {"CLIENT_ID": CLIENT, "TENANT_ID": TENANT}
    az = repository.root / "machine" / "az"
    az.write_text(AZ, encoding="utf-8")
    az.chmod(0o755)


def in_the_cloud(azure: Azure, repository: CodeRepository, root: Path, patch: pytest.MonkeyPatch) -> Cloud:
    """Put the stages of a repository on a fake Azure, and push it: dev, qa and production have a workspace each."""
    repository.variables |= {"VISIONLINE_PLATFORM": "azureml"}
    repository.environment |= azure.environment()
    write_places(azure, root)
    patch.setenv("VISIONLINE_STAGES", str(root / "stages"))
    shutil.copytree(root / "stages", repository.checkout / "mlops" / "stages", dirs_exist_ok=True)
    bring_stripes(repository)
    repository.push("refs/heads/dev", "refs/heads/qa", "refs/heads/main")
    return Cloud(azure, repository)


@contextmanager
def nodes(cloud: Cloud, folder: Path) -> Iterator[None]:
    """Let the training job come to its registration while the block runs, and do that as its nodes do."""
    worker = threading.Thread(target=work_on, args=(cloud.azure, 1, folder))
    worker.start()
    try:
        yield
    finally:
        worker.join()


@contextmanager
def cancelled_once_it_trains(cloud: Cloud) -> Iterator[None]:
    """Cancel the run of the block when its job has come to a step that does not end by itself."""
    plan(cloud.azure).held = "train"
    canceller = threading.Thread(target=_cancel, args=(cloud,))
    canceller.start()
    try:
        yield
    finally:
        canceller.join()


def _cancel(cloud: Cloud) -> None:
    steps = plan(cloud.azure).steps
    wait_for(lambda: any(one.name == "train" and one.status == "Running" for all_ in steps.values() for one in all_))
    cloud.repository.cancel()
    try:
        wait_for(lambda: cloud.azure.sent("POST", "/cancel"))
    finally:  # else a run that did not hear of it would wait for ever
        plan(cloud.azure).held = ""
