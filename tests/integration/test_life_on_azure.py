"""The demo's scenario on (a fake of) Azure ML: the same acts, steps, gates and records as on this machine.

Dev has a workspace of its own; qa and production share a registry. What the training job does on its nodes stands in
for itself, but for the registration, which is the real one. The endpoints score with the models that are registered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from azurefake.jobs import Step, on_job, plan, put_output
from azurefake.registries import add_registry
from azurefake.scoring import break_down
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from evaluations import DATA_VERSION, LABELS, evaluation, model
from mlops.adapters.azureml import jobs
from mlops.adapters.azureml import registry as azure_registry
from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.demo.acts import Act, life
from mlops.evaluation import Evaluation
from mlops.loading import read_json, write_json
from mlops.records import stage_tag, write_record
from mlops.registration import Submission
from mlops.steps.register import register
from model_packages import make_unsealed
from modelpackage import digest_file
from running_endpoint import wait_for

MODEL = "fashion-classifier"
QUICK = {"verify": {"requests": 4, "bake_seconds": 0, "max_latency_ratio": 1e6}}
SHARED = {"target": "azureml-online", "release": QUICK}


@pytest.fixture
def stages(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """Point dev, qa and production at workspaces of their own, the latter two at a registry that they share."""
    add_registry(azure, "shared")
    weekly = {"cron": "0 3 * * 1", "time_zone": "UTC", "on_new_data": False}
    places: dict[str, dict[str, Any]] = {"dev": {"workspace": "ws", "retraining": weekly}}
    for name in ("qa", "production"):
        add_workspace(azure, name=f"ws-{name}", account=f"{name}store")
        places[name] = {"workspace": f"ws-{name}", "registry": "shared"}
    written = write_stages(tmp_path / "stages", **{name: {**SHARED, "azureml": one} for name, one in places.items()})
    monkeypatch.setenv("VISIONLINE_STAGES", str(written))
    monkeypatch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(azure_registry, "SETTLE_SECONDS", 0.0)
    return azure


def exported(folder: Path, number: int, dev: Context) -> Submission:
    """Write what a training leaves behind: a model, evaluated beside dev's champion."""
    make_unsealed(folder, version_bias=number / 10, classes=LABELS)
    versions = dev.registry.versions(MODEL)
    champion = None
    if versions:
        served = versions[max(versions)]
        stored = read_json(Evaluation, dev.package(served.version) / "evaluation.json").challenger
        champion = replace(stored, version=served.version, release_digest=served.digest)
    made = model(90 + number, f"model{number}")
    files = {name: digest_file(folder / f"model_{name}.onnx") for name in made.variants}
    variants = {name: replace(report, sha256=files[name]) for name, report in made.variants.items()}
    write_json(folder / "evaluation.json", asdict(evaluation(replace(made, variants=variants), champion)))
    return Submission(folder, folder, DATA_VERSION, "c0ffee", folder.with_suffix(".out"))


def work_on(azure: Azure, number: int, folder: Path) -> None:
    """Do on the job's node what its registration does, once the job has come to it, and let the job go on."""
    steps = plan(azure).steps
    wait_for(lambda: any(one.name == "register" and one.status == "Running" for all_ in steps.values() for one in all_))
    dev = Context(load_stage("dev"), folder / f"node{number}", lambda line: None)
    submission = exported(folder / f"model{number}", number, dev)
    register(dev, submission)
    paths = [path for path in submission.out.rglob("*") if path.is_file()]
    files = {path.relative_to(submission.out).as_posix(): path.read_bytes() for path in paths}

    def leave(azure: Azure, step: Step) -> None:
        put_output(azure, step, "registration", files)

    on_job(azure, "register", leave)
    plan(azure).held = ""


def play(azure: Azure, act: Act, folder: Path) -> None:
    """Run an act's command and hold it to the exit code that the scenario wants."""
    name = act.title.split()[1]
    if act.title == "deploy v3 to prod":
        break_down(azure, "v03", every=2)  # what cameras' frames do to it in the demo
    worker = None
    if act.command[0] == "train":
        plan(azure).held, number = ("register", int(name[1:]))
        worker = threading.Thread(target=work_on, args=(azure, number, folder))
        worker.start()
    said: list[str] = []
    code = main(act.command, said.append)
    if worker is not None:
        worker.join()
    assert code == act.expected, (act.title, said[-4:])


@pytest.fixture
def lived(stages: Azure, tmp_path: Path) -> Iterator[Azure]:
    """Play the whole life."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "images").write_text("pixels")
    data = Context(load_stage("dev"), run_folder("life")).data.publish("stripes", raw)
    for name in ("v1", "v2", "v3"):
        write_record(run_folder(f"life/{name}"), "data", data)
    acts = [act for act in life("life", brief=()) if isinstance(act, Act) and act.command[0] != "data"]
    for act in [*acts, Act("schedule v3", ("schedule", "--stage", "dev", "--run", "life/v3"))]:
        play(stages, act, tmp_path)
    yield stages


def test_a_models_whole_life_on_azure_ml_is_that_of_a_models_life_here(lived: Azure) -> None:
    shared = Context(load_stage("production"), run_folder("life"))
    versions = shared.registry.versions(MODEL)
    assert [stage_tag(versions[number], "production") for number in (1, 2, 3)] == ["approved", "revoked", "revoked"]
    assert [stage_tag(versions[number], "qa") for number in (1, 2, 3)] == ["approved"] * 3
    in_dev = Context(load_stage("dev"), run_folder("life")).registry.versions(MODEL)
    assert {number: one.digest for number, one in in_dev.items()} == {n: one.digest for n, one in versions.items()}
    assert not any("production" in one.tags for one in in_dev.values())
    traffic = {name: Context(load_stage(name), run_folder("x")).target.status().traffic for name in ("dev", "qa")}
    assert (traffic, shared.target.status().traffic) == ({"dev": {3: 100}, "qa": {3: 100}}, {1: 100})
    canary = json.loads((run_folder("life/v3") / "deploy.production.json").read_text())
    assert (canary["outcome"], canary["version"]) == ("reverted", 2)
    (schedule,) = lived.sent("PUT", "/schedules/")
    assert schedule.json["properties"]["trigger"]["expression"] == "0 3 * * 1"
    told = [path.read_text() for path in run_folder("life").rglob("*.json")]
    assert told and not [text for text in told if Azure.SECRET in text]


def test_the_stages_of_the_scenario_are_three_workspaces_and_a_registry(stages: Azure) -> None:
    places: dict[str, Any] = {name: load_stage(name).azureml for name in ("dev", "qa", "production")}
    assert len({one.workspace for one in places.values()}) == 3
    assert [one.registry for one in places.values()] == [None, "shared", "shared"]
    assert azure_stage("dev").azureml.workspace == places["dev"].workspace
