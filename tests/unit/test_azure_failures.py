"""What Azure's SDKs raise becomes one line that says what to do, and no secret gets into it."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.identity import CredentialUnavailableError

from mlops.adapters.azureml.failures import ADVICE, AGAIN, LOGINS, explained, reason
from mlops.errors import JobError, RegistryError, StepError

SECRETS = (
    "https://store.blob.core.windows.net/c/b?sv=1&sig=S3CRET%2Bx&se=2",
    "Authorization: Bearer S3CRET.abc-def",
    '{"access_token": "S3CRET"}',
    "AccountName=a;AccountKey=S3CRET==;EndpointSuffix=x",
    "client_secret=S3CRET&grant_type=client_credentials",
    "the token " + ".".join(("eyJhbGciOiJSUzI1NiJ9", "eyJzdWIiOiJTM0NSRVQifQ", "S3CRET")) + " was refused",
)


def http_error(status: int, message: str = "no") -> HttpResponseError:
    error = HttpResponseError(message)
    error.status_code = status
    return error


@pytest.mark.parametrize("status", ADVICE)
def test_each_status_has_its_advice(status: int) -> None:
    with pytest.raises(RegistryError, match=rf"^models of ws: {status} no: ") as raised, explained(
        "models of ws", RegistryError
    ):
        raise http_error(status)
    assert str(raised.value).endswith(ADVICE[status])


UNKNOWN_ASSERTION = "AADSTS700213: No matching federated identity record found\r\nfor presented assertion subject"


def refused_login(status: int | None) -> ClientAuthenticationError:
    error = ClientAuthenticationError(UNKNOWN_ASSERTION)
    error.status_code = status
    return error


@pytest.mark.parametrize(
    "error, advice",
    [
        (ServiceRequestError("Connection\n  reset"), AGAIN),
        (refused_login(None), LOGINS["ClientAuthenticationError"]),
        (refused_login(400), LOGINS["ClientAuthenticationError"]),
        (refused_login(401), ADVICE[401]),
        (refused_login(503), AGAIN),
        (CredentialUnavailableError("Azure CLI not\n found on path"), LOGINS["CredentialUnavailableError"]),
    ],
)
def test_what_has_no_status_of_its_own_is_one_line_with_advice_too(error: Exception, advice: str) -> None:
    with pytest.raises(StepError) as raised, explained("login"):
        raise error
    assert "\n" not in str(raised.value) and str(raised.value).endswith(f": {advice}")


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_hidden(text: str) -> None:
    assert "S3CRET" not in reason(http_error(400, text)) and "[hidden]" in reason(http_error(400, text))


def test_our_own_errors_and_defects_pass_as_they_are() -> None:
    for error in (JobError("step train failed"), KeyError("x")):
        with pytest.raises(type(error)) as raised, explained("anything"):
            raise error
        assert raised.value is error


def test_a_long_answer_is_cut() -> None:
    assert len(reason(http_error(500, "x" * 10_000))) < 600
