"""Plays the demo's scenario on a fake of Azure, for tests: three workspaces, a shared registry, all acts by the steps.

Dev has a workspace of its own; qa and production share a registry. What the training job does on its nodes stands in
for itself, but for the registration, which is the real one. The endpoints score with the models that are registered.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azurefake.codes import files_of
from azurefake.jobs import Step, on_job, plan, put_output
from azurefake.registries import add_registry
from azurefake.scoring import break_down
from azurefake.stages import write_stages
from azurefake.state import Azure
from azurefake.workspaces import add_workspace
from image_batches import publish_batch
from running_endpoint import wait_for
from trainings import trained

from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.demo.acts import Act, life
from mlops.records import write_record
from mlops.steps.register import register

MODEL = "fashion-classifier"
QUICK = {"verify": {"requests": 4, "bake_seconds": 0, "max_latency_ratio": 1e6}}
BATCH_STAGES = "batch-stages"
WEEKLY = {"cron": "0 3 * * 1", "time_zone": "UTC", "on_new_data": False}
FAILING = "deploy v3 to prod"
# Of the trainings of versions 1, and 2 and 3.
FLAGS = tuple(("--set", f"epochs={epochs}", "--set", "width=4", "--set", "batch_size=64") for epochs in (1, 2))
Beside = Callable[[Act], AbstractContextManager[None]]
# Where this process is told to keep what: all below one folder, so that all can be searched.
FOLDERS = {
    "VISIONLINE_HOME": "home",
    "VISIONLINE_RUNS": "runs",
    "VISIONLINE_STAGES": "stages",
    "HOME": "user",
    "TMPDIR": "tmp",
}


@dataclass(frozen=True)
class Life:
    """What is left of a life that was played: the fake, the folder of all files, and all that was said."""

    azure: Azure
    root: Path
    said: str


def write_places(azure: Azure, root: Path) -> None:
    """Point dev, qa and production at workspaces of their own, the latter two at a registry that they share.

    What production serves online, it scores with by a batch endpoint: that takes another set of stage files.
    """
    add_registry(azure, "shared")
    places: dict[str, dict[str, Any]] = {"dev": {"workspace": "ws", "retraining": WEEKLY}}
    for name in ("qa", "production"):
        add_workspace(azure, name=f"ws-{name}", account=f"{name}store")
        places[name] = {"workspace": f"ws-{name}", "registry": "shared"}
    for folder, target in (("stages", "azureml-online"), (BATCH_STAGES, "azureml-batch")):
        changes = {"target": target, "release": QUICK}
        write_stages(root / folder, **{name: {**changes, "azureml": one} for name, one in places.items()})


def work_on(azure: Azure, number: int, folder: Path) -> None:
    """Do on the job's node what its registration does, once the job has come to it, and let the job go on."""
    wait_for(lambda: _registering(azure) is not None)
    node = folder / f"node{number}"
    dev = Context(load_stage("dev", _stages_on_node(azure, node)), node, lambda line: None)
    submission = trained(folder / f"model{number}", number, dev)
    register(dev, submission)
    paths = [path for path in submission.out.rglob("*") if path.is_file()]
    files = {path.relative_to(submission.out).as_posix(): path.read_bytes() for path in paths}

    def leave(azure: Azure, step: Step) -> None:
        put_output(azure, step, "registration", files)

    on_job(azure, "register", leave)
    plan(azure).held = ""


def _registering(azure: Azure) -> Step | None:
    steps = (one for all_ in list(plan(azure).steps.values()) for one in all_)
    return next((one for one in steps if one.name == "register" and one.status == "Running"), None)


def _stages_on_node(azure: Azure, node: Path) -> Path:
    """Write the stage files that were uploaded with the registration's code, and return their folder."""
    step, place = _registering(azure), node / "mlops" / "stages"
    assert step is not None
    place.mkdir(parents=True)
    for path, content in files_of(azure, step.component["code"]).items():
        if path.startswith("mlops/stages/"):
            (node / path).write_bytes(content)
    return place


@contextmanager
def beside_fake(azure: Azure, folder: Path, act: Act) -> Iterator[None]:
    """Do what is left to a test while an act runs on the fake: the work on a training's node, cameras that fail."""
    if act.title == FAILING:
        break_down(azure, "v03", every=2)  # what cameras' frames do to it in the demo
    if act.command[0] != "train":
        yield
        return
    name = act.title.split()[1]
    plan(azure).held = "register"
    worker = threading.Thread(target=work_on, args=(azure, int(name[1:]), folder))
    worker.start()
    yield
    worker.join()


def live(root: Path, raw: Path, say: Callable[[str], None], beside: Beside) -> None:
    """Play the whole life, on data that is published first; `beside` surrounds each act with what else goes on."""
    data = Context(load_stage("dev"), run_folder("life")).data.publish("stripes", raw)
    for name in ("v1", "v2", "v3"):
        write_record(run_folder(f"life/{name}"), "data", data)
    acts = [act for act in life("life", *FLAGS) if isinstance(act, Act) and act.command[0] != "data"]
    for act in [*acts, Act("schedule v3", ("schedule", "--stage", "dev", "--run", "life/v3"))]:
        if act.command[0] == "score":
            _score_batch(act, root, say, beside)
        else:
            _play(act, say, beside)


def _play(act: Act, say: Callable[[str], None], beside: Beside) -> None:
    """Run an act's command and hold it to the exit code that the scenario wants."""
    with beside(act):
        code = main(act.command, say)
    assert code == act.expected, act.title


def _score_batch(act: Act, folder: Path, say: Callable[[str], None], beside: Beside) -> None:
    """Publish images in production's workspace, release to the batch endpoint there, and score by it."""
    with at_batch(folder):
        publish_batch(folder / "images")
        _play(Act("deploy v1 to batch", ("deploy", *act.command[1:])), say, beside)
        _play(act, say, beside)


@contextmanager
def at_batch(folder: Path) -> Iterator[None]:
    """Read the stage files by which production scores with a batch endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLINE_STAGES", str(folder / BATCH_STAGES))
        yield


@contextmanager
def listening(into: io.StringIO) -> Iterator[None]:
    """Write whatever is printed or logged, by whomever and at any level, into a text."""
    handler, root = logging.StreamHandler(into), logging.getLogger()
    named = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = {one: one.level for one in (root, *named)}
    root.addHandler(handler)
    for one in before:
        one.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(into), redirect_stderr(into):
            yield
    finally:
        for one, level in before.items():
            one.setLevel(level)
        root.removeHandler(handler)
