"""The model of an Azure ML deployment: found below AZUREML_MODEL_DIR, checked by its digest, loaded.

It knows nothing of requests or files to score. AZUREML_MODEL_DIR is where Azure ML puts the registered model; what lies
between it and the package is Azure ML's business, so release.json is looked for.

Source: https://learn.microsoft.com/azure/machine-learning/how-to-deploy-online-endpoints (AZUREML_MODEL_DIR).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from modelpackage import digest_file, read_release
from modelpackage.release import RELEASE_FILE
from serving.deployments import Deployment, ServedModel
from serving.desired import Declared
from serving.errors import ServingError
from serving.model import load_model


def load_served(environment: Mapping[str, str] = os.environ) -> ServedModel:
    """Return the one model that the deployment serves, with one deployment, which is ready and has all the traffic.

    Raises ServingError where a variable or the package is missing; PackageError as load_model does.
    """
    version, digest, variant = (
        _variable(environment, f"VISIONLINE_{name}") for name in ("VERSION", "DIGEST", "VARIANT")
    )
    package = find_package(Path(_variable(environment, "AZUREML_MODEL_DIR")), digest)
    model = load_model(package, digest, variant)
    deployment = Deployment(version, Declared(str(package), digest, variant, model.engine), model)
    return ServedModel(read_release(package).model, [deployment])


def find_package(root: Path, digest: str) -> Path:
    """Return the folder of the package with this digest, at or anywhere below `root`. Raises ServingError."""
    found = {path.parent: digest_file(path) for path in sorted(root.rglob(RELEASE_FILE))}
    for folder, seen in found.items():
        if seen == digest:
            return folder
    if not found:
        raise ServingError(f"{root}: holds no {RELEASE_FILE}: deploy a version that `mlops register` sealed")
    others = ", ".join(f"{folder} ({seen})" for folder, seen in found.items())
    raise ServingError(f"{root}: holds no package {digest}, but {others}: deploy the version with its own digest")


def _variable(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ServingError(f"{name}: is not set: set it among the deployment's environment_variables")
    return value
