"""summary.json keeps its names; a figure that is not there is null and named; runs/latest leads to the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_runs import DATA_VERSION, variant, write_demo, write_model

from mlops.cli import main
from mlops.context import run_folder, runs_folder
from mlops.errors import ConfigError
from mlops.report.collect import collect
from mlops.report.summary import FIGURES, lines, summarise
from mlops.steps.report import point_at


def summary_of(run: Path) -> dict[str, object]:
    """Return the summary of a run."""
    return summarise(collect(run))


def test_a_demos_summary_holds_every_figure(tmp_path: Path) -> None:
    summary = summary_of(write_demo(tmp_path / "demo", requests=200))
    assert [*summary] == [*FIGURES, "missing"] and summary["missing"] == []
    assert summary["accuracy_fp32"] == variant(2, "fp32").accuracy
    assert summary["accuracy_int8"] == variant(2, "int8").accuracy
    assert (summary["parity_max_abs_diff"], summary["rollback_seconds"]) == (2.4e-6, 0.412)
    assert (summary["requests_total"], summary["requests_failed"]) == (200, 0)
    assert (summary["model_version"], summary["data_version"]) == (1, DATA_VERSION)
    assert isinstance(summary["steps"], dict)
    assert summary["wall_seconds"] == pytest.approx(sum(summary["steps"].values()))


def test_the_names_are_those_that_others_rely_on() -> None:
    assert FIGURES == (
        *("accuracy_fp32", "accuracy_int8", "parity_max_abs_diff", "stream_accuracy", "requests_total"),
        *("requests_failed", "rollback_seconds", "wall_seconds", "steps", "model_version", "data_version"),
    )


def test_a_figure_that_is_not_there_is_null_and_named(tmp_path: Path) -> None:
    write_model(tmp_path, 3, 2)
    summary = summary_of(tmp_path)
    missing = ["stream_accuracy", "requests_total", "requests_failed", "rollback_seconds", "wall_seconds"]
    assert summary["missing"] == missing and all(summary[name] is None for name in missing)


def test_zero_is_a_figure(tmp_path: Path) -> None:
    summary = summary_of(write_demo(tmp_path / "demo", requests=40))
    assert summary["requests_failed"] == 0 and "requests_failed" not in summary["missing"]  # type: ignore[operator]


def test_a_run_without_a_demo_has_the_steps_of_its_job(tmp_path: Path) -> None:
    write_model(tmp_path, 1, None)
    steps = summary_of(tmp_path)["steps"]
    assert isinstance(steps, dict) and {"prepare", "train", "deploy production"} <= set(steps)


def test_clients_that_were_killed_leave_their_log_to_count(tmp_path: Path) -> None:
    run = write_demo(tmp_path / "demo", requests=100)
    (run / "load.json").unlink()
    lost = {"t": 1.79e9, "ms": 2.0, "status": 0, "version": None}
    with (run / "load.jsonl").open("a") as log:
        log.write(json.dumps(lost) + "\n")
    summary = summary_of(run)
    assert (summary["requests_total"], summary["requests_failed"]) == (101, 1)


def test_without_a_rollback_the_model_version_is_the_one_that_serves(tmp_path: Path) -> None:
    run = write_demo(tmp_path / "demo", requests=40)
    (run / "rollback.production.json").unlink()
    assert summary_of(run)["model_version"] == 2


def test_the_lines_are_about_a_dozen_aligned_and_end_with_the_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    shown = lines(summary_of(write_demo(tmp_path / "demo", requests=40)), page)
    assert 10 <= len(shown) <= 14
    assert all(line[16] == " " and line[17] != " " for line in shown)
    assert shown[-1] == f"report           {page}"


def test_lines_of_a_run_that_holds_little_show_dashes(tmp_path: Path) -> None:
    write_model(tmp_path, 1, None)
    assert any(line.split() == ["rollback", "–"] for line in lines(summary_of(tmp_path), tmp_path))


def test_the_step_writes_both_files_and_points_latest_at_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = write_demo(run_folder("20261121-101500"), requests=40)
    assert main(["report", "--run", run.name]) == 0
    latest = runs_folder() / "latest"
    assert latest.is_symlink() and latest.resolve() == run and not latest.readlink().is_absolute()
    assert json.loads((latest / "summary.json").read_text())["missing"] == []
    assert (latest / "report.html").read_text().startswith("<!doctype html>")
    assert capsys.readouterr().out.splitlines()[-1].endswith(str(run / "report.html"))


def test_latest_moves_on_and_a_rerun_changes_nothing() -> None:
    for name in ("one", "two", "two", "latest"):
        if name != "latest":
            write_model(run_folder(name), 1, None)
        assert main(["report", "--run", name]) == 0
    assert (runs_folder() / "latest").resolve() == run_folder("two").resolve()
    assert sorted(path.name for path in runs_folder().iterdir()) == ["latest", "one", "two"]


def test_a_sub_run_can_be_reported_on() -> None:
    run = write_demo(run_folder("demo"), requests=40)
    assert main(["report", "--run", "demo/v2"]) == 0
    assert json.loads((run / "v2" / "summary.json").read_text())["model_version"] == 2


@pytest.mark.parametrize("is_there, words", [(True, "holds no record"), (False, "there is no such run")])
def test_a_run_that_holds_nothing_is_an_error_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], is_there: bool, words: str
) -> None:
    runs_folder().mkdir()
    if is_there:
        run_folder("nothing").mkdir(exist_ok=True)
    assert main(["report", "--run", "nothing"]) == 1
    assert f"nothing: {words}" in capsys.readouterr().err
    assert [path.name for path in runs_folder().rglob("*")] == ["nothing"] * is_there


def test_something_else_in_the_place_of_latest_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(ConfigError, match="is no link"):
        point_at(tmp_path / "latest", tmp_path / "run")


def test_a_link_left_by_a_killed_run_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "latest").symlink_to("gone")
    point_at(tmp_path / "latest", tmp_path / "run")
    assert (tmp_path / "latest").resolve() == tmp_path / "run"
