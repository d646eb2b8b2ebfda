"""What a batch endpoint and a deployment of it are made of, as the SDK's entities.

A deployment runs serving/azureml/batch.py on the registered model, on a cluster of the stage file, in the image of
environments/batch. Which package and variant it serves is said by the variables that the script checks.

Source: learn.microsoft.com, "CLI (v2) batch deployment YAML schema".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlops.adapters.azureml.onlinespec import SETTINGS, declared, deployment_name, model_asset, variables
from mlops.config import REPOSITORY, Stage
from mlops.ports import Deployment

if TYPE_CHECKING:
    from azure.ai.ml.entities import BatchDeployment, BatchEndpoint, ModelBatchDeployment

ENVIRONMENT = REPOSITORY / "environments" / "batch"
SCRIPT = "serving/azureml/batch.py"
AUTH = "AADToken"  # as Azure's schema spells the only kind there is, and the SDK does not
RETRIES = 3
MINI_BATCH_SECONDS = 600  # images are read over the network, and the first mini-batch mounts their storage


def batch_endpoint(stage: Stage, name: str) -> BatchEndpoint:
    """Return a new endpoint. Entra ID lets its clients in."""
    from azure.ai.ml.entities import BatchEndpoint

    return BatchEndpoint(name=name, auth_mode=AUTH, tags={"model": stage.model, "stage": stage.name})


def batch_deployment(
    stage: Stage, endpoint: str, deployment: Deployment, environment: str, code: Path
) -> ModelBatchDeployment:
    """Return a deployment of a version. Jobs go to it only where it is named, until it is the endpoint's default."""
    from azure.ai.ml.entities import CodeConfiguration, ModelBatchDeployment, ModelBatchDeploymentSettings
    from azure.ai.ml.entities._deployment.deployment_settings import BatchRetrySettings

    batch = stage.azureml.batch
    settings = ModelBatchDeploymentSettings(
        mini_batch_size=batch.mini_batch_size,
        instance_count=batch.nodes,
        max_concurrency_per_instance=1,  # the model takes the cores of a node
        output_action="append_row",
        error_threshold=batch.max_failed,
        retry_settings=BatchRetrySettings(max_retries=RETRIES, timeout=MINI_BATCH_SECONDS),
        environment_variables=variables(deployment),
        logging_level="Info",
    )
    return ModelBatchDeployment(
        name=deployment_name(deployment.version),
        endpoint_name=endpoint,
        model=model_asset(stage, deployment),
        environment=environment,
        code_configuration=CodeConfiguration(code=str(code), scoring_script=SCRIPT),
        compute=batch.cluster,
        settings=settings,
        tags={"model": deployment.model, **declared(deployment), SETTINGS: batch_settings(stage)},
    )


def batch_settings(stage: Stage) -> str:
    """Return what of the stage file a deployment depends on."""
    batch = stage.azureml.batch
    nodes = f"{stage.release.variant} on {batch.nodes} nodes of {batch.cluster}"
    return f"{nodes}, {batch.mini_batch_size} files a batch, {batch.max_failed} may fail"


def is_current(stage: Stage, found: BatchDeployment) -> bool:
    """Tell whether a deployment was made by the settings that the stage file has now."""
    return (found.tags or {}).get(SETTINGS) == batch_settings(stage)


def serves(found: BatchDeployment, deployment: Deployment) -> bool:
    """Tell whether a deployment is ready and serves just this."""
    given, wanted = found.environment_variables or {}, variables(deployment)
    return found.provisioning_state == "Succeeded" and {key: given.get(key) for key in wanted} == wanted
