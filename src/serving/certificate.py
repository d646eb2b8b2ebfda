"""When a certificate ends, read out of its DER bytes: the standard library says it of authorities' only. Pure.

Sources: RFC 5280, 4.1 (the fields of a certificate) and 4.1.2.5 (its dates); X.690 (DER).
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
VERSION, UTC_TIME = 0xA0, 0x17


def not_after(pem: str) -> datetime | None:
    """Return until when the first certificate of a PEM text is valid, None where it can't be read out of it."""
    start, end = pem.find(BEGIN), pem.find(END)
    try:
        fields = _fields(_fields(ssl.PEM_cert_to_DER_cert(pem[start : end + len(END)]))[0][1])
        body = _fields(fields[0][1])
        without_version = body[1:] if body[0][0] == VERSION else body
        _, last = _fields(without_version[3][1])  # serial number, algorithm, issuer, validity
        return _moment(*last)
    except (ValueError, IndexError):
        return None


def _fields(content: bytes) -> list[tuple[int, bytes]]:
    """Return the tag and the content of each element of a sequence."""
    found, position = [], 0
    while position < len(content):
        tag, length, position = content[position], content[position + 1], position + 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(content[position : position + count])
            position += count
        found.append((tag, content[position : position + length]))
        position += length
    return found


def _moment(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    century = "" if tag != UTC_TIME else "19" if text >= "50" else "20"
    return datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
