"""Protocol buffers' wire format, as much of it as Terraform's plugin protocol needs: varints, and bytes with a length.

Written out here because the messages are few and no generated code fits each version of protobuf:
protobuf.dev/programming-guides/encoding, and tfplugin5.proto in Terraform's own repository.
"""

from __future__ import annotations

from collections.abc import Iterable

VARINT, BYTES = 0, 2

Value = int | bool | str | bytes
Fields = dict[int, list[bytes | int]]


def message(*fields: tuple[int, Value | None]) -> bytes:
    """Return a message of numbered fields; None leaves one out, and so does what protobuf takes as the default."""
    return b"".join(_field(number, value) for number, value in fields if value not in (None, 0, False, ""))


def repeated(number: int, values: Iterable[bytes]) -> list[tuple[int, Value | None]]:
    """Return a repeated field of messages."""
    return [(number, value) for value in values]


def entry(key: str, value: bytes) -> bytes:
    """Return one entry of a map."""
    return message((1, key), (2, value))


def fields(data: bytes) -> Fields:
    """Return the fields of a message by number. Raises ValueError on a kind of field that isn't read here."""
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == VARINT:
            value, at = _varint(data, at)
            found.setdefault(tag >> 3, []).append(value)
        elif tag & 7 == BYTES:
            size, at = _varint(data, at)
            found.setdefault(tag >> 3, []).append(data[at : at + size])
            at += size
        else:
            raise ValueError(f"field {tag >> 3}: kind {tag & 7} is not read here")
    return found


def inner(found: Fields, number: int) -> bytes:
    """Return the last value of a field of bytes, b"" where it is absent."""
    value = found.get(number, [b""])[-1]
    assert isinstance(value, bytes)
    return value


def _field(number: int, value: Value | None) -> bytes:
    if isinstance(value, int):
        return _number(number << 3 | VARINT) + _number(int(value))
    data = value.encode() if isinstance(value, str) else value or b""
    return _number(number << 3 | BYTES) + _number(len(data)) + data


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
