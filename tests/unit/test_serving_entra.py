"""Tokens of Entra ID, against a tenant of the test's own: a server on loopback that publishes real keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

import serving.entra
from serving.door import Door
from serving.entra import Entra
from serving.errors import RequestError
from tenants import AUDIENCE, FOREIGN, NEXT, SIGNING, TENANT, Tenant, claims_of, published, running_tenant, token_of


@pytest.fixture
def tenant() -> Iterator[Tenant]:
    """Run a tenant for one test."""
    with running_tenant() as made:
        yield made


def entra_of(tenant: Tenant, *roles: str) -> Entra:
    """Return what trusts a tenant."""
    return Entra(TENANT, AUDIENCE, frozenset(roles), f"{tenant.url}/")


def refusal(entra: Entra, token: str) -> RequestError:
    """Return how a token is refused: in one line, which does not repeat it; and it is not known afterwards."""
    with pytest.raises(RequestError) as refused:
        entra.verify(token)
    reason = str(refused.value)
    assert "\n" not in reason and len(reason) < 120
    assert not any(part in reason for part in token.split(".") if len(part) > 8)
    assert not entra.knows(digest(token))
    return refused.value


def digest(token: str) -> bytes:
    """Return what the door looks a token up by."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def part(value: Any) -> str:
    """Return a value as a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("issuer", ["{url}/{tenant}/v2.0", "https://sts.windows.net/{tenant}/"])
def test_a_good_token_of_either_version_is_verified_once_and_known_then(tenant: Tenant, issuer: str) -> None:
    entra = entra_of(tenant)
    token = token_of(tenant, iss=issuer.format(url=tenant.url, tenant=TENANT))
    assert not entra.knows(digest(token))

    entra.verify(token)
    assert entra.knows(digest(token))
    assert tenant.fetches == 1


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "api://another"}, "another audience"),
        ({"aud": None}, "lacks"),
        ({"exp": None}, "lacks"),
        ({"iss": None}, "lacks"),
        ({"iss": "https://sts.windows.net/99999999-2222-3333-4444-555555555555/"}, "not of this tenant"),
        ({"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"}, "not of this tenant"),
        ({"exp": int(time.time()) - 120}, "expired"),
        ({"nbf": int(time.time()) + 7 * 86400}, "not valid yet"),
        ({"exp": "soon"}, "no signed token"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(tenant: Tenant, claims: dict[str, Any], reason: str) -> None:
    refused = refusal(entra_of(tenant), token_of(tenant, **claims))

    assert (refused.status, reason in str(refused)) == (401, True)


def test_clocks_may_differ_by_a_minute(tenant: Tenant) -> None:
    now = int(time.time())

    entra_of(tenant).verify(token_of(tenant, exp=now - 30, nbf=now - 3600))
    entra_of(tenant).verify(token_of(tenant, nbf=now + 30))


def public_pem() -> bytes:
    """Return the tenant's key as a forger knows it: its public half."""
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return SIGNING.public_key().public_bytes(serialization.Encoding.PEM, kind)


def unsigned(tenant: Tenant, algorithm: str) -> str:
    """Return header and claims of a forged token, without its signature."""
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'now'})}.{part(claims_of(tenant))}"


def hmac_signed(tenant: Tenant) -> str:
    """Return a token that is signed by HS256 with the public key as its secret."""
    content = unsigned(tenant, "HS256")
    signature = hmac.digest(public_pem(), content.encode(), "sha256")
    return f"{content}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


FORGERIES: dict[str, tuple[Callable[[Tenant], str], str]] = {
    "another key": (lambda tenant: token_of(tenant, FOREIGN), "signature is wrong"),
    "no signature": (lambda tenant: f"{unsigned(tenant, 'RS256')}.", "signature is wrong"),
    "alg none": (lambda tenant: f"{unsigned(tenant, 'none')}.", "not signed by RS256"),
    "HS256 with the public key": (hmac_signed, "not signed by RS256"),
    "RS512": (lambda tenant: token_of(tenant, algorithm="RS512"), "not signed by RS256"),
    "an unknown key": (lambda tenant: token_of(tenant, FOREIGN, kid="foreign"), "not one of the tenant's"),
    "no key named": (lambda tenant: token_of(tenant, kid=None), "not one of the tenant's"),
    "a changed claim": (lambda tenant: changed(tenant), "signature is wrong"),
    "three words": (lambda tenant: "a.b.c", "no signed token"),
    "no token": (lambda tenant: "hello", "no signed token"),
    "nothing UTF-8 says": (lambda tenant: "\udc80.é.\x00", "no signed token"),
    "nesting": (lambda tenant: nested(), "no signed token"),
}


def changed(tenant: Tenant) -> str:
    """Return a good token, of which the claims were changed."""
    header, _, signature = token_of(tenant).split(".")
    return f"{header}.{part(claims_of(tenant, roles=['Admin']))}.{signature}"


def nested() -> str:
    """Return a token whose header no parser likes."""
    return f"{base64.urlsafe_b64encode(b'[' * 20_000).decode()}.e30.e30"


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(tenant: Tenant, name: str) -> None:
    forge, reason = FORGERIES[name]
    refused = refusal(entra_of(tenant), forge(tenant))

    assert (refused.status, str(refused)) == (401, f"the token is refused: {str(refused).split(': ')[1]}")
    assert reason in str(refused)


@pytest.mark.parametrize("claims", [{"roles": ["Score", "Other"]}, {"scp": "User.Read Score"}])
def test_one_of_the_roles_or_scopes_is_enough(tenant: Tenant, claims: dict[str, Any]) -> None:
    entra_of(tenant, "Score", "Admin").verify(token_of(tenant, **claims))


@pytest.mark.parametrize("claims", [{}, {"roles": []}, {"roles": "Score"}, {"roles": ["score"]}, {"scp": "Scores"}])
def test_a_token_without_the_role_is_refused_by_403(tenant: Tenant, claims: dict[str, Any]) -> None:
    assert refusal(entra_of(tenant, "Score"), token_of(tenant, **claims)).status == 403


def test_a_token_is_known_no_longer_than_it_is_good(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    entra, token = entra_of(tenant), token_of(tenant)
    entra.verify(token)
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)

    assert not entra.knows(digest(token))


def test_no_more_tokens_are_remembered_than_there_is_room_for(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.entra, "REMEMBERED", 2)
    entra = entra_of(tenant)
    tokens = [token_of(tenant, jti=str(number)) for number in range(3)]
    for token in tokens:
        entra.verify(token)

    assert [entra.knows(digest(token)) for token in tokens] == [False, True, True]


def test_an_unknown_key_is_fetched_at_most_once_a_minute(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    entra = entra_of(tenant)
    entra.verify(token_of(tenant))
    tenant.answer = {"keys": [published(NEXT, "next")]}
    refusal(entra, token_of(tenant, NEXT, kid="next"))
    assert tenant.fetches == 1

    pass_time(monkeypatch, 61)
    entra.verify(token_of(tenant, NEXT, kid="next"))
    assert tenant.fetches == 2
    refusal(entra, token_of(tenant, jti="later"))  # its key is not published any more


def test_a_key_that_the_tenant_took_back_is_good_for_a_day_at_most(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    entra = entra_of(tenant)
    entra.verify(token_of(tenant))
    tenant.answer = {"keys": [published(NEXT, "next")]}
    pass_time(monkeypatch, 24 * 3600 + 1)

    refusal(entra, token_of(tenant, jti="later"))


@pytest.mark.parametrize(
    "answer", [[], {}, {"keys": []}, {"keys": ["x"]}, "x", {"keys": [{"kty": "RSA", "kid": "now"}]}]
)
def test_keys_that_are_known_stay_where_none_can_be_fetched(
    tenant: Tenant, answer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entra = entra_of(tenant)
    entra.verify(token_of(tenant))
    tenant.answer = answer
    pass_time(monkeypatch, 24 * 3600 + 1)

    entra.verify(token_of(tenant, jti="later"))
    assert tenant.fetches == 2
    assert "no keys could be fetched" in capsys.readouterr().err


def test_before_any_key_was_fetched_the_client_is_asked_to_come_again(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.status = 500
    entra, token = entra_of(tenant), token_of(tenant)
    refused = [refusal(entra, token), refusal(entra, token)]
    assert [(one.status, one.retry_after) for one in refused] == [(503, 5), (503, 5)]
    assert tenant.fetches == 1

    tenant.status = 200
    pass_time(monkeypatch, 6)
    entra.verify(token)


def test_tokens_that_come_while_the_keys_are_fetched_wait_for_them(tenant: Tenant) -> None:
    entra = entra_of(tenant)
    tenant.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(entra.verify, token_of(tenant, jti=str(number))) for number in range(4)]
        assert tenant.entered.wait(30)
        tenant.gate.set()
        assert [one.result(30) for one in waiting] == [None] * 4
    assert tenant.fetches == 1


def test_keys_for_other_ends_are_not_used_to_verify(tenant: Tenant) -> None:
    tenant.answer = {"keys": [published(SIGNING, "now", use="enc"), published(NEXT, "next", alg="RS512")]}
    entra = entra_of(tenant)

    assert refusal(entra, token_of(tenant)).status == 503  # no key is left
    assert refusal(entra, token_of(tenant, NEXT, kid="next")).status == 503


def test_the_door_hands_out_what_is_to_be_verified_and_lets_in_what_was(tenant: Tenant) -> None:
    door, token = Door(None, entra_of(tenant)), token_of(tenant)
    headers = {"authorization": f"Bearer {token}"}

    assert door.check("/score", headers) == token
    door.verify(token)
    assert door.check("/score", headers) is None
    assert door.check("/score", {"authorization": f"Bearer {token}x"}) == f"{token}x"
    assert token not in repr(door)


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock that says when to fetch forward."""
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + seconds)
