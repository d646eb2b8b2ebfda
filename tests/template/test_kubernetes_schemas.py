"""Each object of each tree is one that its cluster takes as it is: no key is unknown, none of another type."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifest_schemas import SCHEMAS, objections
from rendered_trees import Object, Trees
from sources import ROOT

ADAPTER = ROOT / "infra/kubernetes/adapters/prometheus-adapter.yaml"

# Kind -> a key that it has not, as one might write it by mistake, and a value of another type.
MISTAKES: list[tuple[str, str, Any]] = [
    ("Deployment", "spec.template.spec.containers.0.readinesProbe", {}),
    ("Deployment", "spec.replicas", "two"),
    ("StatefulSet", "spec.volumeClaimTemplate", []),
    ("Service", "spec.port", 80),
    ("PodDisruptionBudget", "spec.maxUnavailble", 1),
    ("NetworkPolicy", "spec.egres", []),
    ("HorizontalPodAutoscaler", "spec.metrics.0.pods.target.averageVale", "4"),
    ("ScaledObject", "spec.cooldown", 300),
    ("ScaledObject", "spec.triggers.0.metadata.threshold", 4),
    ("HTTPRoute", "spec.rules.0.backendRefs.0.wieght", 1),
    ("Gateway", "spec.listeners.0.allowRoutes", {}),
    ("ServiceMonitor", "spec.endpoints.0.intervall", "15s"),
    ("PrometheusRule", "spec.groups.0.rules.0.exp", "1"),
    ("Canary", "spec.analysis.stepWeight_", 10),
    ("MetricTemplate", "spec.querry", ""),
]


def spoiled(one: Object, dotted: str, value: Any) -> Object:
    """Return a copy of an object with one value set."""
    copy = deepcopy(one)
    *way, last = dotted.split(".")
    inner: Any = copy
    for key in way:
        inner = inner[int(key) if key.isdecimal() else key]
    inner[last] = value
    return copy


def test_each_object_of_each_tree_is_taken_by_its_cluster(rendered_trees: Trees) -> None:
    found = [f"{name}: {one['kind']}: {text}" for name, one in rendered_trees.all() for text in objections(one)]
    assert found == []


@pytest.mark.parametrize("kind, dotted, value", MISTAKES)
def test_a_key_by_mistake_is_refused(rendered_trees: Trees, kind: str, dotted: str, value: Any) -> None:
    one = next(one for _, one in rendered_trees.all() if one["kind"] == kind)
    assert objections(spoiled(one, dotted, value)) != []


def test_each_schema_says_where_it_is_from() -> None:
    assert all('"$comment"' in path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json"))


def test_a_kind_without_a_schema_is_no_pass() -> None:
    with pytest.raises(FileNotFoundError):
        objections({"apiVersion": "example.com/v1", "kind": "Unheard"})


def test_the_values_of_the_adapter_are_yaml() -> None:
    assert set(yaml.safe_load(Path(ADAPTER).read_text(encoding="utf-8"))) == {"rules"}
