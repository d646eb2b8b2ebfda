"""Inputs that are nearly valid: seeds, cut, joined and altered at random. It knows no format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

EDGES = (0, 1, 0x7F, 0x80, 0xFF)
NUMBERS = (b"0", b"-1", b"1e400", b"NaN", b"65536", b"2147483648", b"18446744073709551616", b"9" * 400)
MOST_EDITS = 4


def mutations(seeds: Sequence[bytes], words: Sequence[bytes], longest: int, random: Random) -> Iterator[bytes]:
    """Yield the seeds, then altered ones without end, of at most `longest` bytes each."""
    yield from seeds
    while True:
        yield mutated(seeds, words, random)[:longest]


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """Return one of the seeds, altered in a few places."""
    content = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, MOST_EDITS)):
        _edit(content, seeds, words, random)
    return bytes(content)


def _edit(content: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> None:
    start = random.randint(0, len(content))
    stop = min(len(content), start + random.choice((0, 1, 2, 4, 16, 64)))
    content[start:stop] = _put(content, seeds, words, random)


def _put(content: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """Return what is put in the place: nothing, bytes, a word of the format, a part of the input or of another."""
    source = random.randrange(6)
    if source == 0:
        return b""
    if source == 1:
        return bytes(random.choice(EDGES) for _ in range(random.choice((1, 2, 4))))
    if source == 2:
        return random.randbytes(random.choice((1, 2, 4, 16)))
    if source == 3:
        return random.choice((*words, *NUMBERS))
    other = bytes(content) if source == 4 else random.choice(seeds)
    start = random.randint(0, len(other))
    return other[start : start + random.choice((1, 4, 16, 256))]
