"""Who this process is to Azure, by where it runs. No secret is stored: each place gives out tokens that last minutes.

In a pipeline the identity is federated: GitHub's and Azure DevOps' own tokens are exchanged for Azure's, anew whenever
one runs out, so that a wait of hours does not end in a refusal. In an Azure ML job it is the compute's managed
identity, in a pod the workload identity, on a laptop whoever did `az login`.

Sources: learn.microsoft.com/python/api/azure-identity; GitHub's "OpenID Connect reference".
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.error import URLError

from mlops.errors import ConfigError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AUDIENCE = "api://AzureADTokenExchange"
TOKEN_SECONDS = 20.0
# Place -> the environment variables by which it is known. The first whose variables are all set is where we are.
PLACES = {
    "job": ("AZUREML_RUN_ID",),
    "github": ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"),
    "azure-devops": (
        "SYSTEM_OIDCREQUESTURI",
        "SYSTEM_ACCESSTOKEN",
        "AZURE_SERVICE_CONNECTION_ID",
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
    ),
    "workload": ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"),
    "application": ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"),
}
LAPTOP = "cli"


def place(environment: Mapping[str, str]) -> str:
    """Return where a process with these variables runs: a key of PLACES, or cli."""
    found = (name for name, variables in PLACES.items() if all(environment.get(variable) for variable in variables))
    return next(found, LAPTOP)


def credential() -> TokenCredential:
    """Return the identity of this process. It asks nobody anything before a token is needed."""
    from azure import identity

    # It writes to stderr what it raises, too.
    logging.getLogger("azure").setLevel(logging.ERROR)
    here, given = place(os.environ), os.environ.get
    tenant, client = given("AZURE_TENANT_ID", ""), given("AZURE_CLIENT_ID", "")
    if here == "job":
        return identity.ManagedIdentityCredential(client_id=given("DEFAULT_IDENTITY_CLIENT_ID"))
    if here == "github":
        return identity.ClientAssertionCredential(tenant, client, _github_token)
    if here == "azure-devops":
        connection, token = given("AZURE_SERVICE_CONNECTION_ID", ""), given("SYSTEM_ACCESSTOKEN", "")
        return identity.AzurePipelinesCredential(
            tenant_id=tenant, client_id=client, service_connection_id=connection, system_access_token=token
        )
    if here == "workload":
        return identity.WorkloadIdentityCredential()
    if here == "application":
        return identity.EnvironmentCredential()
    return identity.AzureCliCredential()


def _github_token() -> str:
    url = f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}"
    headers = {"Authorization": f"Bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TOKEN_SECONDS) as answer:
            return str(json.load(answer)["value"])
    except (URLError, OSError, ValueError, KeyError) as error:
        # The error's own words may hold the address, and that a token: its kind is enough.
        raise ConfigError(
            f"GitHub gives no identity token ({type(error).__name__}): the job needs `permissions: id-token: write`"
        ) from None
