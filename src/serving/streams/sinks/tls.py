"""TLS as a client: whom to trust, and by what certificate to be known."""

from __future__ import annotations

import ssl

from serving.errors import ServingError


def client_context(
    where: str, ca_file: str | None, certificate: str | None = None, key: str | None = None
) -> ssl.SSLContext:
    """Return a context that verifies the server by a CA's file, or by the system's where there is none.

    Raises ServingError, beginning with `where`, on a file that can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        files = ", ".join(filter(None, (ca_file, certificate, key)))
        raise ServingError(f"{where}: {files} cannot be used ({error.strerror or error})") from None
    return context
