"""The way to an AKS cluster by its name: Azure is asked for its address, and for a token whenever one runs out.

It is what `az aks get-credentials` and kubelogin do, by the identity that this process has to Azure anyway: no file is
written, and a release of hours outlives each of its tokens. A cluster without Entra ID gives a login of its own.

Sources: learn.microsoft.com/rest/api/aks/managed-clusters/list-cluster-user-credentials; Azure/kubelogin, "Concepts"
(the application of AKS' API servers, the same in each tenant).
"""

from __future__ import annotations

import base64
import binascii
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import yaml

from mlops.adapters.azureml.arm import Arm
from mlops.adapters.azureml.credentials import credential
from mlops.adapters.azureml.failures import explained
from mlops.adapters.kubernetes.cluster import Cluster, connect, reached
from mlops.config import Stage
from mlops.errors import ConfigError, TargetError

if TYPE_CHECKING:
    from kubernetes.client import Configuration

CLUSTERS = "Microsoft.ContainerService/managedClusters"
API_VERSION = "2025-05-01"
SERVERS = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
EARLY_SECONDS = 300.0  # before a token runs out, the next one is asked for
BY_TOKEN = ("exec", "auth-provider")  # of a user of Entra ID, whom a program would have to log in


def open_cluster(stage: Stage, patience: float | None = None) -> Cluster:
    """Return the stage's cluster: the AKS cluster that it names, or else where its kubeconfig leads.

    Raises ConfigError where nothing leads to one, StepError where Azure does not say its address.
    """
    if not stage.kubernetes.aks:
        return connect(stage.kubernetes.context, patience)
    if find_spec("azure") is None or find_spec("azure.identity") is None:
        raise ConfigError("kubernetes.aks: azure-identity is not installed: pip install -r environments/ci/azureml.txt")
    from kubernetes import client, config

    configuration, content = client.Configuration(), _kubeconfig(stage)
    is_by_token = any(name in one["user"] for one in content["users"] for name in BY_TOKEN)
    if is_by_token:
        content["users"] = [{**one, "user": {}} for one in content["users"]]
    try:
        config.load_kube_config_from_dict(content, client_configuration=configuration)
    except config.ConfigException as error:
        raise TargetError(f"{stage.kubernetes.aks}: Azure gives no kubeconfig that leads to it ({error})") from None
    if is_by_token:
        configuration.refresh_api_key_hook = _Token().put
        configuration.refresh_api_key_hook(configuration)
    return reached(configuration, patience)


class _Token:
    """The token of this process' identity for AKS' API servers, asked for anew before it runs out."""

    def __init__(self) -> None:
        self._credential = credential()
        self._text, self._until = "", 0.0

    def put(self, configuration: Configuration) -> None:
        """Give a configuration a token that holds. Raises StepError where none is to be had."""
        if time.time() > self._until - EARLY_SECONDS:
            with explained("a token for AKS", TargetError):
                given = self._credential.get_token(SERVERS)
            self._text, self._until = given.token, float(given.expires_on)
        configuration.api_key["authorization"] = f"Bearer {self._text}"


def _kubeconfig(stage: Stage) -> dict[str, Any]:
    """Return the kubeconfig of a user of the cluster, as Azure gives it."""
    answer = Arm().post(f"{_path(stage)}/listClusterUserCredential", API_VERSION)
    try:
        content = yaml.safe_load(base64.b64decode(answer["kubeconfigs"][0]["value"]))
        return {**content, "users": [{**one, "user": one.get("user") or {}} for one in content["users"]]}
    except (LookupError, TypeError, AttributeError, binascii.Error, yaml.YAMLError):
        raise TargetError(f"{stage.kubernetes.aks}: Azure's answer holds no kubeconfig: run the step again") from None


def _path(stage: Stage) -> str:
    """Return the cluster's ARM id. Raises ConfigError where the stage file lacks a part of it."""
    group, _, name = (stage.kubernetes.aks or "").rpartition("/")
    parts = {"subscription": stage.azureml.subscription, "resource_group": group or stage.azureml.resource_group}
    for key, value in parts.items():
        if not value:
            where = f"mlops/stages/{stage.name}.yaml"
            raise ConfigError(f"{where}: kubernetes.aks needs azureml.{key}: fill it in")
    place = f"/subscriptions/{parts['subscription']}/resourceGroups/{parts['resource_group']}"
    return f"{place}/providers/{CLUSTERS}/{name}"
