"""Alerts and dashboards ask for what is exposed, in PromQL that parses; one rules file serves Prometheus and Azure."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from infra_stages import needs
from sources import ROOT

from metric_queries import Exposed, exposed, problems

MONITORING = ROOT / "infra/monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
DURATION = re.compile(r"[1-9][0-9]?[mh]")
LABEL = re.compile(r"\$labels\.(\w+)")

Rule = Mapping[str, Any]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exposed]:
    """Return what is exposed."""
    return exposed(tmp_path_factory.mktemp("exposed"))


def rules(text: str) -> list[Rule]:
    """Return all rules of a rules file."""
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def shapes(rule: Rule) -> Iterator[str]:
    """Yield what keeps a rule from being the same in Azure, or from helping whom it wakes."""
    if set(rule) != {"alert", "expr", "for", "labels", "annotations"}:
        yield f"{rule.get('alert')}: it has {sorted(rule)}"
        return
    if not DURATION.fullmatch(rule["for"]):
        yield f"{rule['alert']}: for: {rule['for']} is no time that PT... can say"
    if rule["labels"].get("severity") not in ("page", "ticket"):
        yield f"{rule['alert']}: its severity is neither page nor ticket"
    if set(rule["annotations"]) != {"summary", "action"}:
        yield f"{rule['alert']}: it does not say what is and what to do"
    unnamed = {label for text in rule["annotations"].values() for label in LABEL.findall(text)}
    yield from (f"{rule['alert']}: no {label} comes out of it" for label in unnamed if label not in rule["expr"])


def panels(text: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard."""
    return list(json.loads(text)["panels"])


def queries(dashboard: str) -> list[str]:
    """Return all that a dashboard asks for, its variables too."""
    told = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    variables = json.loads(dashboard)["templating"]["list"]
    asked = [one["query"]["query"] for one in variables if one["type"] == "query"]
    return told + [re.sub(r"label_values\((.+), (\w+)\)", r"sum by (\2) (\1)", query) for query in asked]


def test_every_alert_asks_for_what_is_exposed(known: dict[str, Exposed]) -> None:
    found = {rule["alert"]: problems(rule["expr"], known) for rule in rules(RULES.read_text(encoding="utf-8"))}
    assert {alert: problem for alert, problem in found.items() if problem} == {}


def test_every_alert_is_the_same_in_azure_and_says_what_to_do() -> None:
    found = [problem for rule in rules(RULES.read_text(encoding="utf-8")) for problem in shapes(rule)]
    assert found == []
    names = [rule["alert"] for rule in rules(RULES.read_text(encoding="utf-8"))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_asks_for_what_is_exposed(path: Path, known: dict[str, Exposed]) -> None:
    asked = queries(path.read_text(encoding="utf-8"))
    assert {query: found for query in asked if (found := problems(query, known))} == {}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_places_of_their_own_and_say_what_they_show(path: Path) -> None:
    shown = panels(path.read_text(encoding="utf-8"))
    cells = [cell for panel in shown for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert all(panel["title"] and panel["description"] for panel in shown)
    assert len({panel["id"] for panel in shown}) == len(shown)


def test_every_metric_of_ours_is_on_a_dashboard(known: dict[str, Exposed]) -> None:
    shown = " ".join(query for path in DASHBOARDS for query in queries(path.read_text(encoding="utf-8")))
    families = {re.sub(r"(_seconds)_(bucket|sum|count)$", r"\1", name) for name in known}
    # The sum of the times of its parts is on the dashboard, and the histogram of the whole.
    assert {name for name in families if name not in shown} == {"nv_inference_request_duration_us"}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(rate(visionline_shed_requests[5m]))", "nothing exposes visionline_shed_requests"),
        ("visionline_stream_up{camera='gate'} == 0", "visionline_stream_up has no label camera"),
        ('rate(nv_inference_request_failure{reason="backend"}[5m]) > 0', "never has reason=backend"),
        ('rate(visionline_stream_sink_lines_total{outcome=~"shed|lost"}[5m]) > 0', "never has outcome=lost"),
        ("rate(visionline_waiting_frames[5m]) > 1", "visionline_waiting_frames goes up and down: it has no rate"),
        ("sum by (camera) (visionline_stream_up) == 0", "visionline_stream_up can't be told by camera"),
        ("sum(rate(visionline_shed_requests_total)) > 1", "expected type matrix"),
        ("sum by (namespace (visionline_workers)", "unclosed left parenthesis"),
    ],
)
def test_a_broken_query_is_refused(query: str, problem: str, known: dict[str, Exposed]) -> None:
    assert any(problem in found for found in problems(query, known))


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("for", "90s", "for: 90s"),
        ("labels", {"severity": "urgent"}, "severity"),
        ("annotations", {"summary": "Down."}, "what to do"),
        ("annotations", {"summary": "{{ $labels.stream }}", "action": "Look."}, "no stream comes out of it"),
        ("record", "visionline:lag", "it has"),
    ],
)
def test_a_rule_that_azure_would_run_otherwise_or_that_helps_nobody_is_refused(
    key: str, value: Any, problem: str
) -> None:
    rule = {"alert": "Down", "expr": "visionline_workers == 0", "for": "5m", "labels": {"severity": "page"}}
    whole = {**rule, "annotations": {"summary": "Down.", "action": "Look."}}
    assert list(shapes(whole)) == []
    assert any(problem in found for found in shapes({**whole, key: value}))


def test_every_alert_that_wakes_somebody_is_tried_on_its_bad_case() -> None:
    tried = yaml.safe_load((MONITORING / "rules.test.yaml").read_text(encoding="utf-8"))["tests"]
    fired = {case["alertname"] for one in tried for case in one["alert_rule_test"] if case["exp_alerts"]}
    pages = {rule["alert"] for rule in rules(RULES.read_text(encoding="utf-8")) if rule["labels"]["severity"] == "page"}
    assert pages - fired == set()


def test_prometheus_own_tool_finds_the_rules_good_and_each_fires_on_its_bad_case() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    ran = subprocess.run(
        [promtool, "test", "rules", "rules.test.yaml"], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "path, reads",
    [
        ("bicep/modules/observability.bicep", "loadYamlContent('../../monitoring/rules.yaml')"),
        ("terraform/modules/observability/rules.tf", 'file("${path.module}/../../../monitoring/rules.yaml")'),
    ],
)
def test_each_language_reads_the_one_rules_file(path: str, reads: str) -> None:
    needs(path.partition("/")[0])
    text = (ROOT / "infra" / path).read_text(encoding="utf-8")
    assert reads in text
    assert dict(re.findall(r"(page|ticket)\W+(\d)", text)) == {"page": "1", "ticket": "3"}


def _cells(place: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        yield from ((x, y) for y in range(place["y"], place["y"] + place["h"]))
