"""A namespace is one model's in one stage: what is another's stays, and what was this one's gateway goes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from cluster_serving import Serving
from kubefake.faults import Call

from mlops.adapters.kubernetes.applying import apply
from mlops.adapters.kubernetes.cluster import connect
from mlops.adapters.kubernetes.kinds import Kinds
from mlops.adapters.kubernetes.preflight import open_preflight
from mlops.adapters.kubernetes.rendering import render
from mlops.adapters.kubernetes.target import open_target
from mlops.config import Stage
from mlops.delivery import Declared, Served, manifests, namespace_of, tree
from mlops.errors import TargetError
from mlops.steps.rollback import rollback

OTHER = "plate-reader"
KINDS = ("HTTPRoute", "Service", "ConfigMap", "PodDisruptionBudget", "Deployment", "ScaledObject")
IMAGES = {
    "runtime": f"registry.example/runtime@sha256:{'0' * 64}",
    "model": f"registry.example/plates@sha256:{'1' * 64}",
}


def changed(stage: Stage, **changes: Any) -> Stage:
    """Return a stage with other keys of `kubernetes`."""
    return replace(stage, kubernetes=replace(stage.kubernetes, **changes))


def released(serving: Serving, **changes: Any) -> set[tuple[str, str]]:
    """Let another project release to the namespace, whatever it asks before. Returns what is of it there."""
    stage = changed(replace(serving.stage, **changes), namespace=namespace_of(serving.stage), autoscaling="keda")
    declared = Declared({5: Served(5, "sha256:x", "int8", IMAGES)}, {5: 100})
    kinds = Kinds(connect(None))
    for one in render({**manifests(stage), **tree(stage, declared)}):
        apply(kinds, one)
    return there(serving)


def there(serving: Serving) -> set[tuple[str, str]]:
    """Return what the namespace has of these kinds."""
    return {(kind, name) for kind in KINDS for name in serving.cluster.names(kind)}


def changes_of(serving: Serving) -> list[Call]:
    return [call for call in serving.cluster.calls if call.is_change and not call.resource.startswith("leases")]


def test_another_models_namespace_is_refused_before_anything_is_changed(serving: Serving) -> None:
    before = released(serving, model=OTHER)
    assert ("ScaledObject", f"{OTHER}-v5") in before
    serving.cluster.calls.clear()
    serving.approve(2)
    words = f"namespace .* is that of {OTHER} in stage production: name another as kubernetes.namespace"
    for work in (serving.deploy, lambda: rollback(serving.context, "it is wrong")):
        with pytest.raises(TargetError, match=words) as caught:
            work()
        assert re.search(f"or delete ConfigMap {OTHER}-declared if", str(caught.value))
    assert there(serving) == before and changes_of(serving) == []
    told = {line.check: line for line in open_preflight(serving.stage).lines()}["namespace"]
    assert told.state == "failure" and f"is that of {OTHER}" in told.text


def test_the_same_models_namespace_of_another_stage_is_refused(serving: Serving) -> None:
    other = replace(changed(serving.stage, namespace=namespace_of(serving.stage)), name="qa")
    before = there(serving)
    with pytest.raises(TargetError, match=r"^qa: namespace .* in stage production: name another"):
        with open_target(other).lock():
            pass
    assert there(serving) == before


def test_a_namespace_whose_other_model_is_no_more_is_taken(serving: Serving) -> None:
    released(serving, model=OTHER)
    serving.cluster.delete("ConfigMap", f"{OTHER}-declared")
    serving.approve(2)
    assert serving.deploy().outcome == "served"
    serving.expect(2)


def test_what_somebody_keeps_in_a_config_map_of_such_a_name_is_no_model(serving: Serving) -> None:
    kinds = Kinds(connect(None))
    place = {"name": "taxes-declared", "namespace": namespace_of(serving.stage)}
    apply(kinds, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {}})
    serving.approve(2)
    assert serving.deploy().outcome == "served"
    assert "taxes-declared" in serving.cluster.names("ConfigMap")


def test_a_stage_that_gives_its_gateway_up_leaves_none(serving: Serving) -> None:
    assert serving.cluster.names("Gateway") == ["visionline"]
    direct = replace(serving, stage=changed(serving.stage, traffic="replicas"))
    direct.approve(2)
    assert direct.deploy().outcome == "served"
    direct.expect(2)
    assert (serving.cluster.names("Gateway"), serving.cluster.names("HTTPRoute")) == ([], [])
