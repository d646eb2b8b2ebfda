"""The benchmark's rules: ratios are taken round by round, targets met or missed, a sweep goes on where it was."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.serving.__main__ import remaining
from benchmarks.serving.cells import CELLS, INT8, NAMES, OVERLOAD, STREAMS, Cell
from benchmarks.serving.chart import draw
from benchmarks.serving.page import page, publish, table
from benchmarks.serving.records import BARE, Results, Round, Sample, Span, failures, ratios, read, span
from benchmarks.serving.servers import OURS
from benchmarks.serving.verdicts import best_peer, judge, verdicts

RAW = CELLS[0]  # at least 0.50 of bare, 1.25 times the best peer
MOBILE = CELLS[-1]  # at least 0.95 of bare, processor time at most 1.05


def rounds(ours: float, peer: float = 100.0, bare: float = 1000.0, cpu: float = 1.0, failed: int = 0) -> list[Round]:
    """Return three rounds; each is slower than the one before, for everybody alike."""
    return [
        {
            BARE: Sample(bare / slow, 1.0),
            OURS: Sample(ours / slow, cpu, failures=failed),
            "uvicorn": Sample(peer / slow, 2.0),
        }
        for slow in (1, 2, 4)
    ]


def judged(cell: Cell, measured: list[Round]) -> list[bool]:
    """Return which targets of a cell are met."""
    return [verdict.is_met for verdict in judge(cell, measured)]


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    assert ratios(rounds(600), OURS) == Span(0.6, 0.6, 0.6)


def test_a_ratio_is_median_and_range_of_the_rounds() -> None:
    assert span([0.5, 0.9, 0.6]) == Span(0.6, 0.5, 0.9)


def test_who_was_not_measured_has_no_ratio() -> None:
    assert ratios(rounds(600), "granian") is None


@pytest.mark.parametrize(("ours", "peer", "met"), [(600, 400, [True, True]), (450, 100, [False, True])])
def test_a_share_below_the_target_is_missed(ours: float, peer: float, met: list[bool]) -> None:
    assert judged(RAW, rounds(ours, peer)) == met


def test_being_less_ahead_of_the_best_peer_than_wanted_is_missed() -> None:
    assert judged(RAW, rounds(600, peer=500)) == [True, False]


def test_a_server_with_failed_requests_meets_no_target_and_says_so() -> None:
    verdict = judge(RAW, rounds(900, failed=3))[0]
    assert not verdict.is_met and "9 failed" in verdict.words


def test_a_peer_with_failed_requests_is_not_the_best_one() -> None:
    measured = rounds(600)
    for one in measured:
        one["granian"] = Sample(5000, 1.0, failures=1)
    best = best_peer(measured)
    assert best is not None and best.name == "uvicorn"
    assert failures(measured, "granian") == 3


def test_processor_time_over_the_target_is_missed() -> None:
    assert judged(MOBILE, rounds(960, cpu=1.04)) == [True, True]
    assert judged(MOBILE, rounds(960, cpu=1.2)) == [True, False]


def test_ranges_that_overlap_are_a_tie() -> None:
    assert judge(RAW, rounds(600, peer=590))[1].is_tie
    apart = [{BARE: Sample(1000, 1), OURS: Sample(600, 1), "uvicorn": Sample(100, 1)}]
    assert not judge(RAW, apart)[1].is_tie


def test_extra_cells_are_judged_too() -> None:
    quantized = {"bare-fp32": 100, "bare-int8": 200, f"{OURS}-fp32": 90, f"{OURS}-int8": 120}
    results = Results(cells={INT8: [{name: Sample(rate, 1.0) for name, rate in quantized.items()}]})
    results.extras[OVERLOAD] = {OURS: {"goodput_share": 0.5}}
    streams = {"8": {"rounds": [{BARE: {"rate": 100.0}, OURS: {"rate": 90.0}}]}}
    results.extras[STREAMS] = {"clip": "a.mp4", "counts": streams}
    assert [(one.cell, one.is_met) for one in verdicts(results)] == [(INT8, False), (OVERLOAD, False), (STREAMS, True)]


def test_what_was_not_measured_has_no_verdict() -> None:
    assert verdicts(Results()) == []


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = Results({"date": "today"}, {"kserve": "no"}, {RAW.name: rounds(600)}, {OVERLOAD: {}}, True)
    written.write(tmp_path / "serving.json")
    assert read(tmp_path / "serving.json") == written
    assert [path.name for path in tmp_path.iterdir()] == ["serving.json"]


def test_a_sweep_that_was_killed_goes_on_with_the_cells_that_are_missing() -> None:
    results = Results(cells={RAW.name: rounds(600)}, extras={OVERLOAD: {}})
    assert set(NAMES) - set(remaining(results, ())) == {RAW.name, OVERLOAD}


def test_a_cell_that_is_asked_for_is_measured_again() -> None:
    assert remaining(Results(cells={RAW.name: rounds(600)}), (RAW.name,)) == (RAW.name,)


def test_the_page_says_met_and_not_met_and_who_was_left_out() -> None:
    results = Results({"cores": 2}, {"kserve, tiny": "does not start"}, {RAW.name: rounds(600, peer=500)})
    written = page(results)
    assert "1 of 2 met" in written and "**not met**" in written and "kserve, tiny: does not start" in written
    assert "| **visionline** | 300 | 0.60 | 0.60 to 0.60 |" in written


def test_a_page_can_be_written_before_anything_was_measured(tmp_path: Path) -> None:
    publish(Results(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"serving.md", "serving.svg"}
    assert "Nothing was measured yet." in (tmp_path / "serving.md").read_text(encoding="utf-8")


def test_the_picture_has_a_bar_for_each_server_as_long_as_its_share() -> None:
    picture = ElementTree.fromstring(draw(Results(cells={RAW.name: rounds(500, peer=250)})))
    bars = {one.get("class"): float(one.get("width", 0)) for one in picture.iter("{http://www.w3.org/2000/svg}rect")}
    assert bars["ours"] == pytest.approx(2 * bars["peer"])


def test_a_server_that_failed_requests_is_marked_in_the_picture() -> None:
    assert 'class="failed"' in draw(Results(cells={RAW.name: rounds(500, failed=1)}))


def test_a_table_has_as_many_columns_in_each_line() -> None:
    lines = table(("a", "b"), [(1, 2), (3, 4)]).splitlines()
    assert [line.count("|") for line in lines] == [3, 3, 3, 3]
