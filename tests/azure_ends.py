"""What a life on Azure ML must have come to, on the fake and in real workspaces alike; and how it is cleared away.

Each function reads the stage files and the runs that the environment names, as the steps of the life did.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from azure.core.exceptions import ResourceNotFoundError
from azure_life import WEEKLY, at_batch
from image_batches import IMAGES
from running_endpoint import picture

from mlops.adapters.azureml import batch, online
from mlops.adapters.azureml.schedules import AzureScheduler
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage, load_stage
from mlops.context import Context, run_folder
from mlops.names import STAGES
from mlops.records import ScoreRecord, read_record, stage_tag

DEPLOYMENT_HEADER = "azureml-model-deployment"


def expect_the_end_of_a_life_here() -> None:
    """Raise AssertionError where versions, tags, traffic or the canary's record are not those of a life here."""
    shared = Context(load_stage("production"), run_folder("life"))
    versions = shared.registry.versions(shared.stage.model)
    assert [stage_tag(versions[number], "production") for number in (1, 2, 3)] == ["approved", "revoked", "revoked"]
    assert [stage_tag(versions[number], "qa") for number in (1, 2, 3)] == ["approved"] * 3
    in_dev = Context(load_stage("dev"), run_folder("life")).registry.versions(shared.stage.model)
    assert {number: one.digest for number, one in in_dev.items()} == {n: one.digest for n, one in versions.items()}
    traffic = {name: Context(load_stage(name), run_folder("x")).target.status().traffic for name in STAGES}
    assert traffic == {"dev": {3: 100}, "qa": {3: 100}, "production": {1: 100}}
    canary = json.loads((run_folder("life/v3") / "deploy.production.json").read_text())
    assert (canary["outcome"], canary["version"]) == ("reverted", 2)


def expect_a_scored_batch(folder: Path) -> None:
    """Raise AssertionError where a row is missing, or another version scored it than the one that serves."""
    record = read_record(run_folder("life/batch"), "score.production", ScoreRecord)
    assert (record.version, record.files, record.failed) == (1, IMAGES, 0)
    rows = [json.loads(line) for line in Path(record.rows).read_text().splitlines()]
    images = sorted(path.relative_to(folder / "images").as_posix() for path in (folder / "images").rglob("*.png"))
    assert [row["file"] for row in rows] == images and len(images) == IMAGES
    assert {row["digest"] for row in rows} == {record.digest}


def expect_a_weekly_training() -> None:
    """Raise AssertionError where Azure has no schedule, or one of another rhythm."""
    dev = load_stage("dev")
    found = client_of(dev).schedules.get(AzureScheduler(dev).name)
    assert (found.trigger.expression, found.is_enabled) == (WEEKLY["cron"], True)


@contextmanager
def cameras(stage: Stage) -> Iterator[list[int]]:
    """Send frames of another size than 28x28 to a stage's endpoint, by its traffic, and give the answers' codes."""
    status = Context(stage, run_folder("cameras"), lambda line: None).target.status()
    seen = next(iter(status.deployments.values()))
    headers = {name: value for name, value in seen.headers.items() if name != DEPLOYMENT_HEADER}
    codes, is_over = list[int](), threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=60.0) as client:
            while not is_over.wait(0.2):
                with suppress(httpx.TransportError):
                    sent = client.post(f"{status.url}{seen.infer_path}", content=picture((9, 9, 9)), headers=headers)
                    codes.append(sent.status_code)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield codes
    finally:
        is_over.set()
        thread.join()


def clear_away(folder: Path) -> None:
    """Delete what costs, where it is there: endpoints and the schedule; archive all versions of the life's model."""
    for name in STAGES:
        stage = load_stage(name)
        context = Context(stage, run_folder("cleared"), lambda line: None)
        with suppress(ResourceNotFoundError):
            client_of(stage).online_endpoints.begin_delete(online.open_target(stage).name).result()
        for number in context.registry.versions(stage.model):
            context.registry.archive(stage.model, number)
    AzureScheduler(load_stage("dev")).remove()
    with at_batch(folder), suppress(ResourceNotFoundError):
        production = load_stage("production")
        client_of(production).batch_endpoints.begin_delete(batch.open_target(production).name).result()
