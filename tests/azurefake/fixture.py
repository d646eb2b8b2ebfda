"""The fixture `azure`: a fake Azure with one workspace, which this process and its children take for the real one.

A test ends with an error where something was asked that the fake has no route for, a body was sent that Azure's
published schemas do not allow, or a handler broke.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from azurefake.certificates import Authority
from azurefake.proxy import running_proxy
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from mlops.adapters.azureml import jobcancel, joboutputs, onlinewait, registry, workspace

# What a developer's or a pipeline's own login would add.
OTHERS = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_AUTHORITY_HOST",
    "AZUREML_RUN_ID",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "SYSTEM_OIDCREQUESTURI",
    "SYSTEM_ACCESSTOKEN",
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "ALL_PROXY",
    "all_proxy",
)


@pytest.fixture(scope="session")
def azure_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the one certificate authority of this session."""
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def running_azure(folder: Path, authority: Authority) -> Iterator[Azure]:
    """Serve a fake Azure with one workspace while the block runs. It checks nothing at the end."""
    azure = Azure(folder)
    add_workspace(azure)
    azure.bundle = str(authority.bundle)
    with running_proxy(azure, authority) as azure.proxy:
        yield azure


def forget_clients() -> None:
    """Let no test have a client, and its token, of another one: what is asked must not depend on the tests' order."""
    workspace._workspace_client.cache_clear()
    workspace._registry_client.cache_clear()


def complaints(azure: Azure) -> list[str]:
    """Return what a test with this Azure must not end with."""
    unknown = [f"no route for {one.method} {one.address}" for one in azure.unknown]
    return [*unknown, *azure.violations, *azure.errors]


@pytest.fixture
def azure(
    tmp_path_factory: pytest.TempPathFactory, azure_authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Azure]:
    """Put a fake Azure in place of the real one, for this process and those that it starts."""
    for name in OTHERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registry, "SETTLE_SECONDS", 0.0)  # nobody else writes here
    monkeypatch.setattr(onlinewait, "FIRST_PAUSE_SECONDS", 0.005)  # the fake counts looks, and no seconds
    for retried in (jobcancel, joboutputs):
        monkeypatch.setattr(retried, "PAUSE_SECONDS", 0.0)
    forget_clients()
    with running_azure(tmp_path_factory.mktemp("azure"), azure_authority) as fake:
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        yield fake
    forget_clients()
    assert complaints(fake) == []
