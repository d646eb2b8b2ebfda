"""TLS for an endpoint: a certificate from files, taken up anew when they change. It knows no connection.

What changes is for connections to come: those that are open keep the certificate that they were opened with.
"""

from __future__ import annotations

import argparse
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from serving.certificate import not_after
from serving.errors import ServingError
from serving.followed import Followed


@dataclass(frozen=True)
class Certificates:
    """A certificate, its key, and the authority that clients need a certificate of, as the files now say."""

    followed: Followed[ssl.SSLContext]

    @classmethod
    def of(cls, options: argparse.Namespace) -> Certificates | None:
        """Return what the command line names, None for plain HTTP. Raises ServingError where it can't be used."""
        certificate, key, client_ca = options.tls_certificate, options.tls_key, options.tls_client_ca
        if certificate is None and key is None and client_ca is None:
            return None
        if certificate is None or key is None:
            raise ServingError("--tls-certificate and --tls-key: name both: TLS needs a certificate and its key")
        files = (certificate, key) if client_ca is None else (certificate, key, client_ca)
        made = cls(Followed(files, partial(context, certificate, key, client_ca)))
        made.context()
        return made

    def context(self) -> ssl.SSLContext:
        """Return the context for the next connection. Quick: it looks at the files once a second at most.

        Where changed files can't be used, what was in force stays, and the reason is logged.
        """
        return self.followed.now()


def context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Return a server's context: TLS 1.2 or later, and with `client_ca` only for clients with a certificate of it.

    The files are PEM. Raises ServingError; a certificate that has expired is a warning on stderr.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION  # which costs a server far more than the client that asks for it
    made.set_alpn_protocols(["http/1.1"])
    _load_chain(made, certificate, key)
    if client_ca is not None:
        _load_authority(made, client_ca)
    _warn(certificate)
    return made


def _load_chain(made: ssl.SSLContext, certificate: Path, key: Path) -> None:
    if b"-----BEGIN CERTIFICATE-----" not in _read(certificate):
        raise ServingError(f"{certificate}: holds no certificate: give a PEM file, the server's certificate first")
    if b"PRIVATE KEY-----" not in _read(key):
        raise ServingError(f"{key}: holds no private key: give a PEM file")
    try:
        made.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ServingError(f"{key}: is not the key of {certificate}: give the two that belong together") from None
        raise ServingError(f"{certificate}, {key}: cannot be used for TLS ({_reason(error)}): give PEM files") from None


def _load_authority(made: ssl.SSLContext, client_ca: Path) -> None:
    try:
        made.load_verify_locations(client_ca)
    except (OSError, ssl.SSLError) as error:
        reason = _reason(error)
        raise ServingError(f"{client_ca}: holds no certificate of an authority ({reason}): give a PEM file") from None
    made.verify_mode = ssl.CERT_REQUIRED


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal, and the server would wait for ever.
    raise ServingError("--tls-key: the key is encrypted: give one without a password, in a file that only you can read")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ServingError(f"{path}: cannot be read ({error.strerror}): give a PEM file") from None


def _reason(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror or "unknown"


def _warn(certificate: Path) -> None:
    end = not_after(certificate.read_text(encoding="latin-1"))
    if end is not None and end < datetime.now(UTC):
        print(f"warning: {certificate}: expired on {end:%Y-%m-%d}: clients will refuse it", file=sys.stderr, flush=True)
