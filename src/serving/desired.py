"""desired.json: what an endpoint shall serve, as whoever deploys declares it. Parsing only; serving.reconcile acts.

{"generation": 7, "model": "fashion-classifier",
 "deployments": {"2": {"package": "/packages/2", "digest": "sha256:...", "variant": "int8"}},
 "traffic": {"2": 100}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from serving.deployments import Declared
from serving.errors import ServingError


@dataclass(frozen=True)
class Desired:
    """Deployments and percent of traffic, by version. Traffic is empty or sums to 100, over deployed versions."""

    generation: int
    model: str
    deployments: dict[str, Declared]
    traffic: dict[str, int]


def parse_desired(content: bytes) -> Desired:
    """Return what desired.json declares. Raises ServingError, saying what is wrong, on anything else than that."""
    try:
        mapping = _mapping(json.loads(content), "it", {field.name for field in fields(Desired)})
    except (ValueError, RecursionError) as error:
        raise ServingError(f"it is not JSON ({error})") from None
    deployments = {
        version: _declared(value, f"deployment {version}")
        for version, value in _mapping(mapping["deployments"], "deployments").items()
    }
    traffic = _mapping(mapping["traffic"], "traffic")
    _check_traffic(traffic, deployments)
    if not _is_count(mapping["generation"]) or not isinstance(mapping["model"], str):
        raise ServingError("generation should be a number from 0 and model a text")
    return Desired(mapping["generation"], mapping["model"], deployments, traffic)


def _declared(value: Any, where: str) -> Declared:
    mapping = _mapping(value, where, {field.name for field in fields(Declared)})
    if not all(isinstance(item, str) for item in mapping.values()):
        raise ServingError(f"{where}: package, digest and variant should be texts")
    return Declared(**mapping)


def _check_traffic(traffic: Mapping[str, Any], deployments: Mapping[str, Declared]) -> None:
    unknown = sorted(set(traffic) - set(deployments))
    if unknown:
        raise ServingError(f"traffic names version {unknown[0]}, which is no deployment")
    if not all(_is_count(percent) for percent in traffic.values()) or sum(traffic.values()) not in (0, 100):
        raise ServingError(f"traffic should be whole percents that sum to 100: {dict(traffic)}")


def _mapping(value: Any, where: str, keys: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ServingError(f"{where} should be a mapping, is {type(value).__name__}")
    if keys is not None and set(value) != keys:
        raise ServingError(f"{where} should have the keys {', '.join(sorted(keys))}, has {', '.join(sorted(value))}")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
