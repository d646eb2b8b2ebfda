"""The fake of Azure: the unmodified SDK takes it for the real one, and what it does not know fails a test."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from azurefake import routes, schemas
from azurefake.certificates import Authority
from azurefake.faults import FORBIDDEN, THROTTLED, Drop
from azurefake.fixture import complaints, running_azure
from azurefake.message import Answer, Request
from azurefake.routes import WS, route
from azurefake.stages import azure_stage, write_stages
from azurefake.state import GROUP, SUBSCRIPTION, WORKSPACE, Azure
from azurefake.tokens import ACCOUNT_KEY, token
from azurefake.workspaces import add_workspace
from mlops.config import load_stage

ARM = "https://management.azure.com"
PLACE = WS.format(subscription=SUBSCRIPTION, group=GROUP, workspace=WORKSPACE)
BLOBS = "https://fakestore.blob.core.windows.net/a"
VERSION = f"{ARM}{PLACE}/models/m/versions/1?api-version=2023-08-01-preview"


@pytest.fixture
def alone(tmp_path: Path, azure_authority: Authority) -> Iterator[Azure]:
    """Serve a fake Azure that nothing in the environment points at, and that may end with complaints."""
    with running_azure(tmp_path, azure_authority) as fake:
        yield fake


def asking(azure: Azure, **more: Any) -> httpx.Client:
    """Return a client that holds a token for Azure Resource Manager."""
    trusted = ssl.create_default_context(cafile=azure.bundle)
    headers = {"Authorization": f"Bearer {token(ARM, azure.token_seconds)}"}
    return httpx.Client(proxy=azure.proxy, verify=trusted, trust_env=False, headers=headers, **more)


def client() -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import WorkloadIdentityCredential

    return MLClient(WorkloadIdentityCredential(), SUBSCRIPTION, GROUP, WORKSPACE, enable_telemetry=False)


def test_the_sdk_reads_a_workspace_and_its_default_datastore(azure: Azure) -> None:
    sdk = client()
    assert sdk.workspaces.get(WORKSPACE).location == "westeurope"
    assert sdk.datastores.get_default().account_name == "fakestore"


def test_a_process_of_its_own_meets_it_by_its_environment_alone(azure: Azure) -> None:
    text = f"{ARM}{PLACE}"
    script = (
        "from azure.core import PipelineClient; from azure.core.pipeline.policies import BearerTokenCredentialPolicy;"
        "from azure.core.rest import HttpRequest; from azure.identity import WorkloadIdentityCredential;"
        f"bearer = BearerTokenCredentialPolicy(WorkloadIdentityCredential(), '{ARM}/.default');"
        f"print(PipelineClient('{ARM}', policies=[bearer]).send_request(HttpRequest('GET', '{text}')).status_code)"
    )
    own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**own, **azure.environment()}, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "200\n", done.stderr


def test_what_has_no_route_is_501_and_a_complaint(alone: Azure) -> None:
    with asking(alone) as http:
        assert http.get(f"{ARM}/nowhere").status_code == 501
        assert http.get("https://unheard.example.com/a?b=c").status_code == 501
        assert http.get("http://plain.example.com/").status_code == 501
    assert complaints(alone) == [
        "no route for GET management.azure.com/nowhere?",
        "no route for GET unheard.example.com/a?b=c",
        "no route for GET plain.example.com/?",
    ]


def test_a_handler_that_breaks_is_500_and_a_complaint(alone: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ROUTES", [])

    @route("GET", "/broken")
    def broken(azure: Azure, request: Request) -> Answer:
        raise KeyError("key")

    with asking(alone) as http:
        assert http.get(f"{ARM}/broken").status_code == 500
    assert "KeyError: 'key'" in complaints(alone)[0]


@pytest.mark.skipif(not schemas.FOLDER.is_dir(), reason=f"{schemas.FOLDER} is not there: Azure's published schemas")
@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"modelUri": "azureml://a", "modelType": "custom_model", "tags": {"a": "b"}}, None),
        ({"modelUri": "azureml://a", "tags": {"a": 1}}, "properties.tags"),
        ({"modelUri": 5}, "properties.modelUri"),
    ],
)
def test_a_body_that_the_published_schema_forbids_is_a_complaint(
    alone: Azure, properties: dict[str, Any], problem: str | None
) -> None:
    with asking(alone) as http:
        http.put(VERSION, json={"properties": properties})
    assert [problem in found for found in complaints(alone)] == ([True] if problem else [])


def test_nobody_is_let_in_without_a_token_of_the_right_audience_that_holds(alone: Azure) -> None:
    bearers = ("", "Bearer nonsense", f"Bearer {token('https://storage.azure.com', 60)}", f"Bearer {token(ARM, -1)}")
    with asking(alone) as http:
        answers = [http.get(ARM + PLACE, headers={"Authorization": bearer}) for bearer in bearers]
        said = [answer.json()["error"]["message"] for answer in answers]
        assert [answer.status_code for answer in answers] == [401] * 4
        assert "missing" in said[0] and "wrong audience" in said[2] and "expiry" in said[3]
        assert http.get(ARM + PLACE).status_code == 200
        assert http.put(f"{BLOBS}/b", content=b"c").status_code == 401


def test_a_token_that_ran_out_is_renewed_by_the_sdk(azure: Azure) -> None:
    azure.token_seconds = 1
    sdk = client()
    sdk.workspaces.get(WORKSPACE)
    deadline = time.time() + azure.token_seconds
    while time.time() < deadline:
        time.sleep(0.05)
    sdk.workspaces.get(WORKSPACE)
    bearers = {one.headers["authorization"] for one in azure.sent("GET", PLACE)}
    assert len(bearers) == len(azure.sent("POST", "/oauth2/v2.0/token")) == 2


def test_a_clients_secret_opens_and_a_wrong_one_does_not(azure: Azure) -> None:
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ClientSecretCredential

    tenant, name = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
    assert ClientSecretCredential(tenant, name, Azure.SECRET).get_token(f"{ARM}/.default").token
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        ClientSecretCredential(tenant, name, "wrong").get_token(f"{ARM}/.default")


def test_a_job_has_a_managed_identity(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure.job_environment().items():
        monkeypatch.setenv(name, value)
    from mlops.adapters.azureml.credentials import credential

    given = credential().get_token(f"{ARM}/.default").token
    with asking(azure) as http:
        assert http.get(ARM + PLACE, headers={"Authorization": f"Bearer {given}"}).status_code == 200


def test_a_machine_without_an_identity_says_so_at_once(alone: Azure) -> None:
    with asking(alone) as http:
        assert http.get("http://169.254.169.254/metadata/identity/oauth2/token").status_code == 400
    assert complaints(alone) == []


def test_each_token_and_key_is_marked() -> None:
    assert token(ARM, 60).endswith(f".{Azure.SECRET}")
    assert Azure.SECRET in ACCOUNT_KEY
    assert base64.b64decode(ACCOUNT_KEY, validate=True)


def test_a_fault_is_served_once_and_only_where_it_belongs(alone: Azure) -> None:
    alone.fail("GET", "/WORKSPACES/ws?", FORBIDDEN, THROTTLED)
    with asking(alone) as http:
        assert http.get(f"{ARM}{PLACE}/datastores").status_code == 200
        answers = [http.get(ARM + PLACE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [403, 429, 200]
    assert answers[1].headers["Retry-After"] == "1"
    assert len(alone.sent("GET", PLACE)) == 4


def test_the_sdk_waits_as_it_is_told_and_asks_again(azure: Azure) -> None:
    azure.fail("GET", "/workspaces/ws?", THROTTLED, Drop())
    assert client().workspaces.get(WORKSPACE).name == WORKSPACE
    assert len(azure.sent("GET", "/workspaces/ws?")) == 3


def test_a_connection_breaks_off_before_or_after_the_deed(alone: Azure) -> None:
    alone.fail("PUT", "/versions/1", Drop(after=10), Drop(handled=True))
    body = {"properties": {"modelUri": "azureml://a"}}
    for is_there in (False, True):
        with asking(alone) as http, pytest.raises(httpx.TransportError):
            http.put(VERSION, json=body)
        assert (alone.get(f"{PLACE}/models/m/versions/1") is not None) == is_there


def test_requests_share_a_connection_and_bodies_may_come_in_chunks(alone: Azure) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b'{"properties": {"modelUri":', b'"azureml://a"}}')

    with asking(alone, limits=httpx.Limits(max_connections=1)) as http:
        assert http.put(VERSION, content=pieces()).status_code == 201
        assert http.get(VERSION).json()["properties"]["modelUri"] == "azureml://a"


@pytest.mark.parametrize(("error", "ends"), [(None, "Succeeded"), ({"code": "A", "message": "b"}, "Failed")])
def test_an_operation_takes_its_polls_and_finishes_once(alone: Azure, error: dict[str, str] | None, ends: str) -> None:
    finished: list[int] = []
    headers = alone.operation(lambda: finished.append(1), polls=2, error=error)
    with asking(alone) as http:
        answers = [http.get(headers["Azure-AsyncOperation"]).json() for _ in range(3)]
    assert [answer["status"] for answer in answers] == ["InProgress", ends, ends]
    assert answers[-1].get("error") == error
    assert finished == [1]


def test_stages_point_at_the_workspace(tmp_path: Path) -> None:
    stage = azure_stage("qa", target="azureml-online", azureml={"registry": "shared"})
    assert (stage.platform, stage.azureml.workspace, stage.azureml.registry) == ("azureml", WORKSPACE, "shared")
    assert stage.azureml.online.auth == "key"
    folder = write_stages(tmp_path / "stages", production={"azureml": {"workspace": "other"}})
    assert [load_stage(name, folder).azureml.workspace for name in ("dev", "production")] == [WORKSPACE, "other"]


def test_two_workspaces_are_two(alone: Azure) -> None:
    other = add_workspace(alone, name="other", account="otherstore")
    with asking(alone) as http:
        found = http.get(f"{ARM}{PLACE.rpartition('/')[0]}").json()["value"]
    assert [one["name"] for one in found] == [WORKSPACE, "other"]
    assert len({one["properties"]["workspaceId"] for one in found}) == 2
    assert alone.get(f"{other}/datastores/workspaceblobstore")["properties"]["accountName"] == "otherstore"
