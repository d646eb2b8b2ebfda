"""The benchmark of autoscaling writes results, page and pictures that agree with each other."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.autoscaling.__main__ import main
from benchmarks.autoscaling.measured import Measured, read_throughput
from benchmarks.autoscaling.page import page, publish
from benchmarks.autoscaling.results import defaults, find
from benchmarks.autoscaling.runs import RULES, Size, make_trace, peak_replicas
from benchmarks.autoscaling.simulate import Replica
from benchmarks.autoscaling.sweep import FIRST, HPA_TRIES, KEDA_TRIES
from benchmarks.serving.errors import BenchmarkError

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
TINY = Size(8, 2, {"steady": 0.01, "bursty": 0.01, "day and night": 0.01})


@pytest.fixture(scope="module")
def results() -> dict:
    return find(Measured(frames_per_second=70.0, process_start_seconds=1.0), TINY, TINY)


def test_every_rule_is_run_on_every_trace(results: dict) -> None:
    assert list(results["runs"]) == list(TINY.hours)
    assert all(list(runs) == list(RULES) for runs in results["runs"].values())


def test_a_default_is_the_cheapest_value_of_those_tried(results: dict) -> None:
    for settings in results["defaults"].values():
        for key, value in settings.items():
            tries = results["settings"]["tries"][key]
            assert key == "max_replicas" or min(tries, key=lambda one: one["cost"])["value"] == value


def test_the_most_replicas_are_enough_for_a_crowd_at_the_largest_site(results: dict) -> None:
    replica = Measured(frames_per_second=70.0, process_start_seconds=1.0).replica()
    assert results["defaults"]["hpa"]["max_replicas"] == peak_replicas(TINY, replica)
    written = json.loads((DOCS / "autoscaling.json").read_text(encoding="utf-8"))
    size, told = Size(**written["size"]), Replica(**written["measured"]["replica"])
    largest = make_trace("bursty", size).rates.max()
    assert 0.7 < largest / told.speed / written["defaults"]["hpa"]["max_replicas"] <= 0.8


def test_page_and_pictures_are_written_and_the_pictures_are_well_formed(results: dict, tmp_path: Path) -> None:
    publish(results, tmp_path)
    names = ["autoscaling-crowd.svg", "autoscaling-settings.svg", "autoscaling.md", "autoscaling.svg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for path in tmp_path.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert all(rule in (tmp_path / "autoscaling.svg").read_text() for rule in ("HPA on both", "KEDA on lag, to zero"))


def test_the_page_in_the_documents_is_made_of_the_results_beside_it() -> None:
    written = json.loads((DOCS / "autoscaling.json").read_text(encoding="utf-8"))
    assert page(written) == (DOCS / "autoscaling.md").read_text(encoding="utf-8")


def test_the_defaults_have_the_keys_that_the_manifests_are_held_to() -> None:
    found = defaults(FIRST)
    assert (set(found["hpa"]), set(found["keda"])) == (set(HPA_TRIES), set(KEDA_TRIES))


def test_throughput_that_was_not_measured_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="make benchmark-serving"):
        read_throughput(tmp_path / "serving.json")


def test_fewer_streams_than_sites_end_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--start", "1", "--streams", "1", "--sites", "2", "--out", str(tmp_path)])
    assert code == 1
    assert capsys.readouterr().err == "error: 1 streams on 2 sites: each site needs a stream\n"


def test_a_page_without_results_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--page", "--out", str(tmp_path)])
    assert code == 1
    assert capsys.readouterr().err.startswith("error: ")
