"""The fake of Azure: the unmodified SDK takes it for the real one, and what it does not know fails a test."""

from __future__ import annotations

from azurefake.state import GROUP, SUBSCRIPTION, WORKSPACE, Azure
from azure.ai.ml import MLClient
from azure.identity import WorkloadIdentityCredential


def client() -> MLClient:
    return MLClient(WorkloadIdentityCredential(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False)


def test_the_sdk_reads_a_workspace_and_its_default_datastore(azure: Azure) -> None:
    one = client()
    assert one.workspaces.get("ws").location == "westeurope"
    assert one.datastores.get_default().account_name == "fakestore"
