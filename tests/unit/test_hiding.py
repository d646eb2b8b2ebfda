"""Other people's words without their secrets: each way to write one, and what looks like one and is none."""

from __future__ import annotations

import pytest

from mlops.hiding import hidden

S = "S3cr3t/va+lue=="


@pytest.mark.parametrize(
    "text",
    [
        f"https://a.blob.core.windows.net/c/b?sv=1&sig={S}&se=2",
        f"https://a/b?sv=1&sig%3D{S}",
        f"Authorization: Bearer {S}",
        f"Authorization: SharedKey account:{S}",
        f"Authorization: Basic {S}",
        f'{{"Authorization": "Bearer {S}"}}',
        f"bearer {S}",
        f"token: Bearer {S}",
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={S};EndpointSuffix=core",
        f"Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey={S}",
        f"SharedAccessSignature={S}",
        f'{{"primaryKey":"{S}"}}',
        f'{{"secondaryKey": "{S}"}}',
        f"api-key: {S}",
        f"x-api-key:{S}",
        f"Ocp-Apim-Subscription-Key: {S}",
        f"password={S}",
        f"PWD: {S}",
        f'"access_token":"{S}"',
        f'\\"access_token\\": \\"{S}\\"',
        f"client_secret={S}&grant_type=x",
        f"client_assertion={S}",
        f"?code={S}&state=1",
        f"https://user:{S.replace('/', '_')}@host/path",
        f"eyJ{'0' * 30}.{'0' * 30}.c2ln",
        f"ghp_{'0' * 36}",
        f"github_pat_{'0' * 30}",
        f"AZURE_CLIENT_SECRET={S}",
        f"SYSTEM_ACCESSTOKEN={S}",
        f"MQTT_PASSWORD={S}",
        f"STORAGE_ACCOUNT_KEY={S}",
        f"AZURE_STORAGE_KEY={S}",
        f'"REPORT_TOKEN": "{S}"',
        f"sas_token={S}",
        f"sasToken={S}",
        f"dbPassword={S}",
        f"secret={S}",
        f"?sv=1%26sig%3D{S}",
        f'password="two {S}"',
        f"password='a, b; {S}'",
        f'password="with \\" and {S}"',
        f'{{\\"password\\": \\"two {S}\\"}}',
        f'password="cut off {S}',
        f"Authorization: token {S}",
        f"authorization: ApiKey {S}",
        f"Authorization=Bearer%20{S}",
    ],
)
def test_a_secret_is_hidden_however_it_is_written(text: str) -> None:
    said = hidden(text)
    assert "[hidden]" in said
    assert not any(part in said for part in ("S3cr3t", "lue==", "eyJ", "ghp_", "github_pat_")), said


@pytest.mark.parametrize(
    "text",
    [
        "403 the identity lacks a role: error code: AuthorizationFailed",
        "exit code: 1",
        "https://host:8443/path?api-version=2024-04-01",
        "key vault visionline-dev, secret github-app",
        "ssh://git@host/team/repository.git",
        "AccountName=a;EndpointSuffix=core",
        "the token expired",
        "a password is needed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert hidden(text) == text


@pytest.mark.parametrize(
    "text, said",
    [
        (f'{{"password": "two {S}", "user": "me"}}', '{"[hidden], "user": "me"}'),
        (f"'token={S}' is refused", "'[hidden]' is refused"),
        (f"AZURE_CLIENT_SECRET={S} AZURE_CLIENT_ID=1", "AZURE_[hidden] AZURE_CLIENT_ID=1"),
    ],
)
def test_what_is_beside_a_secret_stays(text: str, said: str) -> None:
    assert hidden(text) == said


@pytest.mark.parametrize("part", ["a_", 'token="', "\\", "://a:"])
def test_a_line_of_a_megabyte_is_read_at_once(part: str) -> None:
    # Read once for each of its words it would take hours: the test would never end.
    assert hidden(part * (2**20 // len(part)) + f" password={S}").endswith("[hidden]")


def test_lines_stay_lines() -> None:
    assert hidden(f"first\n  password={S}\nlast") == "first\n  [hidden]\nlast"
