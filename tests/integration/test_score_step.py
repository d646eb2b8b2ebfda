"""`mlops score` on this machine: the served version scores a data version by the batch script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from model_packages import make_package
from running_endpoint import picture
from submissions import MODEL, first_stage

from mlops import cli
from mlops.adapters.local.stop import stop_endpoints
from mlops.context import Context
from mlops.errors import ConfigError, JobError, TargetError
from mlops.records import DataRecord, ScoreRecord, read_record, write_record
from mlops.steps import data as data_step
from mlops.steps.data import publish_images
from mlops.steps.deploy import deploy
from mlops.steps.score import judge, score

RED, GREEN = (200, 10, 10), (10, 200, 10)
SCORES_NONE = (
    "target: 'azureml-online' scores no files: score for a stage whose target is one of local, .*azureml-batch"
)


@pytest.fixture
def dev(own_platform: Path, tmp_path: Path) -> Context:
    """The stage dev with an approved version that is not deployed."""
    context = first_stage(own_platform)
    context.registry.register(MODEL, make_package(tmp_path / "package"), {"dev": "approved"})
    return context


def _publish(context: Context, folder: Path, *contents: bytes) -> DataRecord:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number}.png").write_bytes(content)
    return context.data.publish(context.stage.data.name, folder)


@pytest.fixture
def served(dev: Context) -> Iterator[Context]:
    """The stage dev, serving version 1."""
    assert deploy(dev).outcome == "served"
    yield dev
    stop_endpoints(dev.stage.home)


def test_the_served_version_scores_each_file(served: Context, tmp_path: Path) -> None:
    data = _publish(served, tmp_path / "data", picture(RED), picture(GREEN), picture(RED))
    write_record(served.run, "data", data)
    record = score(served)
    assert (record.version, record.files, record.failed, record.labels) == (1, 3, 0, {"red": 2, "green": 1})
    assert record.verdict.outcome == "promote"
    rows = [json.loads(line) for line in Path(record.rows).read_text(encoding="utf-8").splitlines()]
    assert [(row["file"], row["label"]) for row in rows] == [("0.png", "red"), ("1.png", "green"), ("2.png", "red")]
    assert {row["digest"] for row in rows} == {record.digest}
    assert read_record(served.run, "score.dev", ScoreRecord) == record


def test_a_version_of_another_data_set_is_named_with_it(served: Context, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.png").write_bytes(picture(RED))
    data = served.data.publish("night-shift", tmp_path / "data")
    assert score(served, f"night-shift/{data.version}").data == data
    with pytest.raises(ConfigError, match="no such data version"):
        score(served, data.version)


def test_the_command_rejects_files_that_fail_and_names_the_first(
    served: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _publish(served, tmp_path / "data", picture(RED), b"broken")
    assert cli.main(["score", "--stage", "dev", "--run", served.run.name, "--data", data.version]) == 2
    assert f"scored 1 of 2 files of {data.name} {data.version}; 1.png: " in capsys.readouterr().out


def test_nothing_served_is_told(dev: Context) -> None:
    with pytest.raises(TargetError, match="serves nothing: run `deploy --stage dev` first"):
        score(dev, "0123")


def test_a_target_that_scores_no_files_is_told_before_anything_is_asked(dev: Context) -> None:
    online = Context(replace(dev.stage, target="azureml-online"), dev.run)
    with pytest.raises(ConfigError, match=SCORES_NONE):
        score(online)


def test_no_images_are_published_for_a_target_that_scores_none(dev: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_step, "run_command", None)  # nothing may be fetched
    with pytest.raises(ConfigError, match=SCORES_NONE):
        publish_images(Context(replace(dev.stage, target="azureml-online"), dev.run))


def test_a_target_that_scores_here_is_refused_where_the_data_is_elsewhere(dev: Context) -> None:
    cluster = Context(replace(dev.stage, platform="azureml", target="kubernetes"), dev.run)
    with pytest.raises(ConfigError, match="scores files on this machine, and data versions are where platform azureml"):
        score(cluster)


def test_unknown_data_and_none_are_told(served: Context) -> None:
    with pytest.raises(ConfigError, match="no such data version"):
        score(served, "0123456789abcdef")
    with pytest.raises(ConfigError, match="run `python -m mlops data` in this run first"):
        score(served)


def test_a_package_that_was_damaged_is_told_in_the_scripts_words(served: Context, tmp_path: Path) -> None:
    data = _publish(served, tmp_path / "data", picture(RED))
    served.scorer  # noqa: B018 - made before the package changes under it
    package = served.package(1)

    class Damaging:
        def score(self, deployment: object, data: DataRecord) -> object:
            (package / "labels.json").write_text("[]", encoding="utf-8")
            return original.score(deployment, data)  # type: ignore[arg-type]

    original = served.scorer
    object.__setattr__(served, "scorer", Damaging())
    with pytest.raises(JobError, match="the scoring script failed: error: .*labels.json: is sha256:"):
        score(served, data.version)


@pytest.mark.parametrize(
    "most, failed, outcome", [(0, 0, "promote"), (0, 1, "reject"), (1, 1, "promote"), (-1, 2, "promote")]
)
def test_as_many_may_fail_as_the_stage_says(most: int, failed: int, outcome: str) -> None:
    assert _judged(3, failed, most) == outcome


def test_all_may_never_fail() -> None:
    assert _judged(3, 3, -1) == "reject"


def _judged(files: int, failed: int, most: int) -> str:
    from mlops.ports import ScoredFile

    rows = [
        ScoredFile(str(n), *((None, None, "cut") if n < failed else ("red", 0.9, None)), "model", 1, "sha256:1")
        for n in range(files)
    ]
    return judge(rows, 1, DataRecord("data", "0", "/data"), most).outcome
