"""mlops train over the real runner, registry and register component; export and evaluation are copied, not computed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from evaluations import DATA_VERSION, write_export
from pipelines import Workshop, make_workshop
from registries import give_database

from mlops.config import REPOSITORY, load_stage
from mlops.context import Context
from mlops.errors import ConfigError
from mlops.names import JOB_FILE
from mlops.ports import JobResult
from mlops.records import DataRecord, RegisterRecord, TrainRecord, read_record, write_record
from submissions import options
from mlops.steps import train

FOLDER = {"type": "uri_folder"}
CI = "azureml:visionline-ci:1"
COPY = "import shutil, sys\nshutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)\n"
# Stands in for the evaluation: beside what is handed to it, the champion as it was evaluated itself.
COMPARE = """
import json, shutil, sys
from pathlib import Path
handed, champion, out = map(Path, sys.argv[1:])
known, made = (json.loads(path.read_text()) for path in (champion / "champion.json", handed / "evaluation.json"))
if known["version"]:
    stored = json.loads((champion / "package" / "evaluation.json").read_text())["challenger"]
    made["champion"] = {**stored, "version": known["version"], "release_digest": known["digest"]}
(out / "evaluation.json").write_text(json.dumps(made))
shutil.copy(handed / "golden.json", out)
"""


@pytest.fixture
def dev(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The dev stage with an empty registry, and a training job whose data folder holds what it will export."""
    give_database(load_stage("dev").home)
    shop = make_workshop(own_platform / "shop")
    write_job(shop)
    monkeypatch.setattr(train, "JOB_FILE", str(shop.job_file))
    return Context(load_stage("dev"), own_platform / "runs" / "run")


def write_job(shop: Workshop) -> None:
    """Write a job with the inputs of the true one and its very steps that ask the registry and change it."""
    shop.module("copy_folder", COPY)
    shop.module("compare", COMPARE)
    folders = {"raw": FOLDER, "champion": FOLDER}
    copy, compare = "python -m copy_folder ${{inputs.raw}}/", "python -m compare ${{inputs.raw}}/"
    package = f"{copy}package ${{{{outputs.package}}}}"
    evaluate = f"{compare}evaluation ${{{{inputs.champion}}}} ${{{{outputs.evaluation}}}}"
    shop.component("package", package, inputs={"raw": FOLDER}, outputs={"package": FOLDER}, environment=CI)
    shop.component("evaluation", evaluate, inputs=folders, outputs={"evaluation": FOLDER}, environment=CI)
    true_job = yaml.safe_load((REPOSITORY / JOB_FILE).read_text())
    champion, register = (true_job["jobs"][step] for step in ("champion", "register"))
    for node, step in ((champion, "champion"), (register, "register")):
        node["component"] = str(REPOSITORY / "mlops" / "jobs" / "components" / f"{step}.yml")
    for name in ("package", "evaluation"):
        register["inputs"][name] = f"${{{{parent.jobs.{name}.outputs.{name}}}}}"
    raw = {"raw": "${{parent.inputs.raw}}"}
    against = {"champion": "${{parent.jobs.champion.outputs.champion}}"}
    evaluation = {"inputs": {**raw, **against}, "outputs": {"evaluation": "${{parent.outputs.evaluation}}"}}
    jobs = {"champion": champion, "package": {"inputs": raw}, "evaluation": evaluation, "register": register}
    shop.job(jobs, inputs=true_job["inputs"], outputs={"registration": FOLDER, "evaluation": FOLDER})


def run_train(dev: Context, folder: Path, **changes: Any) -> int:
    """Train on a folder of what training will make, and return the exit code."""
    write_export(folder, name=folder.name, **changes)
    write_record(dev.run, "data", DataRecord("images", DATA_VERSION, str(folder)))
    return train.run(dev, options(train))


def verdict_of(result: JobResult) -> tuple[int | None, str]:
    registered = read_record(Path(result.outputs["registration"]), "register", RegisterRecord)
    return registered.version, registered.verdict.outcome


def test_a_first_model_is_registered_without_a_champion_and_a_second_with_it(dev: Context, tmp_path: Path) -> None:
    assert run_train(dev, tmp_path / "one") == 0
    first = read_record(dev.run, "register", RegisterRecord)
    assert (first.version, first.verdict.outcome) == (1, "promote")
    assert read_record(dev.run, "train", TrainRecord).champion is None
    assert run_train(dev, tmp_path / "two") == 0
    record = read_record(dev.run, "train", TrainRecord)
    assert (record.champion, record.data_version) == (1, DATA_VERSION)
    steps = ("champion", "package", "evaluation", "register")
    assert {name: step.status for name, step in record.steps.items()} == {step: "completed" for step in steps}
    assert read_record(dev.run, "register", RegisterRecord).version == 2


def test_trainings_of_one_schedule_each_meet_the_champion_of_their_own_day(dev: Context, tmp_path: Path) -> None:
    run_train(dev, tmp_path / "raw")
    published = train.job_inputs(dev, DataRecord("images", DATA_VERSION, str(tmp_path / "raw")), {})
    for fire, right in ((2, 91), (3, 92)):
        write_export(tmp_path / "raw", right, f"fire {fire}")  # the same data never gives the same weights twice
        result = dev.jobs.run(Path(train.JOB_FILE), published, dev.report)
        assert verdict_of(result) == (fire, "promote")


def test_the_same_again_reuses_its_steps_and_keeps_its_version(dev: Context, tmp_path: Path) -> None:
    run_train(dev, tmp_path / "one")
    shutil.rmtree(dev.run)
    run_train(dev, tmp_path / "two")
    other_run = replace(dev, run=dev.run.with_name("again"))
    before = read_record(dev.run, "register", RegisterRecord)
    dev.registry.set_tag(dev.stage.model, 2, "dev", "revoked")  # so that version 1 is the champion again
    write_record(other_run.run, "data", DataRecord("images", DATA_VERSION, str(tmp_path / "two")))
    train.train(other_run, read_record(other_run.run, "data", DataRecord), {})
    steps = read_record(other_run.run, "train", TrainRecord).steps
    assert [name for name, step in steps.items() if step.status == "reused"] == ["package"]
    assert before.version == 2 and list(dev.registry.versions(dev.stage.model)) == [1, 2]


def test_a_bad_model_exits_with_the_verdict_and_registers_nothing(dev: Context, tmp_path: Path) -> None:
    assert run_train(dev, tmp_path / "bad", right=10) == 2
    assert train.run(dev, options(train, "--reject-ok")) == 0
    record = read_record(dev.run, "register", RegisterRecord)
    assert (record.version, record.verdict.outcome) == (None, "reject")
    assert dev.registry.versions(dev.stage.model) == {}


def test_settings_take_the_place_of_the_stage_files() -> None:
    assert train.read_overrides(["epochs=1", "note=a=b"]) == {"epochs": "1", "note": "a=b"}


@pytest.mark.parametrize("setting, reason", [("epochs", "should be INPUT=VALUE"), ("stage=qa", "leave it out")])
def test_a_setting_that_is_not_the_users_is_refused(setting: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        train.read_overrides([setting])


def test_a_setting_that_the_job_does_not_know_is_refused_before_anything_runs(dev: Context, tmp_path: Path) -> None:
    write_export(tmp_path / "one")
    with pytest.raises(ConfigError, match="inputs.epoch: is no input of this job"):
        train.train(dev, DataRecord("images", DATA_VERSION, str(tmp_path / "one")), {"epoch": "1"})
    assert not (dev.stage.home / "steps").exists()
