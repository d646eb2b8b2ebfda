"""What a step is given: its stage, its run's folder, the ports of the stage's platform and target, and a voice."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlops import adapters
from mlops.comments import Comments
from mlops.config import REPOSITORY, Stage, load_stage
from mlops.images import ImageBuilder, ImageStore, Inventory, Signer
from mlops.issues import Tracker
from mlops.kept import Artifacts
from mlops.names import stage_before
from mlops.ports import (
    Approvals,
    DataStore,
    DeployTarget,
    JobRunner,
    Notifier,
    Preflight,
    Registry,
    Scheduler,
    Scorer,
    Secrets,
    Validator,
)


@dataclass(frozen=True)
class Context:
    """The ports are built when first used, so a step imports only the SDKs that it needs."""

    stage: Stage
    run: Path
    report: Callable[[str], None] = print

    @cached_property
    def registry(self) -> Registry:
        """Return the registry of the stage's platform."""
        return adapters.registry(self.stage)

    @cached_property
    def source(self) -> Registry:
        """Return the registry of the stage before, where this stage's candidates are; of the first stage, its own."""
        before = stage_before(self.stage.name)
        other = self.registry if before is None else adapters.registry(load_stage(before))
        return self.registry if other == self.registry else other

    @cached_property
    def jobs(self) -> JobRunner:
        """Return the job runner of the stage's platform."""
        return adapters.job_runner(self.stage)

    @cached_property
    def data(self) -> DataStore:
        """Return the data store of the stage's platform."""
        return adapters.data_store(self.stage)

    @cached_property
    def scheduler(self) -> Scheduler:
        """Return what starts trainings by itself on the stage's platform."""
        return adapters.scheduler(self.stage)

    @cached_property
    def target(self) -> DeployTarget:
        """Return the stage's endpoint."""
        return adapters.deploy_target(self.stage)

    @cached_property
    def scorer(self) -> Scorer:
        """Return what scores files by the stage's versions."""
        return adapters.scorer(self.stage)

    @cached_property
    def notifier(self) -> Notifier:
        """Return what tells a training's end to where it was started from."""
        return adapters.notifier(self.stage)

    @cached_property
    def tracker(self) -> Tracker:
        """Return what keeps the monitor's issues."""
        return adapters.tracker(self.stage)

    @cached_property
    def builder(self) -> ImageBuilder:
        """Return what builds the stage's images."""
        return adapters.image_builder(self.stage)

    @cached_property
    def images(self) -> ImageStore:
        """Return the container registry."""
        return adapters.image_store(self.stage)

    @cached_property
    def signer(self) -> Signer:
        """Return what signs the stage's images, and refuses others."""
        return adapters.signer(self.stage)

    @cached_property
    def source_signer(self) -> Signer:
        """Return what refuses images that the stage before has not signed; of the first stage, its own."""
        before = stage_before(self.stage.name)
        return self.signer if before is None else adapters.signer(load_stage(before))

    @cached_property
    def inventory(self) -> Inventory:
        """Return what lists what is in an image."""
        return adapters.inventory()

    def preflight(self, platform: str) -> Preflight:
        """Return what looks whether a platform is ready for the stage."""
        return adapters.preflight(self.stage, platform)

    def approvals(self, host: str) -> Approvals:
        """Return what knows who must agree at a code host: github or azure-devops."""
        return adapters.approvals(self.stage, host)

    def artifacts(self, host: str) -> Artifacts:
        """Return what knows what pipelines kept at a code host: github or azure-devops."""
        return adapters.artifacts(self.stage, host)

    @cached_property
    def secrets(self) -> Secrets:
        """Return the secrets that the stage's platform lets this process read."""
        return adapters.secrets(self.stage)

    def package(self, version: int, registry: Registry | None = None) -> Path:
        """Return the folder of a version's package, fetched from the registry and checked against its digest."""
        folder = self.stage.home / "packages" / self.stage.model / str(version)
        return (registry or self.registry).download(self.stage.model, version, folder)


def runs_folder() -> Path:
    """Return the folder of all runs; VISIONLINE_RUNS overrides it."""
    return Path(os.environ.get("VISIONLINE_RUNS", REPOSITORY / "runs")).resolve()


def run_folder(run_id: str) -> Path:
    """Return the folder of one run, made where absent."""
    folder = runs_folder() / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_run_id() -> str:
    """Return the CI system's run number where there is one, else the time: it names a folder under runs/."""
    number = os.environ.get("GITHUB_RUN_ID") or os.environ.get("BUILD_BUILDID")
    return number or time.strftime("%Y%m%d-%H%M%S", time.gmtime())


def comments(host: str) -> Comments:
    """Return what writes on pull requests at a code host: github or azure-devops. It needs no stage."""
    return adapters.comments(host)


def validator() -> Validator | None:
    """Return what judges Azure ML's files by its SDK; None where that is not installed. It needs no stage."""
    return adapters.validator()


def git_commit() -> str:
    """Return the commit that CI built or that is checked out; `unknown` outside a checkout."""
    named = os.environ.get("GITHUB_SHA") or os.environ.get("BUILD_SOURCEVERSION")
    if named:
        return named
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return head.stdout.strip() or "unknown"
