"""The door and TLS of a running endpoint, by real connections."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from authorities import Authority
from model_packages import MODEL, declared, make_package
from running_endpoint import RunningEndpoint, declare, picture, run_serving, running_endpoint, wait_for
from tenants import AUDIENCE, FOREIGN, TENANT, Tenant, running_tenant, token_of

KEY, OTHER, BEYOND_ASCII = "correct-horse-battery", "staple", "schlüssel"
KEYS = f"camera:{KEY}\nyard:{BEYOND_ASCII}\n"
RED = picture((220, 9, 9))
TWO_WORKERS = ("--workers", "2")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package."""
    return make_package(tmp_path_factory.mktemp("package"))


@contextmanager
def serving(package: Path, folder: Path, client: httpx.Client, *flags: str | Path) -> Iterator[RunningEndpoint]:
    """Serve a package as version 7 until the test ends, and tell `client` where, once it is ready."""
    folder.mkdir(exist_ok=True)
    declare(folder, {"7": declared(package)}, {"7": 100})
    with running_endpoint(folder, *flags) as endpoint:
        client.base_url = endpoint.url
        wait_for(lambda: client.get("/v2/health/ready").status_code == 200)
        yield endpoint


def client_of(verify: ssl.SSLContext | bool = True, **headers: str) -> httpx.Client:
    """Return a client that sends headers with each request."""
    return httpx.Client(headers=headers, verify=verify, timeout=30, trust_env=False)


def bearer(secret: str) -> dict[str, str]:
    """Return the header that bears a key or token."""
    return {"authorization": f"Bearer {secret}"}


# --- keys ---


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of two keys."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(KEYS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def locked(package: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run an endpoint with keys, by two workers, and return a client without one."""
    folder = tmp_path_factory.mktemp("locked")
    with client_of() as client, serving(package, folder, client, "--keys", keys, *TWO_WORKERS):
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/score"),
        ("POST", f"/v2/models/{MODEL}/infer"),
        ("GET", f"/v2/models/{MODEL}"),
        ("POST", f"/v2/repository/models/{MODEL}/unload"),
        ("GET", "/deployments"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/%64eployments"),
    ],
)
def test_without_a_key_there_is_a_challenge_and_nothing_else(locked: httpx.Client, method: str, path: str) -> None:
    answer = locked.request(method, path)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert list(answer.json()) == ["error"]


def test_with_a_key_all_is_answered(locked: httpx.Client) -> None:
    assert locked.post("/score", content=RED, headers=bearer(KEY)).json()["label"] == "red"
    assert locked.post("/score", content=RED, headers={"x-api-key": KEY}).status_code == 200
    assert locked.get("/metrics", headers=bearer(KEY)).status_code == 200


def test_a_key_beyond_ascii_is_sent_as_its_utf_8(locked: httpx.Client) -> None:
    answers = [locked.get("/docs", headers={b"x-api-key": BEYOND_ASCII.encode(kind)}) for kind in ("utf-8", "latin-1")]

    assert [answer.status_code for answer in answers] == [200, 401]


def test_health_needs_no_key(locked: httpx.Client) -> None:
    assert [locked.get(f"/v2/health/{name}").status_code for name in ("live", "ready")] == [200, 200]


@pytest.mark.parametrize(
    "path", ["/v2/health/../../deployments", "/v2/health/%2e%2e/%2e%2e/deployments", "/v2/health/"]
)
def test_no_way_leads_past_the_door_through_health(locked: httpx.Client, path: str) -> None:
    assert first_line(locked, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n") == "HTTP/1.1 404 Not Found"


def test_who_has_no_key_is_refused_before_the_body_is_sent(locked: httpx.Client) -> None:
    head = "POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n123456789"

    assert first_line(locked, head) == "HTTP/1.1 401 Unauthorized"


def first_line(client: httpx.Client, request: str) -> str:
    """Return how the answer to a request, sent as it stands, begins."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=30) as connection:
        connection.sendall(request.encode())
        return connection.makefile(encoding="latin-1").readline().strip()


def test_a_key_that_is_taken_out_of_the_file_is_refused_by_every_worker(locked: httpx.Client, keys: Path) -> None:
    keys.write_text(f"camera:{OTHER}\n", encoding="utf-8")
    try:
        for key, status in ((KEY, 401), (OTHER, 200)):
            wait_for(lambda: statuses(locked, key, 8) == {status})
    finally:
        keys.write_text(KEYS, encoding="utf-8")
        wait_for(lambda: statuses(locked, KEY, 8) == {200})


def statuses(client: httpx.Client, key: str, count: int) -> set[int]:
    """Return how requests with a key are answered, each on a connection of its own, so that all workers are asked."""
    headers = {**bearer(key), "connection": "close"}
    return {client.get("/deployments", headers=headers).status_code for _ in range(count)}


def test_a_file_of_keys_that_can_not_be_used_ends_the_server_with_one_line(tmp_path: Path) -> None:
    run = run_serving("endpoint", "--directory", tmp_path / "d", "--keys", tmp_path / "none")

    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/none: cannot be read")


# --- tokens ---


@pytest.fixture(scope="module")
def tenant() -> Iterator[Tenant]:
    """Run a tenant."""
    with running_tenant() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(package: Path, tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run an endpoint that takes the tenant's tokens, and return a client without one."""
    flags = ("--entra-tenant", TENANT, "--entra-audience", AUDIENCE, "--entra-authority", tenant.url)
    folder = tmp_path_factory.mktemp("guarded")
    with client_of() as client, serving(package, folder, client, *flags, "--entra-roles", "Score", "--open-metrics"):
        yield client


def test_while_the_tenants_keys_are_fetched_others_are_answered(guarded: httpx.Client, tenant: Tenant) -> None:
    tenant.gate.clear()
    token = token_of(tenant, roles=["Score"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guarded.post, "/score", content=RED, headers=bearer(token))
        assert tenant.entered.wait(30)
        assert guarded.get("/v2/health/live").status_code == 200
        assert guarded.get("/metrics").status_code == 200
        assert not waiting.done()
        tenant.gate.set()
        assert waiting.result(30).json()["label"] == "red"
    fetches = tenant.fetches
    assert guarded.post("/score", content=RED, headers=bearer(token)).status_code == 200
    assert tenant.fetches == fetches


def test_a_token_is_refused_by_what_it_lacks(guarded: httpx.Client, tenant: Tenant) -> None:
    without_role = guarded.post("/score", content=RED, headers=bearer(token_of(tenant)))
    forged = guarded.post("/score", content=RED, headers=bearer(token_of(tenant, FOREIGN, roles=["Score"])))

    assert (without_role.status_code, without_role.json()["error"]) == (403, "the token has none of the roles Score")
    assert (forged.status_code, forged.json()["error"]) == (401, "the token is refused: its signature is wrong")
    assert forged.headers["www-authenticate"] == "Bearer"


# --- TLS ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(package: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Run an endpoint with TLS, and return a client that trusts its authority."""
    certificate, key = authority.issue("server")
    folder = tmp_path_factory.mktemp("secure")
    flags = ("--tls-certificate", certificate, "--tls-key", key)
    with client_of(authority.client()) as client, serving(package, folder, client, *flags):
        yield client


def test_with_a_certificate_the_endpoint_speaks_https(secure: httpx.Client) -> None:
    assert secure.base_url.scheme == "https"
    assert secure.post("/score", content=RED).json()["label"] == "red"


def test_a_client_that_does_not_trust_the_authority_or_speaks_no_tls_harms_nobody(secure: httpx.Client) -> None:
    with client_of() as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get(f"{secure.base_url}/v2/health/live")
    with client_of() as plain, pytest.raises(httpx.TransportError):
        plain.get(f"http://{secure.base_url.netloc.decode()}/v2/health/live")

    assert secure.get("/v2/health/live").status_code == 200


def test_a_renewed_certificate_is_shown_to_new_connections_and_old_ones_stay(
    secure: httpx.Client, authority: Authority
) -> None:
    address = (secure.base_url.host, secure.base_url.port or 0)
    before = shown(address, authority)
    old = kept(secure)
    authority.issue("server")

    wait_for(lambda: shown(address, authority) != before)
    assert kept(secure) == old


def kept(client: httpx.Client) -> Any:
    """Return the serial number of the certificate on the connection that a client keeps."""
    with client.stream("GET", "/v2/health/live") as answer:
        answer.read()
        return answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert()["serialNumber"]


def shown(address: tuple[str, int], authority: Authority) -> Any:
    """Return the serial number of the certificate that a new connection is shown."""
    with socket.create_connection(address, timeout=30) as plain:
        with authority.client().wrap_socket(plain, server_hostname=address[0]) as connection:
            return (connection.getpeercert() or {})["serialNumber"]


def test_with_a_client_authority_only_its_clients_are_answered(
    package: Path, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("mutual")
    flags = ("--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", authority.certificate)
    foreign = Authority(tmp_path / "foreign").issue("camera")
    with client_of(authority.client(*authority.issue("camera"))) as client:
        with serving(package, tmp_path / "mutual", client, *flags):
            for context in (authority.client(), authority.client(*foreign)):
                with client_of(context) as stranger, pytest.raises(httpx.TransportError):
                    stranger.get(f"{client.base_url}/v2/health/live")
            assert client.post("/score", content=RED).json()["label"] == "red"


def test_a_key_that_is_not_the_certificates_ends_the_server_with_one_line(authority: Authority, tmp_path: Path) -> None:
    flags = ("--tls-certificate", authority.issue("one")[0], "--tls-key", authority.issue("two")[1])
    run = run_serving("endpoint", "--directory", tmp_path, *flags)

    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert "is not the key of" in run.stderr
