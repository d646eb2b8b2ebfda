"""Versions climb from stage to stage, judged by each, and none skips one; what a stage revoked stays out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evaluations import write_export
from mlops.config import DataSource
from mlops.context import Context
from mlops.errors import ConfigError, RegistryError, StepError
from mlops.loading import read_json, write_json
from mlops.names import REVOKED
from mlops.records import DataRecord, PromoteRecord, RegisterRecord, write_record
from mlops.steps import data, promote, register, status
from submissions import MODEL, as_champion, at, first_stage, handed_in, options, registered, tags_of


@pytest.fixture
def dev(own_platform: Path) -> Context:
    return first_stage(own_platform)


def test_a_version_climbs_stage_by_stage_and_none_is_skipped(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    qa, production = at("qa", own_platform), at("production", own_platform)
    with pytest.raises(RegistryError, match="qa: no version of fashion-classifier is approved"):
        promote.promote(production)
    skipped = promote.promote(production, 1)
    assert skipped.verdict.outcome == "reject" and "not approved in qa" in skipped.verdict.reason
    assert promote.promote(qa).version == 1
    record = promote.promote(production)
    assert (record.stage, record.version, record.champion) == ("production", 1, None)
    assert {tags_of(dev, 1)[stage] for stage in ("dev", "qa", "production")} == {"approved"}


def test_the_run_promotes_what_it_registered_not_what_is_newest(
    own_platform: Path, dev: Context, tmp_path: Path
) -> None:
    registered(dev, tmp_path, right=88)
    registered(dev, tmp_path, right=90)
    mine = at("qa", own_platform, "mine")
    write_record(mine.run, "register", read_json(RegisterRecord, tmp_path / "model1" / "out" / "register.json"))
    assert promote.promote(mine).version == 1
    assert promote.promote(at("qa", own_platform, "other")).version == 2


def test_a_run_whose_model_was_held_back_has_nothing_to_promote(
    own_platform: Path, dev: Context, tmp_path: Path
) -> None:
    registered(dev, tmp_path)
    write_export(tmp_path / "worse", 50, "worse", as_champion(dev, dev.registry.versions(MODEL)[1]))
    held_back = register.register(dev, replace(handed_in(tmp_path / "worse"), out=dev.run))
    assert (held_back.version, held_back.verdict.outcome) == (None, "reject")
    with pytest.raises(ConfigError, match="this run's model was held back"):
        promote.promote(at("qa", own_platform))


def test_promoted_again_it_is_the_same_record(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    qa = at("qa", own_platform)
    first = promote.promote(qa)
    assert promote.promote(qa) == first
    elsewhere = promote.promote(at("qa", own_platform, "elsewhere"))
    assert (elsewhere.version, elsewhere.verdict.outcome) == (1, "promote")


def test_each_stage_applies_its_own_gates(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path, right=83)
    assert promote.promote(at("qa", own_platform)).verdict.outcome == "promote"
    record = promote.promote(at("production", own_platform))
    assert record.verdict.outcome == "reject" and "0.8300 is below 0.85" in record.verdict.reason
    assert "production" not in tags_of(dev, 1)


def test_a_revoked_version_is_never_promoted_by_a_rerun(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    qa = at("qa", own_platform)
    promote.promote(qa)
    dev.registry.set_tag(MODEL, 1, "qa", REVOKED)
    dev.registry.set_tag(MODEL, 1, "qa_revoked_because", "it sees double")
    for context in (qa, at("qa", own_platform, "another run")):
        record = promote.promote(context)
        assert record.verdict.outcome == "reject"
        assert "version 1 was revoked in qa (it sees double)" in record.verdict.reason
    assert tags_of(dev, 1)["qa"] == REVOKED
    assert promote.run(qa, options(promote)) == 2


def test_what_the_stage_before_revoked_does_not_go_on(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    record = promote.promote(at("qa", own_platform), 1)
    assert record.verdict.outcome == "reject" and "version 1 is revoked in dev" in record.verdict.reason


def test_an_older_version_than_the_one_approved_comes_late(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path, right=90)
    registered(dev, tmp_path, right=90)
    qa = at("qa", own_platform)
    assert promote.promote(qa).version == 2
    record = promote.promote(qa, 1)
    assert record.verdict.outcome == "reject" and "comes late" in record.verdict.reason


def test_a_corrupted_package_is_an_error_and_nothing_is_tagged(
    own_platform: Path, dev: Context, tmp_path: Path
) -> None:
    version = registered(dev, tmp_path)
    stored = dev.stage.home / "models" / MODEL / version.digest.removeprefix("sha256:")
    (stored / "model_int8.onnx").write_bytes(b"tampered")
    with pytest.raises(RegistryError, match="model_int8.onnx: is sha256"):
        promote.promote(at("qa", own_platform))
    assert "qa" not in tags_of(dev, 1)


def test_another_champion_is_compared_by_its_own_evaluation(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path, right=93)
    qa = at("qa", own_platform)
    promote.promote(qa)
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    registered(dev, tmp_path, right=90, compare=False)
    record = promote.promote(qa, 2)
    assert (record.champion, record.verdict.outcome) == (1, "reject")
    assert "accuracy 0.9000 against the champion's 0.9300" in record.verdict.reason


def test_a_champion_of_another_test_set_is_not_compared(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    qa = at("qa", own_platform)
    promote.promote(qa)
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    judged = write_export(tmp_path / "other", 90, "other")
    other = replace(judged, test_set=replace(judged.test_set, digest="sha256:other"))
    write_json(tmp_path / "other" / "evaluation" / "evaluation.json", other)
    register.register(dev, handed_in(tmp_path / "other"))
    with pytest.raises(ConfigError, match="champion version 1 was evaluated on test set .*--champion-version 1"):
        promote.promote(qa, 2)
    assert "qa" not in tags_of(dev, 2)


def test_dev_is_entered_by_register_alone(dev: Context) -> None:
    with pytest.raises(ConfigError, match="python -m mlops register"):
        promote.promote(dev)


def test_an_unknown_version_is_an_error(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    with pytest.raises(RegistryError, match="no version 10"):
        promote.promote(at("qa", own_platform), 10)


# status and data


def test_status_shows_each_stage(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    registered(dev, tmp_path)
    promote.promote(at("qa", own_platform))
    dev.registry.set_tag(MODEL, 1, "dev", REVOKED)
    said: list[str] = []
    assert status.run(at("dev", own_platform, say=said.append), options(status)) == 0
    assert [line.split() for line in said] == [
        ["STAGE", "APPROVED", "REVOKED", "TRAFFIC", "ENDPOINT"],
        ["dev", "2", "1", "-", "not", "running"],
        ["qa", "2", "-", "-", "not", "running"],
        ["production", "-", "-", "-", "not", "running"],
    ]


def test_data_that_cannot_be_had_is_an_error_with_the_last_line(
    own_platform: Path, dev: Context, tmp_path: Path
) -> None:
    said: list[str] = []
    source = replace(dev.stage.data, folder=str(tmp_path / "nowhere"), debian=False)
    context = Context(replace(dev.stage, data=source), dev.run, said.append)
    with pytest.raises(StepError, match="vision.fetch ended with exit code 1: .*nowhere"):
        data.publish(context)
    assert said and not (dev.run / "data.json").exists()


def test_fetched_data_is_published_and_its_lines_are_passed_on(
    own_platform: Path, dev: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.mkdir(parents=True); (p / 'x').touch(); print('got')"
    monkeypatch.setattr(data, "fetch_command", lambda source, out: [sys.executable, "-c", write, str(out)])
    said: list[str] = []
    record = data.publish(at("dev", own_platform, say=said.append))
    assert said == ["got"]
    assert read_json(DataRecord, dev.run / "data.json") == record == dev.data.fetch(record.name, record.version)


def test_the_stage_file_says_where_data_comes_from(tmp_path: Path) -> None:
    command = data.fetch_command(DataSource("fashion-mnist", "/images", False, "https://example.org/f"), tmp_path)
    assert command[1:3] == ["-m", "vision.fetch"]
    flags = ["--out", str(tmp_path), "--no-debian", "--folder", "/images", "--url", "https://example.org/f"]
    assert command[3:] == flags
    assert "--debian" in data.fetch_command(DataSource("fashion-mnist", None, True, None), tmp_path)


def test_a_trial_judges_and_lets_nothing_in(own_platform: Path, dev: Context, tmp_path: Path) -> None:
    registered(dev, tmp_path)
    qa = at("qa", own_platform)
    assert promote.run(qa, options(promote, "--judge")) == 0
    assert read_json(PromoteRecord, qa.run / "promote.qa.json").verdict.outcome == "promote"
    assert "qa" not in tags_of(dev, 1)
    assert promote.run(qa, options(promote, "--version", "1")) == 0
    assert tags_of(dev, 1)["qa"] == "approved"
