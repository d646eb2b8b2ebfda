"""What shall run, by version, and the names that manifests, targets and tests share. Values only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.loading import build
from mlops.names import IMAGE_KINDS, endpoint_name

DECLARED_FILE = "declared.json"
DECLARED_SUFFIX = "-declared"  # of the ConfigMap that holds it, after the model's name
TRITON_IMAGE = "visionline-triton"  # an overlay that names it has its versions run by Triton
PORT = 8080
LABEL_NAME = "app.kubernetes.io/name"
LABEL_VERSION = "app.kubernetes.io/version"
LABEL_TRAFFIC = "visionline/traffic"  # of pods: live, or aside where several other versions share the traffic
ANNOTATION_DIGEST = "visionline/digest"
ANNOTATION_VARIANT = "visionline/variant"
ANNOTATION_MODEL_IMAGE = "visionline/model-image"  # of pods: for an init container, which no other way tells
ANNOTATION_TRAFFIC = "visionline/traffic"  # of the stage's Service and HTTPRoute: the percents that were asked for
DNS_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
LONGEST_NAME = 63  # characters of a DNS label, which a Service's name must be
IMAGE = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")

Object = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """One version on a cluster: the digest of its package, which variant, and its images by kind, by digest."""

    version: int
    digest: str
    variant: str
    images: dict[str, str]


@dataclass(frozen=True)
class Declared:
    """All that a stage's cluster shall run, by version; `traffic` in percent, for the versions that have some."""

    versions: dict[int, Served]
    traffic: dict[int, int]

    @property
    def live(self) -> list[int]:
        """Return the versions that have traffic, in order."""
        return sorted(version for version, percent in self.traffic.items() if percent)

    @property
    def main(self) -> Served | None:
        """Return the version that the most traffic goes to, of equals the older; None where none has any."""
        return self.versions[max(self.live, key=lambda one: (self.traffic[one], -one))] if self.live else None


@dataclass(frozen=True)
class _Written:
    """A Declared as JSON holds it, where keys are texts."""

    versions: dict[str, Served]
    traffic: dict[str, int]


def namespace_of(stage: Stage) -> str:
    """Return the namespace of a stage: the one that its file names, or else model and stage."""
    return stage.kubernetes.namespace or endpoint_name(stage.model, stage.name)


def version_name(model: str, version: int) -> str:
    """Return the name of a version's Deployment, Service and ConfigMap: fashion-classifier-v7."""
    return f"{model}-v{version}"


def package_path(model: str, version: int) -> str:
    """Return where a pod finds the package of a version."""
    return f"/models/{model}/{version}"


def read_tree(files: Mapping[str, str]) -> Declared:
    """Return what a tree, or the ConfigMap that holds its declared.json, declares. Raises ConfigError."""
    try:
        content = json.loads(files[DECLARED_FILE])
    except KeyError:
        raise ConfigError(f"{DECLARED_FILE} is missing: `deploy` writes it; restore the folder") from None
    except ValueError as error:
        raise ConfigError(f"{DECLARED_FILE}: is not JSON ({error}): restore it, or deploy again") from None
    read = build(_Written, content, DECLARED_FILE)
    return Declared(
        {_number(key): served for key, served in read.versions.items()},
        {_number(key): percent for key, percent in read.traffic.items()},
    )


def _number(key: str) -> int:
    if not key.isdecimal():
        raise ConfigError(f"{DECLARED_FILE}: '{key}' should be a version's number: restore it, or deploy again")
    return int(key)


def check(stage: Stage, declared: Declared) -> None:
    """Raise ConfigError where a name or an image is nothing for a cluster, or the traffic is not of these versions."""
    for name in (stage.model, namespace_of(stage), *(version_name(stage.model, one) for one in declared.versions)):
        if len(name) > LONGEST_NAME or not DNS_LABEL.fullmatch(name):
            raise ConfigError(f"{stage.name}: '{name}' is no name for a cluster: use small letters, digits and hyphens")
    if not set(declared.traffic) <= set(declared.versions) or sum(declared.traffic.values()) not in (0, 100):
        raise ConfigError(f"{stage.name}: traffic {declared.traffic} should sum to 100 over the declared versions")
    for served in declared.versions.values():
        _check_images(stage, served)


def _check_images(stage: Stage, served: Served) -> None:
    for kind in IMAGE_KINDS:
        if not IMAGE.fullmatch(served.images.get(kind, "")):
            raise ConfigError(
                f"{stage.name}: version {served.version} has no {kind} image by digest: "
                f"run `python -m mlops package --stage {stage.name}` first"
            )


def as_json(value: Any) -> str:
    """Return a value as the JSON of a file."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def as_yaml(value: Any) -> str:
    """Return a value as the YAML of a file."""
    return str(yaml.safe_dump(value, sort_keys=False, width=110))
