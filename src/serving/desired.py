"""desired.json: what an endpoint shall serve, as whoever deploys declares it. Parsing only; serving.reconcile acts.

{"generation": 7, "models": {"fashion-classifier": {
   "deployments": {"2": {"package": "/packages/2", "digest": "sha256:...", "variant": "int8", "engine": "onnxruntime"}},
   "traffic": {"2": 100}, "shadow": null}}}

`engine` and `shadow` may be left out, for what is shown here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.errors import ServingError


@dataclass(frozen=True)
class Declared:
    """What to serve as one version: a package folder, its digest, a variant and an engine (serving.model.ENGINES)."""

    package: str
    digest: str
    variant: str
    engine: str = "onnxruntime"


@dataclass(frozen=True)
class DesiredModel:
    """Deployments and percent of traffic, by version. Traffic is empty or sums to 100, over deployed versions.

    `shadow` is a deployed version without traffic that scores copies of live requests.
    """

    deployments: dict[str, Declared] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    shadow: str | None = None


@dataclass(frozen=True)
class Desired:
    """All of desired.json: the models by name."""

    generation: int
    models: dict[str, DesiredModel]


def parse_desired(content: bytes) -> Desired:
    """Return what desired.json declares. Raises ServingError, saying what is wrong, on anything else than that."""
    try:
        mapping = _mapping(json.loads(content), "it", {"generation", "models"})
    except (ValueError, RecursionError) as error:
        raise ServingError(f"it is not JSON ({error})") from None
    if not _is_count(mapping["generation"]):
        raise ServingError("generation should be a number from 0")
    models = {name: _model(value, name) for name, value in _mapping(mapping["models"], "models").items()}
    return Desired(mapping["generation"], models)


def _model(value: Any, name: str) -> DesiredModel:
    mapping = _mapping(value, f"model {name}", {"deployments", "traffic"}, {"shadow"})
    deployments = {
        version: _declared(one, f"model {name}: deployment {version}")
        for version, one in _mapping(mapping["deployments"], f"model {name}: deployments").items()
    }
    traffic = _mapping(mapping["traffic"], f"model {name}: traffic")
    _check_traffic(traffic, deployments, name)
    shadow = mapping.get("shadow")
    if shadow is not None and (not isinstance(shadow, str) or shadow not in deployments or traffic.get(shadow)):
        raise ServingError(f"model {name}: shadow should be a deployment without traffic, is {shadow!r}")
    return DesiredModel(deployments, traffic, shadow)


def _declared(value: Any, where: str) -> Declared:
    mapping = _mapping(value, where, {"package", "digest", "variant"}, {"engine"})
    if not all(isinstance(item, str) for item in mapping.values()):
        raise ServingError(f"{where}: package, digest, variant and engine should be texts")
    return Declared(**mapping)


def _check_traffic(traffic: Mapping[str, Any], deployments: Mapping[str, Declared], name: str) -> None:
    unknown = sorted(set(traffic) - set(deployments))
    if unknown:
        raise ServingError(f"model {name}: traffic names version {unknown[0]}, which is no deployment")
    if not all(_is_count(percent) for percent in traffic.values()) or sum(traffic.values()) not in (0, 100):
        raise ServingError(f"model {name}: traffic should be whole percents that sum to 100: {dict(traffic)}")


def _mapping(
    value: Any, where: str, keys: set[str] | None = None, optional: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ServingError(f"{where} should be a mapping, is {type(value).__name__}")
    if keys is not None and not keys <= set(value) <= keys | optional:
        raise ServingError(f"{where} should have the keys {', '.join(sorted(keys))}, has {', '.join(sorted(value))}")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
