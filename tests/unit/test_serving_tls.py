"""TLS from files, with certificates of an authority that the test makes, and real handshakes."""

from __future__ import annotations

import argparse
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from authorities import Authority
from serving.certificate import not_after
from serving.errors import ServingError
from serving.tls import Certificates, context


def options(certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> argparse.Namespace:
    """Return the flags of a command line."""
    return argparse.Namespace(tls_certificate=certificate, tls_key=key, tls_client_ca=client_ca)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """Connect a client to a server in memory and return the client's side. Raises ssl.SSLError of either."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (ours, theirs, ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    theirs.write(b"hello")  # what a server refuses of a client's certificate shows only here, in TLS 1.3
    assert ours.read() == b"hello"
    return ours


def serial(side: ssl.SSLObject) -> int:
    """Return the serial number of the certificate that the other side showed."""
    shown = side.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_client_that_trusts_the_authority_is_served_by_tls_1_3(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    side = shake_hands(context(*authority.issue("server"), None), authority.client())

    assert side.version() == "TLSv1.3"


def test_http_1_1_is_agreed_on_with_a_client_that_asks(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.client()
    client.set_alpn_protocols(["h2", "http/1.1"])

    assert shake_hands(context(*authority.issue("server"), None), client).selected_alpn_protocol() == "http/1.1"


def test_a_client_of_tls_1_2_is_served(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    client = authority.client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2

    assert shake_hands(context(*authority.issue("server"), None), client).version() == "TLSv1.2"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = context(*authority.issue("server"), None), authority.client()
    for side in (server, client):
        side.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL refuses TLS 1.1 by itself, whatever we say
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError):
        shake_hands(server, client)
    server.minimum_version = ssl.TLSVersion.TLSv1_1
    assert shake_hands(server, client).version() == "TLSv1.1"


def test_with_a_client_authority_only_its_clients_are_served(tmp_path: Path) -> None:
    authority, foreign = Authority(tmp_path / "ours"), Authority(tmp_path / "foreign")
    server = context(*authority.issue("server"), authority.certificate)
    shake_hands(server, authority.client(*authority.issue("camera")))

    with pytest.raises(ssl.SSLError):
        shake_hands(server, authority.client())
    with pytest.raises(ssl.SSLError):
        shake_hands(server, authority.client(*foreign.issue("camera")))


def test_files_that_change_are_taken_up_for_connections_to_come(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificates = following(authority)
    first = shake_hands(certificates.context(), authority.client())
    authority.issue("server")
    second = shake_hands(certificates.context(), authority.client())

    assert serial(first) != serial(second)


def test_a_certificate_whose_key_has_not_come_yet_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    certificates = following(authority)
    before = certificates.context()
    new_certificate, new_key = authority.issue("next")
    new_certificate.replace(certificate)
    assert certificates.context() is certificates.context() is before
    (complaint,) = capsys.readouterr().err.splitlines()
    assert complaint.startswith(f"{key}: is not the key of {certificate}")

    new_key.replace(key)
    assert certificates.context() is not before
    shake_hands(certificates.context(), authority.client())


def following(authority: Authority) -> Certificates:
    """Return the certificates of a server, which look at their files each time."""
    certificates = Certificates.of(options(*authority.issue("server")))
    assert certificates is not None
    certificates.followed.look_seconds = 0.0
    return certificates


def test_without_certificate_there_is_no_tls() -> None:
    assert Certificates.of(options(None, None)) is None


def test_what_can_not_be_used_is_refused_in_one_line_that_names_the_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (certificate, key), (other, _) = authority.issue("server"), authority.issue("other")
    none, text, cut = tmp_path / "none.pem", tmp_path / "text.pem", tmp_path / "cut.pem"
    text.write_text("hello")
    cut.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    assert f"{none}: cannot be read (No such file" in refusal(none, key)
    assert f"{none}: cannot be read (No such file" in refusal(certificate, none)
    assert f"{none}: cannot be read (No such file" in refusal(certificate, key, none)
    assert f"{text}: holds no certificate" in refusal(text, key)
    assert f"{text}: holds no private key" in refusal(certificate, text)
    assert f"{text}: holds no certificate of an authority" in refusal(certificate, key, text)
    assert f"{cut}, {key}: cannot be used for TLS" in refusal(cut, key)
    assert f"{key}: is not the key of {other}" in refusal(other, key)
    assert "name both" in refusal(certificate, None)
    assert "name both" in refusal(None, None, authority.certificate)


def test_an_encrypted_key_is_refused_instead_of_asking_for_its_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    kind = serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, kind, encryption))

    assert "is encrypted" in refusal(certificate, key)


def refusal(certificate: Path | None, key: Path | None, client_ca: Path | None = None) -> str:
    """Return why the files are refused."""
    with pytest.raises(ServingError) as refused:
        Certificates.of(options(certificate, key, client_ca))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_an_expired_certificate_is_warned_of_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(tmp_path)
    ended = datetime.now(UTC) - timedelta(days=2)
    certificate, key = authority.issue("server", until=ended)
    context(certificate, key, None)

    (warning,) = capsys.readouterr().err.splitlines()
    assert warning == f"warning: {certificate}: expired on {ended:%Y-%m-%d}: clients will refuse it"


def test_a_good_certificate_is_not_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context(*Authority(tmp_path).issue("server"), None)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("end", ["2031-05-04", "2049-12-31", "2050-01-01", "9999-12-31"])
def test_the_end_of_a_certificate_is_read_as_it_was_written(tmp_path: Path, end: str) -> None:
    moment = datetime.fromisoformat(f"{end}T12:34:56+00:00")
    certificate, _ = Authority(tmp_path).issue("server", until=moment)

    assert not_after(certificate.read_text()) == moment


@pytest.mark.parametrize("content", ["", "hello", "AAAA", "MAA=", "MIIB", "MAMwAQ=="])
def test_of_what_is_no_certificate_no_end_is_known(content: str) -> None:
    assert not_after(f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n") is None
    assert not_after(content) is None
