"""The one table that names the adapters. An adapter's module, and the SDK behind it, is imported when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from mlops.comments import Comments
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.images import ImageBuilder, ImageStore, Inventory, Signer
from mlops.issues import Tracker
from mlops.kept import Artifacts
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

# port -> value of the stage file's key -> where the factory stands. A factory takes the Stage.
ADAPTERS = {
    "registry": {
        "local": "mlops.adapters.local.registry:open_registry",
        "azureml": "mlops.adapters.azureml.registry:open_registry",
    },
    "job_runner": {
        "local": "mlops.adapters.local.jobs:open_job_runner",
        "azureml": "mlops.adapters.azureml.jobs:open_job_runner",
    },
    "data_store": {
        "local": "mlops.adapters.local.datastore:open_data_store",
        "azureml": "mlops.adapters.azureml.datastore:open_data_store",
    },
    "scheduler": {
        "azureml": "mlops.adapters.azureml.schedules:open_scheduler",
    },
    "deploy_target": {
        "local": "mlops.adapters.local.target:open_target",
        "azureml-online": "mlops.adapters.azureml.online:open_target",
        "azureml-batch": "mlops.adapters.azureml.batch:open_target",
        "kubernetes": "mlops.adapters.kubernetes.target:open_target",
        "flux": "mlops.adapters.flux.target:open_target",
    },
    "scorer": {
        "local": "mlops.adapters.local.scorer:open_scorer",
        "kubernetes": "mlops.adapters.local.scorer:open_scorer",
        "flux": "mlops.adapters.local.scorer:open_scorer",
        "azureml-batch": "mlops.adapters.azureml.batch:open_target",
    },
    "image_builder": {
        "buildah": "mlops.adapters.images.buildah:open_builder",
        "docker": "mlops.adapters.images.docker:open_builder",
    },
    "signer": {
        "none": "mlops.adapters.images.cosign:open_unsigned",
        "key": "mlops.adapters.images.cosign:open_signer",
        "keyless": "mlops.adapters.images.cosign:open_signer",
    },
    "secrets": {
        "local": "mlops.adapters.local.secrets:open_secrets",
        "azureml": "mlops.adapters.azureml.secrets:open_secrets",
    },
    "preflight": {
        "local": "mlops.adapters.local.preflight:open_preflight",
        "azureml": "mlops.adapters.azureml.preflight:open_preflight",
        "kubernetes": "mlops.adapters.kubernetes.preflight:open_preflight",
        "flux": "mlops.adapters.flux.preflight:open_preflight",
        "images": "mlops.adapters.images.preflight:open_preflight",
    },
    "approvals": {
        "github": "mlops.adapters.github.approvals:open_approvals",
        "azure-devops": "mlops.adapters.azuredevops.approvals:open_approvals",
    },
    "artifacts": {
        "github": "mlops.adapters.github.kept:open_artifacts",
        "azure-devops": "mlops.adapters.azuredevops.kept:open_artifacts",
    },
    "notifier": {
        "none": "mlops.adapters.local.notifier:open_notifier",
        "github": "mlops.adapters.github.notifier:open_notifier",
        "azure-devops": "mlops.adapters.azuredevops.notifier:open_notifier",
    },
    "tracker": {
        "github": "mlops.adapters.github.tracker:open_tracker",
        "azure-devops": "mlops.adapters.azuredevops.tracker:open_tracker",
    },
}
# code host -> where the factory stands. It takes nothing: a pull request may be of what all stages share.
COMMENTS = {
    "github": "mlops.adapters.github.comments",
    "azure-devops": "mlops.adapters.azuredevops.comments",
}


def registry(stage: Stage) -> Registry:
    """Return the registry of the stage's platform."""
    return cast(Registry, _make("registry", "platform", stage.platform, stage))


def job_runner(stage: Stage) -> JobRunner:
    """Return the job runner of the stage's platform."""
    return cast(JobRunner, _make("job_runner", "platform", stage.platform, stage))


def data_store(stage: Stage) -> DataStore:
    """Return the data store of the stage's platform."""
    return cast(DataStore, _make("data_store", "platform", stage.platform, stage))


def scheduler(stage: Stage) -> Scheduler:
    """Return what starts trainings by itself on the stage's platform."""
    return cast(Scheduler, _make("scheduler", "platform", stage.platform, stage))


def deploy_target(stage: Stage) -> DeployTarget:
    """Return the stage's endpoint."""
    return cast(DeployTarget, _make("deploy_target", "target", stage.target, stage))


def scorer(stage: Stage) -> Scorer:
    """Return what scores files by the stage's versions. Raises ConfigError where its target scores none."""
    known = ADAPTERS["scorer"]
    if stage.target not in known:
        wrong = f"mlops/stages/{stage.name}.yaml: target: '{stage.target}' scores no files"
        raise ConfigError(
            f"{wrong}: score for a stage whose target is one of {', '.join(known)}, or take batch-score's schedule out"
        )
    return cast(Scorer, _make("scorer", "target", stage.target, stage))


def secrets(stage: Stage) -> Secrets:
    """Return the secrets that the stage's platform lets this process read."""
    return cast(Secrets, _make("secrets", "platform", stage.platform, stage))


def preflight(stage: Stage, platform: str) -> Preflight:
    """Return what looks whether a platform is ready for the stage."""
    return cast(Preflight, _make("preflight", "platform", platform, stage))


def approvals(stage: Stage, host: str) -> Approvals:
    """Return what knows who must agree at a code host: github or azure-devops."""
    return cast(Approvals, _make("approvals", "report", host, stage))


def artifacts(stage: Stage, host: str) -> Artifacts:
    """Return what knows what pipelines kept for each other at a code host: github or azure-devops."""
    return cast(Artifacts, _make("artifacts", "report", host, stage))


def notifier(stage: Stage) -> Notifier:
    """Return what tells a training's end to where it was started from."""
    return cast(Notifier, _make("notifier", "report", stage.report, stage))


def tracker(stage: Stage) -> Tracker:
    """Return what keeps the monitor's issues, where a training's end is told, too."""
    return cast(Tracker, _make("tracker", "report", stage.report, stage))


def comments(host: str) -> Comments:
    """Return what writes on pull requests at a code host: github or azure-devops."""
    return cast(Comments, import_module(COMMENTS[host]).open_comments())


def image_builder(stage: Stage) -> ImageBuilder:
    """Return what builds the stage's images."""
    return cast(ImageBuilder, _make("image_builder", "images.builder", stage.images.builder, stage))


def signer(stage: Stage) -> Signer:
    """Return what signs and verifies the stage's images."""
    return cast(Signer, _make("signer", "images.signing", stage.images.signing, stage))


def image_store(stage: Stage) -> ImageStore:
    """Return what moves images: one tool for all registries and builders."""
    return cast(ImageStore, import_module("mlops.adapters.images.skopeo").open_store(stage))


def inventory() -> Inventory:
    """Return what lists an image's content."""
    return cast(Inventory, import_module("mlops.adapters.images.cyclonedx").open_inventory())


def validator() -> Validator | None:
    """Return what judges Azure ML's files by its SDK; None where that is not installed."""
    return cast("Validator | None", import_module("mlops.adapters.azureml.validation").open_validator())


def _make(port: str, key: str, value: str, stage: Stage) -> Any:
    known = ADAPTERS[port]
    if value not in known:
        has_none = f"'{value}' has no {port.replace('_', ' ')}: use one of {', '.join(known)}"
        raise ConfigError(f"mlops/stages/{stage.name}.yaml: {key}: {has_none}")
    module, factory = known[value].split(":")
    return getattr(import_module(module), factory)(stage)
