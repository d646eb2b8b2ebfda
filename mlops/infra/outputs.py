"""The outputs of a stage's infrastructure, as Terraform and Azure's deployments write them, and what each is for.

It reads files; it asks neither Terraform nor Azure. Names are compared without case and underscores, so that
resource_group and resourceGroup are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError
from mlops.infra.told import read_told

# Where a stage file has the value. Without those that are needed, a workspace can't be found.
STAGE_KEYS = {
    "subscription": ("azureml", "subscription"),
    "resource_group": ("azureml", "resource_group"),
    "workspace": ("azureml", "workspace"),
    "registry": ("azureml", "registry"),
    "image_registry": ("images", "registry"),
    "online_endpoint": ("azureml", "online", "endpoint"),
    "batch_endpoint": ("azureml", "batch", "endpoint"),
    "aks_cluster": ("kubernetes", "aks"),
    "kubernetes_cluster": ("kubernetes", "context"),
    "kubernetes_namespace": ("kubernetes", "namespace"),
    "online_auth": ("azureml", "online", "auth"),
    "cpu_size": ("azureml", "clusters", "cpu-cluster", "size"),
    "cpu_max_nodes": ("azureml", "clusters", "cpu-cluster", "max_nodes"),
    "gpu_size": ("azureml", "clusters", "gpu-cluster", "size"),
    "gpu_max_nodes": ("azureml", "clusters", "gpu-cluster", "max_nodes"),
    "gpu_low_priority": ("azureml", "clusters", "gpu-cluster", "low_priority"),
    "gitops_repository": ("flux", "repository"),
    "gitops_path": ("flux", "path"),
}
# Written as text in outputs, since an empty one says that there is none; in a stage file a number, true or false.
NUMBERS = ("cpu_max_nodes", "gpu_max_nodes", "gpu_low_priority")
NEEDED = ("subscription", "resource_group", "workspace")
# What the stage's environment at the code host has to hold, so that CI can log in.
CI_VARIABLES = {
    "ci_client_id": "AZURE_CLIENT_ID",
    "tenant": "AZURE_TENANT_ID",
    "subscription": "AZURE_SUBSCRIPTION_ID",
}
# For people, and for other tools than these.
OTHERS = (
    *("key_vault", "jobs_client_id", "serving_client_id", "captures_account", "captures"),
    *("sandbox_url", "grafana_url", "operations_principal", "plan_principal"),
)
WAY_OUT = "give `terraform output -json` or `az deployment sub show`"


def read_outputs(path: Path) -> dict[str, str]:
    """Return the outputs of a file that have a value, by the names of this module, unknown ones by their own.

    Reads `terraform output -json`, `az deployment sub show` and its `properties.outputs`. Raises ConfigError where
    the file is none of them, holds no text where one is due, or lacks what is needed.
    """
    known = {_plain(name): name for name in (*STAGE_KEYS, *CI_VARIABLES, *OTHERS)}
    values = {known.get(_plain(name), name): _value(path, name, one) for name, one in _outputs(path).items()}
    found = {name: value for name, value in values.items() if value}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ConfigError(f"{path}: no output {', '.join(missing)}: {WAY_OUT} of a stage that was deployed")
    return found


def unknown(outputs: Mapping[str, str]) -> list[str]:
    """Return the names of outputs that nothing here is made of."""
    return sorted(set(outputs) - {*STAGE_KEYS, *CI_VARIABLES, *OTHERS})


def _outputs(path: Path) -> Mapping[str, Any]:
    content = read_told(path, WAY_OUT)
    if isinstance(content, dict) and isinstance(content.get("properties"), dict):
        content = content["properties"].get("outputs") or {}
    if not isinstance(content, dict) or not all(_is_output(one) for one in content.values()):
        raise ConfigError(f"{path}: holds no outputs: {WAY_OUT}")
    return content


def _is_output(one: object) -> bool:
    return isinstance(one, dict) and "value" in one


def _value(path: Path, name: str, one: Mapping[str, Any]) -> str:
    value = one["value"]
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{path}: output {name}: should be text, is {type(value).__name__}: {WAY_OUT}")
    return value or ""


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
