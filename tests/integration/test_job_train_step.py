"""mlops train over the real runner, registry and register component; export and evaluation are copied, not computed."""

from __future__ import annotations

import json
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
from mlops.loading import read_json
from mlops.names import JOB_FILE
from mlops.evaluation import Evaluation, ModelReport
from mlops.records import DataRecord, RegisterRecord, TrainRecord, read_record, write_record
from submissions import options
from mlops.steps import train
from modelpackage import open_package

FOLDER = {"type": "uri_folder"}
CI = "azureml:visionline-ci:1"
COPY = "import shutil, sys\nshutil.copytree(sys.argv[1], sys.argv[2], dirs_exist_ok=True)\n"
# Writes down what it was given of the champion.
COMPARE = (
    "import json, sys\nfrom pathlib import Path\nPath(sys.argv[1], 'given.json').write_text(json.dumps(sys.argv[2:]))\n"
)


@pytest.fixture
def dev(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The dev stage with an empty registry, and a training job whose data folder holds what it will export."""
    give_database(load_stage("dev").home)
    shop = make_workshop(own_platform / "shop")
    write_job(shop)
    monkeypatch.setattr(train, "JOB_FILE", str(shop.job_file))
    return Context(load_stage("dev"), own_platform / "runs" / "run")


def write_job(shop: Workshop) -> None:
    """Write a job with the inputs of the true one and its very register step."""
    shop.module("copy_folder", COPY)
    shop.module("compare", COMPARE)
    for name in ("package", "evaluation"):
        command = f"python -m copy_folder ${{{{inputs.raw}}}}/{name} ${{{{outputs.{name}}}}}"
        shop.component(name, command, inputs={"raw": FOLDER}, outputs={name: FOLDER}, environment=CI)
    optional = {"champion": {**FOLDER, "optional": True}, "champion_version": {"type": "integer", "optional": True}}
    command = "python -m compare ${{outputs.seen}} $[[${{inputs.champion}}]] $[[${{inputs.champion_version}}]]"
    shop.component("compare", command, inputs=optional, outputs={"seen": FOLDER}, environment=CI)
    true_job = yaml.safe_load((REPOSITORY / JOB_FILE).read_text())
    register = true_job["jobs"]["register"]
    register["component"] = str(REPOSITORY / "mlops" / "jobs" / "components" / "register.yml")
    for name in ("package", "evaluation"):
        register["inputs"][name] = f"${{{{parent.jobs.{name}.outputs.{name}}}}}"
    raw = {"inputs": {"raw": "${{parent.inputs.raw}}"}}
    champion = {"inputs": {name: f"${{{{parent.inputs.{name}}}}}" for name in optional}}
    compare = {**champion, "outputs": {"seen": "${{parent.outputs.seen}}"}}
    jobs = {"package": raw, "evaluation": raw, "compare": compare, "register": register}
    shop.job(jobs, inputs=true_job["inputs"], outputs={"registration": FOLDER, "seen": FOLDER})


def run_train(dev: Context, folder: Path, **changes: Any) -> int:
    """Train on a folder of what training will make, and return the exit code."""
    write_export(folder, name=folder.name, **changes)
    write_record(dev.run, "data", DataRecord("images", DATA_VERSION, str(folder)))
    return train.run(dev, options(train))


def champion_of(dev: Context) -> ModelReport:
    """Return the stage's version 1 as an evaluation reports it."""
    version = dev.registry.versions(dev.stage.model)[1]
    stored = read_json(Evaluation, dev.package(1) / "evaluation.json").challenger
    return replace(stored, version=1, release_digest=version.digest)


def seen_champion(dev: Context) -> list[str]:
    """Return what the run's evaluation was given of the champion: its folder and its version."""
    given = Path(read_record(dev.run, "train", TrainRecord).outputs["seen"], "given.json")
    return list(json.loads(given.read_text()))


def test_a_first_model_is_registered_without_a_champion_and_a_second_with_it(dev: Context, tmp_path: Path) -> None:
    assert run_train(dev, tmp_path / "one") == 0
    first = read_record(dev.run, "register", RegisterRecord)
    assert (first.version, first.verdict.outcome, seen_champion(dev)) == (1, "promote", [])
    assert run_train(dev, tmp_path / "two", champion=champion_of(dev)) == 0
    record = read_record(dev.run, "train", TrainRecord)
    assert (record.champion, record.data_version) == (1, DATA_VERSION)
    assert {name: step.status for name, step in record.steps.items()} == {
        "package": "completed",
        "evaluation": "completed",
        "compare": "completed",
        "register": "completed",
    }
    folder, version = seen_champion(dev)
    open_package(Path(folder), first.digest)
    assert version == "1"
    assert read_record(dev.run, "register", RegisterRecord).version == 2


def test_the_same_again_reuses_its_steps_and_keeps_its_version(dev: Context, tmp_path: Path) -> None:
    run_train(dev, tmp_path / "one")
    shutil.rmtree(dev.run)
    run_train(dev, tmp_path / "two", champion=champion_of(dev))
    other_run = replace(dev, run=dev.run.with_name("again"))
    before = read_record(dev.run, "register", RegisterRecord)
    dev.registry.set_tag(dev.stage.model, 2, "dev", "revoked")  # so that version 1 is the champion again
    write_record(other_run.run, "data", DataRecord("images", DATA_VERSION, str(tmp_path / "two")))
    train.train(other_run, read_record(other_run.run, "data", DataRecord), {})
    steps = read_record(other_run.run, "train", TrainRecord).steps
    assert {name: step.status for name, step in steps.items() if name != "register"} == {
        "package": "reused",
        "evaluation": "reused",
        "compare": "reused",
    }
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
