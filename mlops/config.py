"""Stage files: base.yaml and a small delta each, as frozen dataclasses. A key that no dataclass knows is an error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError
from mlops.loading import build, read_mapping
from mlops.names import ENDPOINT_RULE, STAGES, endpoint_name, is_endpoint_name
from mlops.places import AzureML, Flux, Images, Kubernetes, Local

REPOSITORY = Path(__file__).resolve().parent.parent
STAGES_FOLDER = REPOSITORY / "mlops" / "stages"
WAY_OUT = "restore it from the template"
PLATFORMS = ("local", "azureml")
TARGETS = ("local", "azureml-online", "azureml-batch", "kubernetes", "flux")
REPORTS = ("none", "github", "azure-devops")
AUTHS = ("key", "aad_token", "aml_token")
BUILDERS = ("buildah", "docker")
SIGNINGS = ("none", "key", "keyless")
TRAFFICS = ("gateway", "replicas")
AUTOSCALINGS = ("none", "hpa", "keda")
POLICIES = ("push", "pull-request")
HOSTS = ("github", "azure-devops")
MOST_MIRRORED = 50  # percent, by Azure ML's own limit


@dataclass(frozen=True)
class DataSource:
    """Where a data set comes from, in order: a folder, Debian's package, a URL. None leaves one out."""

    name: str
    folder: str | None
    debian: bool
    url: str | None


@dataclass(frozen=True)
class Regression:
    """The largest loss of accuracy against the champion, as shares (0.01 is one point)."""

    overall: float
    per_class: float
    per_slice: float


@dataclass(frozen=True)
class DeviceGates:
    """Limits of one device class: latency of the served variant against the champion's and against fp32, and size."""

    max_latency_ratio: float
    max_int8_latency_ratio: float
    max_package_mb: float


@dataclass(frozen=True)
class ParityGates:
    """Limits of one variant against PyTorch: largest difference of logits, least share of equal decisions."""

    max_abs_diff: float
    min_agreement: float


@dataclass(frozen=True)
class Gates:
    """The thresholds that a model must pass to enter a stage.

    `parity` names the variants that must be there, `slices` the slices, `devices` the device classes with limits.
    """

    min_accuracy: float
    min_test_images: int
    slices: tuple[str, ...]
    max_regression: Regression
    max_int8_loss: float
    parity: dict[str, ParityGates]
    devices: dict[str, DeviceGates]


@dataclass(frozen=True)
class Verify:
    """How an endpoint is verified at each traffic step.

    `requests` probes go to each deployment; a step bakes for `bake_seconds` under live traffic before it is judged.
    """

    requests: int
    bake_seconds: float
    max_score_difference: float
    max_error_rate: float
    max_latency_ratio: float


@dataclass(frozen=True)
class Release:
    """How a version gets traffic: which variant is served, and the percent of each step."""

    variant: str
    traffic_steps: tuple[int, ...]
    verify: Verify


@dataclass(frozen=True)
class Stage:
    """One stage file, laid over base.yaml. `report`: where a training's verdict goes: none, github, azure-devops.

    `report_secret` names the secret that opens that place, in the workspace's key vault; null: the process's own token.
    """

    name: str
    model: str
    platform: str
    target: str
    data: DataSource
    train: dict[str, Any]
    gates: Gates
    release: Release
    local: Local
    azureml: AzureML
    images: Images
    kubernetes: Kubernetes
    flux: Flux
    report: str
    report_secret: str | None

    @property
    def home(self) -> Path:
        """Return the folder of the local platform's state; VISIONLINE_HOME overrides the stage file."""
        return (REPOSITORY / os.environ.get("VISIONLINE_HOME", self.local.home)).resolve()


def stages_folder() -> Path:
    """Return the folder of the stage files; VISIONLINE_STAGES names another one than mlops/stages."""
    return REPOSITORY / os.environ.get("VISIONLINE_STAGES", STAGES_FOLDER)


def load_stage(name: str, folder: Path | None = None) -> Stage:
    """Read base.yaml and <name>.yaml of a folder, of stages_folder() where none is given.

    A folder without a base.yaml is laid over that of mlops/stages. Raises ConfigError with the file and the key of
    whatever is wrong.
    """
    folder = folder or stages_folder()
    if name not in STAGES:
        raise ConfigError(f"--stage {name}: unknown stage: use one of {', '.join(STAGES)}")
    path = folder / f"{name}.yaml"
    base = folder / "base.yaml"
    merged = _merge(
        read_mapping(base if base.exists() else STAGES_FOLDER / "base.yaml", WAY_OUT),
        read_mapping(path, WAY_OUT),
    )
    stage = build(Stage, {"name": name, **merged}, str(path))
    _check_choices(stage, path)
    _check_platform(stage, path)
    _check_endpoints(stage, path)
    _check_mirror(stage, path)
    return stage


def _check_choices(stage: Stage, path: Path) -> None:
    azure = stage.azureml
    clusters = tuple(azure.clusters)
    for key, value, known in (
        ("platform", stage.platform, PLATFORMS),
        ("target", stage.target, TARGETS),
        ("report", stage.report, REPORTS),
        ("azureml.online.auth", azure.online.auth, AUTHS),
        ("azureml.training.cluster", azure.training.cluster, clusters),
        ("azureml.training.default_cluster", azure.training.default_cluster, clusters),
        ("azureml.batch.cluster", azure.batch.cluster, clusters),
        ("images.builder", stage.images.builder, BUILDERS),
        ("images.signing", stage.images.signing, SIGNINGS),
        ("kubernetes.traffic", stage.kubernetes.traffic, TRAFFICS),
        ("kubernetes.autoscaling", stage.kubernetes.autoscaling, AUTOSCALINGS),
        ("flux.policy", stage.flux.policy, POLICIES),
        ("flux.host", stage.flux.host, HOSTS),
    ):
        if value not in known:
            raise ConfigError(f"{path}: {key}: '{value}' is unknown: use one of {', '.join(known)}")


def _check_platform(stage: Stage, path: Path) -> None:
    if stage.target.startswith("azureml") and stage.platform != "azureml":
        wrong = f"'{stage.target}' serves versions of an Azure ML workspace, and platform is {stage.platform}"
        raise ConfigError(f"{path}: target: {wrong}: write platform: azureml, or another target")


def _check_endpoints(stage: Stage, path: Path) -> None:
    """Refuse a name that Azure would refuse, given or made of model and stage, before anything is made."""
    online, batch = stage.azureml.online.endpoint, stage.azureml.batch.endpoint
    for kind, given, made in (
        ("online", online, endpoint_name(stage.model, stage.name)),
        ("batch", batch, endpoint_name(stage.model, stage.name, "batch")),
    ):
        key = f"azureml.{kind}.endpoint"
        if given and not is_endpoint_name(given):
            raise ConfigError(f"{path}: {key}: '{given}' is no name of an endpoint: {ENDPOINT_RULE}")
        if not given and stage.target == f"azureml-{kind}" and not is_endpoint_name(made):
            wrong = f"'{stage.model}' would name the endpoint '{made}', which Azure refuses: {ENDPOINT_RULE}"
            raise ConfigError(f"{path}: model: {wrong}, or name one in {key}")


def _check_mirror(stage: Stage, path: Path) -> None:
    online = stage.azureml.online
    if not 0 <= online.mirror_percent <= MOST_MIRRORED:
        wrong = f"is {online.mirror_percent}: write 0 to {MOST_MIRRORED}, Azure ML copies no more"
    elif online.mirror_percent and online.compute:
        wrong = f"is {online.mirror_percent}, but Azure ML copies no requests on Kubernetes ({online.compute}): write 0"
    else:
        return
    raise ConfigError(f"{path}: azureml.online.mirror_percent: {wrong}")


def _merge(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in delta.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
