"""How requests are split among versions by percent: spread evenly, or by a key that always goes the same way. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, Protocol, TypeVar

GOLDEN_RATIO = 0.6180339887498949
HASH_BYTES = 8


class Versioned(Protocol):
    """What traffic can be split among."""

    version: str


V = TypeVar("V", bound=Versioned)


@dataclass(frozen=True)
class Traffic(Generic[V]):
    """The traffic in force: percent by deployment. Never changed, only replaced: a request sees one or the other."""

    shares: tuple[tuple[V, int], ...] = ()

    def choose(self, number: int) -> V | None:
        """Return the deployment for the request of this number, or None where nothing has traffic.

        Multiples of the golden ratio spread evenly over 0..1 (the additive recurrence, Roberts 2018), so that a share
        of 10 % is close to 10 % over few requests too.
        """
        if len(self.shares) == 1 and self.shares[0][1]:
            return self.shares[0][0]
        point = (number * GOLDEN_RATIO) % 1.0 * sum(percent for _, percent in self.shares)
        for deployment, percent in self.shares:
            point -= percent
            if point < 0:
                return deployment
        return None

    def stick(self, key: str) -> V | None:
        """Return the deployment for all requests of a key, or None where nothing has traffic.

        Weighted rendezvous hashing (Schindelhauer and Schomaker 2005): where a version's share grows, keys move to it
        and none leaves it, in whatever order the versions stand.
        """
        scores = [(_draw(key, one.version) / percent, one) for one, percent in self.shares if percent > 0]
        return min(scores, key=lambda score: score[0])[1] if scores else None

    def percents(self) -> dict[str, int]:
        """Return the percent of each version."""
        return {deployment.version: percent for deployment, percent in self.shares}

    def has(self, deployment: V) -> bool:
        """Tell whether a deployment can be chosen."""
        return any(deployment is other and percent > 0 for other, percent in self.shares)


def _draw(key: str, version: str) -> float:
    """Return a number of an exponential distribution, the same one for the same key and version on any machine."""
    digest = blake2b(f"{version}\0{key}".encode(errors="surrogatepass"), digest_size=HASH_BYTES).digest()
    return -math.log((int.from_bytes(digest, "big") + 1) / 2 ** (8 * HASH_BYTES))
