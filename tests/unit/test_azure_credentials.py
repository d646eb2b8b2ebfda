"""Where a process runs is told by its environment, and each place has its own way to be somebody to Azure."""

from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from mlops.adapters.azureml import credentials
from mlops.adapters.azureml.credentials import PLACES, credential, place
from mlops.adapters.azureml.failures import explained
from mlops.errors import ConfigError, StepError

FEDERATED = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "11111111-1111-1111-1111-111111111111"}
GITHUB = {**FEDERATED, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t0ken"}
KINDS = {
    "job": "ManagedIdentityCredential",
    "github": "ClientAssertionCredential",
    "azure-devops": "AzurePipelinesCredential",
    "workload": "WorkloadIdentityCredential",
    "application": "EnvironmentCredential",
    "cli": "AzureCliCredential",
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what would tell a place."""
    for variable in {variable for variables in PLACES.values() for variable in variables}:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_known_by_its_variables_and_not_by_a_part_of_them(name: str) -> None:
    variables = dict.fromkeys(PLACES[name], "x")
    assert place(variables) == name
    for variable in PLACES[name]:
        assert place({**variables, variable: ""}) != name


def test_inside_a_job_the_compute_counts_whatever_else_is_set() -> None:
    everything = dict.fromkeys((variable for variables in PLACES.values() for variable in variables), "x")
    assert place(everything) == "job"


@pytest.mark.parametrize("name", KINDS)
def test_each_place_has_its_own_identity(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in PLACES.get(name, ()):
        monkeypatch.setenv(variable, FEDERATED.get(variable, "x"))
    assert type(credential()).__name__ == KINDS[name]


def test_a_login_that_is_not_there_is_raised_with_advice_and_not_written_beside(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    logging.getLogger("azure").setLevel(logging.NOTSET)
    with pytest.raises(StepError, match="login: Azure CLI not found on path: nobody is logged in here: `az login`"):
        with explained("login"):
            credential().get_token("https://management.azure.com/.default")
    assert caplog.records == []


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Stand in for GitHub's identity provider; what it was asked, and what it answers, are in the mapping."""
    seen: dict[str, object] = {"answer": (200, {"value": "signed"})}

    class Provider(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            seen.update(audience=query["audience"], authorization=self.headers["Authorization"])
            status, body = seen["answer"]  # type: ignore[misc]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"http://127.0.0.1:{server.server_port}/token?api-version=2")
    for name, value in GITHUB.items():
        monkeypatch.setenv(name, value)
    yield seen
    server.shutdown()
    server.server_close()


def test_github_is_asked_for_a_token_that_azure_takes(github: dict[str, object]) -> None:
    assert credentials._github_token() == "signed"
    assert (github["audience"], github["authorization"]) == (["api://AzureADTokenExchange"], "Bearer t0ken")


@pytest.mark.parametrize("answer", [(403, {}), (200, {}), (500, {"value": "x"})])
def test_where_github_gives_none_the_missing_permission_is_named_and_the_token_is_not(
    github: dict[str, object], answer: tuple[int, object]
) -> None:
    github["answer"] = answer
    with pytest.raises(ConfigError, match="id-token: write") as raised:
        credentials._github_token()
    assert "t0ken" not in str(raised.value) and raised.value.__suppress_context__
