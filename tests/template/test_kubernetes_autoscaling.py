"""What scales a version is what the simulation found, what the runtime counts, and what the site's gateway tells."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from mlops.delivery import trees
from mlops.errors import ConfigError
from manifest_schemas import objections
from rendered_trees import CASES, MODEL, Case, Trees
from serving.metrics import COUNTS, GAUGES
from sources import ROOT

DEFAULTS = json.loads((ROOT / "docs/benchmarks/autoscaling.json").read_text(encoding="utf-8"))["defaults"]
ADAPTER = ROOT / "infra/kubernetes/adapters/prometheus-adapter.yaml"
RUNTIME_METRICS = (ROOT / "src/serving/metrics.py").read_text(encoding="utf-8")
KEDAS = [case for case in CASES if case.autoscaling == "keda" and not case.flagger]
ids = {"ids": lambda case: case.name}


def test_an_hpa_has_the_simulated_figures(rendered_trees: Trees) -> None:
    spec = rendered_trees.one(Case("production", "gateway", "hpa"), "HorizontalPodAutoscaler", f"{MODEL}-v7")["spec"]
    wanted = DEFAULTS["hpa"]
    targets = {one["pods"]["metric"]["name"]: one["pods"]["target"]["averageValue"] for one in spec["metrics"]}
    assert targets == {
        "visionline_waiting_frames": str(wanted["frames_waiting_per_replica"]),
        "visionline_worker_busy": f"{10 * wanted['busy_percent']}m",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (wanted["min_replicas"], wanted["max_replicas"])


def test_keda_has_the_simulated_figures_and_lets_an_idle_site_sleep(rendered_trees: Trees) -> None:
    case = Case("production", "gateway", "keda", is_settled=True)
    spec, wanted = rendered_trees.one(case, "ScaledObject", f"{MODEL}-v7")["spec"], DEFAULTS["keda"]
    lag, asked = (one["metadata"] for one in spec["triggers"])
    assert (lag["threshold"], asked["activationThreshold"]) == (str(wanted["lag_threshold"]), "0")
    assert int(asked["threshold"]) >= 10**6, "that somebody asks wakes a site, and never scales it"
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (wanted["polling_seconds"], wanted["cooldown_seconds"])
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, DEFAULTS["hpa"]["max_replicas"])


@pytest.mark.parametrize("case", KEDAS, **ids)
def test_where_prometheus_does_not_answer_keda_takes_no_pod_away(rendered_trees: Trees, case: Case) -> None:
    for one in rendered_trees.of(case, "ScaledObject"):
        fallback = one["spec"]["fallback"]
        assert fallback == {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"}
        assert objections(one) == []
        assert objections({**one, "spec": {**one["spec"], "fallback": {**fallback, "behavior": "asItIs"}}})


def test_what_scales_is_a_metric_that_the_runtime_has(rendered_trees: Trees) -> None:
    rules = yaml.safe_load(ADAPTER.read_text(encoding="utf-8"))["rules"]["custom"]
    given = {rule.get("name", {}).get("as") or rule["seriesQuery"].split("{")[0] for rule in rules}
    spec = rendered_trees.one(Case("production", "gateway", "hpa"), "HorizontalPodAutoscaler", f"{MODEL}-v7")["spec"]
    assert {one["pods"]["metric"]["name"] for one in spec["metrics"]} == given
    series = {rule["seriesQuery"].split("{")[0].removesuffix("_total") for rule in rules}
    assert series <= {*GAUGES, *COUNTS, *re.findall(r'"(visionline_\w+|nv_\w+)"', RUNTIME_METRICS)}


@pytest.mark.parametrize("case", KEDAS, **ids)
def test_what_keda_asks_for_is_computed_from_what_runtime_and_gateway_have(rendered_trees: Trees, case: Case) -> None:
    found = [one["spec"]["groups"][0]["rules"] for one in rendered_trees.of(case, "PrometheusRule")]
    rules = {rule["record"]: rule["expr"] for each in found for rule in each}
    scaler = rendered_trees.of(case, "ScaledObject")[0]["spec"]
    queries = [one["metadata"]["query"] for one in scaler["triggers"]]
    assert [set(re.findall(r"visionline:[\w:]+", query)) for query in queries] == [{name} for name in rules]
    assert all(f'namespace="{case.name}"' in query for query in queries)
    assert "nv_inference_pending_request_count" in rules["visionline:lag_frames"]
    assert "pending_request_count" in RUNTIME_METRICS
    gateway = rendered_trees.one(case, "Gateway", "visionline")["spec"]["gatewayClassName"]
    maker = gateway.removeprefix("approuting-")  # as AKS calls its own Istio
    assert f"{maker}_" in rules["visionline:unserved_requests:rate1m"]
    assert {one["metadata"]["name"] for one in rendered_trees.of(case, "ServiceMonitor")} == {"serving", "streams"}


def test_a_router_of_traefiks_is_known_by_namespace_and_route() -> None:
    rule = yaml.safe_load((ROOT / "infra/kubernetes/waking/traefik/rule.yaml").read_text(encoding="utf-8"))
    expression = rule["spec"]["groups"][0]["rules"][0]["expr"]
    (pattern,) = re.findall(r'"router", "(.+)"', expression)
    for router in ("here-model-visionline-web-0-a1b2", "httproute-here-model-gw-here-visionline-ep-web-0-a1b2"):
        found = re.fullmatch(pattern, f"{router}@kubernetesgateway")
        assert found is not None and found[1] == "here-model"


def test_each_gateway_gives_the_counter_by_the_name_that_keda_asks_for() -> None:
    rules = sorted((ROOT / "infra/kubernetes/waking").glob("*/rule.yaml"))
    assert [path.parent.name for path in rules] == ["envoy-gateway", "istio", "traefik"]
    for path in rules:
        (rule,) = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["groups"][0]["rules"]
        assert rule["record"] == "visionline:unserved_requests:rate1m"
        assert '"namespace", "$1"' in rule["expr"] or '"route", "$1"' in rule["expr"]


def test_keda_without_a_counter_that_wakes_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = Case("qa", "gateway", "keda").stage
    bare = tmp_path / "infra/kubernetes"
    shutil.copytree(ROOT / "infra/kubernetes", bare, ignore=shutil.ignore_patterns("waking"))
    monkeypatch.setattr(trees, "MANIFESTS", bare)
    monkeypatch.setattr(trees, "REPOSITORY", tmp_path)
    with pytest.raises(ConfigError, match="overlays/qa: has no folder waking: copy that of an overlay of its gateway"):
        trees.manifests(stage)
    assert trees.manifests(Case("qa", "gateway", "hpa").stage)
