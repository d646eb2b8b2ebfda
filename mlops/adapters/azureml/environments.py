"""Azure ML environments of the folders under environments/: built once by Azure, named by their content.

A folder with a Dockerfile is a build context. What a job ran with stays known, since a version never changes.

Source: learn.microsoft.com, "Manage Azure Machine Learning environments".
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.uploads import over_leftovers
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.manifest import Manifest, expect_same, manifest_of
from mlops.names import TAG_DIGEST
from mlops.storage import place_folder

DOCKERFILE = "Dockerfile"
# Where Azure ML asks the scoring server of an image that is not its own, by the name of the environment's folder.
# Source: learn.microsoft.com, "Use a custom container to deploy a model to an online endpoint".
PORT = 5001
HEALTH = "/?health"  # the server's `/`: Azure's published schema wants a letter or a digit in each path
ROUTES = {"liveness_route": HEALTH, "readiness_route": HEALTH, "scoring_route": "/score"}
INFERENCE = {"visionline-score": {route: {"port": PORT, "path": path} for route, path in ROUTES.items()}}


def ensure_environment(stage: Stage, name: str, folder: Path) -> str:
    """Return `azureml:visionline-<name>:<16 hex of the folder's content>`, made in the workspace if it is absent.

    Raises ConfigError where the folder has no Dockerfile, StepError where Azure refuses; another call then goes on.
    """
    from azure.core.exceptions import ResourceNotFoundError

    manifest = manifest_of(folder)
    if DOCKERFILE not in manifest.files:
        raise ConfigError(f"{folder}: has no {DOCKERFILE}: Azure ML builds the environment from it")
    full_name, version = f"visionline-{name}", manifest.version
    with explained(f"environment {full_name} {version}"):
        try:
            client_of(stage).environments.get(name=full_name, version=version)
        except ResourceNotFoundError:
            _create(stage, full_name, manifest, folder)
    return f"azureml:{full_name}:{version}"


def _create(stage: Stage, name: str, manifest: Manifest, folder: Path) -> None:
    from azure.ai.ml.entities import BuildContext, Environment

    # A copy: the SDK uploads whatever is in the folder when it comes to it, hidden files too.
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / name
        place_folder(folder, copy, lambda placed: expect_same(placed, folder, manifest))
        environment = Environment(
            name=name,
            version=manifest.version,
            build=BuildContext(path=str(copy), dockerfile_path=DOCKERFILE),
            tags={TAG_DIGEST: manifest.digest},
            inference_config=INFERENCE.get(name),
        )
        over_leftovers(lambda: client_of(stage).environments.create_or_update(environment))
