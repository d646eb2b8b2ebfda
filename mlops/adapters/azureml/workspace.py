"""The SDK's client of a stage's workspace, and of the registry that stages share. Importing the SDK takes seconds."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING

from mlops.adapters.azureml.credentials import credential
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.hiding import hidden
from mlops.places import AzureML

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def client_of(stage: Stage) -> MLClient:
    """Return the client of the stage's workspace. Raises ConfigError where the stage file does not name one."""
    return _workspace_client(*place_of(stage))


def registry_client_of(stage: Stage) -> MLClient:
    """Return the client of the shared registry. Raises ConfigError where the stage file names none."""
    if not stage.azureml.registry:
        raise ConfigError(f"{_file(stage)}: azureml.registry is empty: name the shared Azure ML registry")
    return _registry_client(stage.azureml.registry)


def place_of(stage: Stage) -> tuple[str, str, str]:
    """Return subscription, resource group and workspace. Raises ConfigError where one is empty."""
    given: AzureML = stage.azureml
    named = {"subscription": given.subscription, "resource_group": given.resource_group, "workspace": given.workspace}
    for key, value in named.items():
        if not value:
            raise ConfigError(
                f"{_file(stage)}: azureml.{key} is empty: fill it in, and run `python -m mlops preflight`"
            )
    return given.subscription, given.resource_group, given.workspace


def _file(stage: Stage) -> str:
    return f"mlops/stages/{stage.name}.yaml"


@cache
def _workspace_client(subscription: str, group: str, workspace: str) -> MLClient:
    return _client(subscription, group, workspace)


@cache
def _registry_client(registry: str) -> MLClient:
    return _client(registry_name=registry)


def _client(*names: str, **more: str) -> MLClient:
    # Read when its bars are imported. Not show_progress=False: then the SDK does not look at what a file's upload
    # raised, and waits for it without end.
    os.environ.setdefault("TQDM_DISABLE", "1")
    from azure.ai.ml import MLClient

    _quiet()
    return MLClient(credential(), *names, **more, enable_telemetry=False)  # type: ignore[arg-type]


def _quiet() -> None:
    # Its experimental classes announce themselves at each use, and some of its modules print what they do.
    # A logger without a level of its own has azure's, and to set one takes the longer the more of them there are.
    names = [name for name in list(logging.root.manager.loggerDict) if name.startswith("azure.")]
    own = [name for name in names if logging.getLogger(name).level != logging.NOTSET]
    for name in ("azure", "azure.ai.ml", "azure.identity", "msrest", *own):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("urllib3.connectionpool").addFilter(_without_secrets)


def _without_secrets(record: logging.LogRecord) -> bool:
    # Where somebody turns logging on, it tells the address of each request, signature and all.
    record.msg, record.args = hidden(record.getMessage()), ()
    return True
