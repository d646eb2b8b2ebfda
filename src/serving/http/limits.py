"""What clients may take: bytes, seconds, and the memory of all request bodies together."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bytes and seconds of one client; `bodies` bounds the bytes of all bodies of a process.

    Where a process has as many as `connections`, those on which nothing is asked for `crowded_seconds` make room.
    """

    head_bytes: int = 32 * 1024
    body_bytes: int = 32 * MEBIBYTE
    bodies: int = 256 * MEBIBYTE
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0  # longer than clients and proxies keep idle connections, so that they close first
    crowded_seconds: float = 1.0
    connections: int = 1024
    write_seconds: float = 30.0
    linger_seconds: float = 2.0  # for a refused client to read why, before the connection goes


@dataclass
class Memory:
    """An account of bytes: `reserved` of `limit` are taken."""

    limit: int
    reserved: int = 0

    def reserve(self, size: int) -> bool:
        """Take so many bytes; False where that would be more than the limit."""
        if self.reserved + size > self.limit:
            return False
        self.reserved += size
        return True

    def release(self, size: int) -> None:
        """Give so many bytes back."""
        self.reserved -= size
