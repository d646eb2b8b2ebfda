"""What a run's folder holds is read whole; what is absent is None; what is damaged is named."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import DATA_VERSION, evaluation, write_demo, write_load, write_model

from mlops.errors import ConfigError
from mlops.loading import write_json
from mlops.records import DataRecord, TrainRecord, write_record
from mlops.report.collect import collect
from mlops.report.lines import read_lines
from mlops.report.traffic import Log, Request, Traffic, put_into_bins, read_log


def test_a_demos_run_is_read_whole(tmp_path: Path) -> None:
    run = collect(write_demo(tmp_path / "demo", requests=200))
    assert [model.version for model in run.models] == [1, 2, 3]
    assert run.models[1].evaluation == evaluation(2, 1)
    assert list(run.models[2].deployments) == ["dev", "qa", "production"]
    assert (run.demo, run.load, run.log, run.stream) != (None, None, None, None)
    assert run.stream and len(run.stream.pictures) == 8 and len(run.stream.predictions) == 250


def test_an_empty_folder_is_empty(tmp_path: Path) -> None:
    assert collect(tmp_path).is_empty


def test_a_run_that_only_got_its_data_is_not_empty(tmp_path: Path) -> None:
    write_record(tmp_path, "data", DataRecord("fashion-mnist", DATA_VERSION, "/data"))
    assert not collect(tmp_path).is_empty


def test_a_run_without_sub_runs_is_its_own_model(tmp_path: Path) -> None:
    write_model(tmp_path / "one", 2, 1)
    (run,) = [collect(tmp_path / "one")]
    assert [model.name for model in run.models] == ["one"]
    assert (run.demo, run.load, run.log, run.stream) == (None, None, None, None)


def test_sub_runs_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("v10", "v9", "v1"):
        write_record(tmp_path / name, "train", TrainRecord("job", DATA_VERSION, None, {}, {}))
    assert [model.name for model in collect(tmp_path).models] == ["v1", "v9", "v10"]


def test_a_folder_beside_the_sub_runs_is_no_model(tmp_path: Path) -> None:
    write_model(tmp_path / "v1", 1, None)
    (tmp_path / "champion" / "1").mkdir(parents=True)
    assert [model.name for model in collect(tmp_path).models] == ["v1"]


def test_outputs_that_are_gone_leave_the_evaluation_out(tmp_path: Path) -> None:
    write_model(tmp_path, 1, None)
    (tmp_path / "outputs" / "package" / "evaluation.json").unlink()
    (model,) = collect(tmp_path).models
    assert model.evaluation is None and model.card is not None


def test_a_model_that_was_held_back_shows_what_evaluate_wrote(tmp_path: Path) -> None:
    record = TrainRecord("job", DATA_VERSION, None, {}, {"evaluation": str(tmp_path / "evaluated")})
    write_record(tmp_path, "train", record)
    write_json(tmp_path / "evaluated" / "evaluation.json", evaluation(1, None))
    (model,) = collect(tmp_path).models
    assert model.evaluation == evaluation(1, None)


def test_an_evaluation_with_nan_is_not_drawn(tmp_path: Path) -> None:
    judged = write_model(tmp_path, 1, None)
    fp32 = replace(judged.challenger.variants["fp32"], accuracy=float("nan"))
    spoilt = replace(judged.challenger, variants=judged.challenger.variants | {"fp32": fp32})
    write_json(tmp_path / "outputs" / "package" / "evaluation.json", replace(judged, challenger=spoilt))
    (model,) = collect(tmp_path).models
    assert model.evaluation is None


@pytest.mark.parametrize("name", ["demo.json", "load.json", "v1/register.json", "stream/stream.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    run = write_demo(tmp_path / "demo", requests=20)
    (run / name).write_text((run / name).read_text()[:20])
    with pytest.raises(ConfigError, match=name):
        collect(run)


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    write_load(tmp_path, 100)
    whole = (tmp_path / "load.jsonl").read_text()
    (tmp_path / "load.jsonl").write_text(whole[:-20])
    assert len(read_lines(tmp_path / "load.jsonl")) == 99
    log = read_log(tmp_path / "load.jsonl")
    assert log and len(log.requests) == 99


@pytest.mark.parametrize("line", ["{", "[]", "7", ""])
def test_a_bad_line_in_the_middle_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "load.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n{{"a": 2}}\n')
    with pytest.raises(ConfigError, match=r"load\.jsonl:2: is no JSON object"):
        read_lines(path)


@pytest.mark.parametrize("line", [{"t": 1.0}, {"t": "soon", "status": 200, "version": 1}])
def test_a_line_that_is_no_request_is_named(tmp_path: Path, line: dict[str, object]) -> None:
    path = tmp_path / "load.jsonl"
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(ConfigError, match=r"load\.jsonl:1: is no request"):
        read_log(path)


def test_an_empty_log_is_no_traffic(tmp_path: Path) -> None:
    (tmp_path / "load.jsonl").touch()
    assert read_log(tmp_path / "load.jsonl") is None


def binned(requests: list[Request], start: float | None = None) -> Traffic:
    """Return requests in bins, from a time on, else all."""
    log = Log(tuple(requests))
    return put_into_bins(log, log.start if start is None else start, log.end)


def test_each_request_is_in_one_bin() -> None:
    traffic = binned([Request(float(at), at != 40, 1 + at // 500 if at != 40 else None) for at in range(1000)])
    assert sum((Counter(one.answered) for one in traffic.bins), Counter()) == {1: 499, 2: 500}
    assert sum(one.failed for one in traffic.bins) == 1
    assert (set(traffic.bins[0].answered), set(traffic.bins[-1].answered), traffic.versions) == ({1}, {2}, [1, 2])


def test_what_is_before_the_window_is_in_no_bin() -> None:
    traffic = binned([Request(float(at), True, 1) for at in range(1000)], start=900.0)
    assert (traffic.start, sum(one.total for one in traffic.bins)) == (900.0, 100)


def test_many_requests_stay_few_bins() -> None:
    assert len(binned([Request(at / 100, True, 1) for at in range(50_000)]).bins) == 140


def test_requests_at_one_moment_are_one_bin() -> None:
    assert [one.total for one in binned([Request(5.0, True, 1)] * 3).bins] == [3]


def test_a_version_that_failed_last_answered_before() -> None:
    log = Log((Request(1.0, True, 1), Request(2.0, False, 1), Request(3.0, True, 2)))
    assert (log.last_answer(1), log.last_answer(7), log.answered, log.failed) == (1.0, None, {1: 1, 2: 1}, 1)
