"""TLS for an endpoint: a certificate from files, taken up anew when they change. It knows no connection."""

from __future__ import annotations

import argparse
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from serving.errors import ServingError

LOOK_SECONDS = 1.0
Stamp = tuple[tuple[int, int, int], ...]


@dataclass
class Certificates:
    """A certificate, its key, and the authority that clients need a certificate of, None where they need none."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    _context: ssl.SSLContext | None = None
    _stamp: Stamp = ()
    _looked: float = field(default=0.0)

    @classmethod
    def of(cls, options: argparse.Namespace) -> Certificates | None:
        """Return what the command line names, None for plain HTTP. Raises ServingError where it can't be used."""
        certificate, key, client_ca = options.tls_certificate, options.tls_key, options.tls_client_ca
        if certificate is None and key is None and client_ca is None:
            return None
        if certificate is None or key is None:
            raise ServingError("--tls-certificate and --tls-key: name both")
        made = cls(certificate, key, client_ca)
        made.context()
        return made

    def context(self) -> ssl.SSLContext:
        """Return the context for the next connection.

        Files that changed are taken up; where that fails, what was in force stays, and the reason is logged. Raises
        ServingError where nothing was in force yet.
        """
        now = time.monotonic()
        if self._context is not None and now - self._looked < LOOK_SECONDS:
            return self._context
        self._looked = now
        try:
            stamp = self._stamps()
            if stamp != self._stamp:
                self._context, self._stamp = _context(self.certificate, self.key, self.client_ca), stamp
        except (OSError, ssl.SSLError) as error:
            self._complain(error)
        assert self._context is not None
        return self._context

    def _stamps(self) -> Stamp:
        files = [path for path in (self.certificate, self.key, self.client_ca) if path is not None]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in map(Path.stat, files))

    def _complain(self, error: OSError) -> None:
        names = ", ".join(str(path) for path in (self.certificate, self.key, self.client_ca) if path is not None)
        reason = (
            f"{names}: cannot be used for TLS ({' '.join(str(error).split())}): give PEM files that belong together"
        )
        if self._context is None:
            raise ServingError(reason) from None
        print(f"{reason}: the certificate before stays in force", file=sys.stderr, flush=True)


def _context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
