"""What an endpoint holds: its deployments and the traffic among them. It reads no file and loads no model.

Everything here is touched by one thread only, the event loop's, so nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from serving.errors import RequestError
from serving.model import Model

GOLDEN_RATIO = 0.6180339887498949


@dataclass(frozen=True)
class Declared:
    """What to serve as one version: a package folder, its digest and a variant."""

    package: str
    digest: str
    variant: str


@dataclass(eq=False)
class Deployment:
    """One version, from the start of its load to its last answer. `requests` and `errors` count live traffic only."""

    version: str
    declared: Declared
    model: Model | None = None
    reason: str | None = None
    requests: int = 0
    errors: int = 0
    in_flight: int = 0
    is_draining: bool = False

    @property
    def state(self) -> str:
        """Return ready, loading or failed."""
        if self.reason is not None:
            return "failed"
        return "loading" if self.model is None else "ready"

    def count(self, has_failed: bool) -> None:
        """Count one live request that it answered, or failed to."""
        self.requests += 1
        self.errors += has_failed

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the deployment in memory while a request that it was chosen for is answered."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1


@dataclass(frozen=True)
class Traffic:
    """The traffic in force: percent by deployment. Never changed, only replaced: a request sees one or the other."""

    shares: tuple[tuple[Deployment, int], ...] = ()

    def choose(self, number: int) -> Deployment | None:
        """Return the deployment for the request of this number, or None where nothing has traffic.

        Multiples of the golden ratio spread evenly over 0..1 (the additive recurrence, Roberts 2018), so that a share
        of 10 % is close to 10 % over few requests too.
        """
        point = (number * GOLDEN_RATIO) % 1.0 * sum(percent for _, percent in self.shares)
        for deployment, percent in self.shares:
            point -= percent
            if point < 0:
                return deployment
        return None

    def percents(self) -> dict[str, int]:
        """Return the percent of each version."""
        return {deployment.version: percent for deployment, percent in self.shares}

    def has(self, deployment: Deployment) -> bool:
        """Tell whether a deployment can be chosen."""
        return any(deployment is other and percent > 0 for other, percent in self.shares)


@dataclass
class Endpoint:
    """An endpoint's state. `observed` is the newest generation of which everything is done."""

    model: str = ""
    deployments: list[Deployment] = field(default_factory=list)
    traffic: Traffic = Traffic()
    observed: int = 0
    error: str | None = None
    routed: int = 0

    def check_name(self, model: str | None) -> None:
        """Raise RequestError 404 where a request names another model than the one served here."""
        if model is not None and model != self.model:
            raise RequestError(404, f"model {model} is not served here")

    @property
    def is_ready(self) -> bool:
        """Tell whether some deployment has traffic."""
        return any(percent for _, percent in self.traffic.shares)

    def main(self) -> Deployment:
        """Return the deployment with the most traffic. Raises RequestError 503 where none has any."""
        if not self.is_ready:
            raise RequestError(503, "no deployment has traffic")
        return max(self.traffic.shares, key=lambda share: share[1])[0]

    def route(self) -> Deployment:
        """Return the deployment that the traffic gives the next request to. Raises RequestError 503."""
        chosen = self.traffic.choose(self.routed)
        if chosen is None:
            raise RequestError(503, "no deployment has traffic")
        self.routed += 1
        return chosen

    def spare(self, failed: Deployment) -> Deployment | None:
        """Return the deployment with most traffic beside a failed one, None where no other has any."""
        others = [(percent, one) for one, percent in self.traffic.shares if one is not failed and percent > 0]
        return max(others, key=lambda share: share[0])[1] if others else None

    def find(self, version: str) -> Deployment:
        """Return the one deployment of a version. Raises RequestError: 404 on an unknown one, 503 if not ready."""
        found = [one for one in self.deployments if one.version == version and not one.is_draining]
        if not found:
            raise RequestError(404, f"version {version} of {self.model} is not deployed here")
        if found[-1].state != "ready":
            raise RequestError(503, f"version {version} of {self.model} is {found[-1].state}")
        return found[-1]

    def report(self) -> dict[str, Any]:
        """Return what GET /deployments answers."""
        return {
            "model": self.model,
            "observed_generation": self.observed,
            "error": self.error,
            "traffic": self.traffic.percents(),
            "deployments": {deployment.version: _describe(deployment) for deployment in self.deployments},
        }


def _describe(deployment: Deployment) -> dict[str, Any]:
    return {
        "state": deployment.state,
        "reason": deployment.reason,
        "digest": deployment.declared.digest,
        "variant": deployment.declared.variant,
        "requests": deployment.requests,
        "errors": deployment.errors,
        "in_flight": deployment.in_flight,
    }
