"""What one worker process holds: its models, their deployments and the traffic among them. It loads no model.

Everything here is touched by one thread only, the event loop's, so nothing is locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from serving.counters import Counters
from serving.desired import Declared
from serving.errors import RequestError
from serving.model import Model
from serving.traffic import Traffic


@dataclass(eq=False)
class Deployment:
    """One version, from the start of its load to its last answer. `requests` and `errors` count live traffic only.

    `seen_pace` is the seconds a frame that it was last seen to take when there is much to do, `lone_seconds` what lone
    requests took on two threads (serving.lone).
    """

    version: str
    declared: Declared
    model: Model | None = None
    reason: str | None = None
    requests: int = 0
    errors: int = 0
    in_flight: int = 0
    is_draining: bool = False
    seen_pace: float | None = None
    lone_seconds: list[float] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)

    @property
    def state(self) -> str:
        """Return ready, loading or failed."""
        if self.reason is not None:
            return "failed"
        return "loading" if self.model is None else "ready"

    def pace(self) -> float:
        """Return the seconds a frame that a ready version takes when there is much to do: measured, then as seen."""
        if self.seen_pace is None:
            assert self.model is not None
            curve = self.model.curve
            self.seen_pace = curve.seconds[curve.cap] / curve.cap
        return self.seen_pace

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


@dataclass(eq=False)
class ServedModel:
    """One model. `shadow` scores copies of live requests and answers none; `routed` numbers the live requests."""

    name: str
    deployments: list[Deployment] = field(default_factory=list)
    traffic: Traffic[Deployment] = Traffic()
    shadow: Deployment | None = None
    routed: int = 0

    @property
    def is_ready(self) -> bool:
        """Tell whether some deployment has traffic."""
        return any(percent for _, percent in self.traffic.shares)

    def main(self) -> Deployment:
        """Return the deployment with the most traffic. Raises RequestError 503 where none has any."""
        if not self.is_ready:
            raise RequestError(503, "no deployment has traffic")
        return max(self.traffic.shares, key=lambda share: share[1])[0]

    def route(self, key: str | None = None) -> Deployment:
        """Return the deployment that the traffic gives the next request to. Raises RequestError 503 where none has any.

        Requests with the same key (a camera's name) go to the same version while the shares stay.
        """
        chosen = self.traffic.choose(self.routed) if key is None else self.traffic.stick(key)
        if chosen is None:
            raise RequestError(503, "no deployment has traffic")
        self.routed += key is None
        return chosen

    def spare(self, failed: Deployment) -> Deployment | None:
        """Return the deployment with most traffic beside a failed one, None where no other has any."""
        others = [(percent, one) for one, percent in self.traffic.shares if one is not failed and percent > 0]
        return max(others, key=lambda share: share[0])[1] if others else None

    def find(self, version: str) -> Deployment:
        """Return the one deployment of a version. Raises RequestError: 404 on an unknown one, 503 if not ready."""
        found = [one for one in self.deployments if one.version == version and not one.is_draining]
        if not found:
            raise RequestError(404, f"version {version} of {self.name} is not deployed here")
        if found[-1].state != "ready":
            raise RequestError(503, f"version {version} of {self.name} is {found[-1].state}")
        return found[-1]

    def report(self) -> dict[str, Any]:
        """Return what the model serves, and how it gets on with it."""
        return {
            "traffic": self.traffic.percents(),
            "shadow": None if self.shadow is None else self.shadow.version,
            "deployments": {deployment.version: _describe(deployment) for deployment in self.deployments},
        }


@dataclass
class Endpoint:
    """One worker's models, by name. `observed` is the newest generation of desired.json of which everything is done.

    `default` names the model that answers where a request names none; `is_started` says that each model of the first
    generation had its traffic or failed for good.
    """

    models: dict[str, ServedModel] = field(default_factory=dict)
    observed: int = 0
    error: str | None = None
    default: str | None = None
    is_started: bool = False

    @property
    def is_ready(self) -> bool:
        """Tell whether all that was declared at first has come up, as far as it can, and some model has traffic.

        A model that is added later does not take this back: it must not cost the others their requests.
        """
        return self.is_started and any(served.is_ready for served in self.models.values())

    def capacity(self) -> float:
        """Return the frames a second that the slowest version that is loaded here can score; 0 where none is."""
        paces = [one.pace() for served in self.models.values() for one in served.deployments if one.model is not None]
        return 1 / max(paces) if paces else 0.0

    def served(self, name: str | None) -> ServedModel:
        """Return a model by its name; for None the only one, or the default.

        Raises RequestError: 404 on an unknown name, 400 where a name is needed, 503 where there is no model at all.
        """
        wanted = self.default if name is None else name
        if wanted is not None:
            if wanted not in self.models:
                raise RequestError(404, f"model {wanted} is not served here")
            return self.models[wanted]
        if not self.models:
            raise RequestError(503, "no deployment has traffic")
        if len(self.models) > 1:
            raise RequestError(400, f"several models are served here: name one of {', '.join(sorted(self.models))}")
        return next(iter(self.models.values()))

    def report(self) -> dict[str, Any]:
        """Return what one worker says of all this; serving.merge makes GET /deployments of all workers' reports."""
        return {
            "observed_generation": self.observed,
            "error": self.error,
            "models": {name: served.report() for name, served in self.models.items()},
        }


def _describe(deployment: Deployment) -> dict[str, Any]:
    return {
        "state": deployment.state,
        "reason": deployment.reason,
        "digest": deployment.declared.digest,
        "variant": deployment.declared.variant,
        "engine": deployment.declared.engine,
        "requests": deployment.requests,
        "errors": deployment.errors,
        "in_flight": deployment.in_flight,
        "counters": deployment.counters.to_json(),
    }
