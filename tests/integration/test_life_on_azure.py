"""The demo's scenario on (a fake of) Azure ML: the same acts, steps, gates and records as on this machine.

It is played once. Then it is seen whether it ended as it does here, and whether anything holds a secret: each token,
key and signed address of the fake has the same mark in it.
"""

from __future__ import annotations

import io
import logging
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure_ends import (
    cameras,
    clear_away,
    expect_a_scored_batch,
    expect_a_weekly_training,
    expect_the_end_of_a_life_here,
)
from azure_life import BATCH_STAGES, FOLDERS, MODEL, Life, beside_fake, listening, live, write_places
from azurefake.certificates import Authority
from azurefake.fixture import OTHERS, complaints, forget_clients, running_azure
from azurefake.message import refusal
from azurefake.state import Azure
from running_endpoint import wait_for

from mlops.adapters.azureml import jobs
from mlops.adapters.azureml import registry as azure_registry
from mlops.adapters.azureml.batchspec import ENVIRONMENT
from mlops.adapters.azureml.computes import ensure_cluster
from mlops.adapters.azureml.environments import ensure_environment
from mlops.config import load_stage
from mlops.context import Context, run_folder
from mlops.errors import StepError
from mlops.ports import Deployment
from mlops.records import DataRecord, read_record


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, azure_authority: Authority) -> Iterator[tuple[Azure, Path]]:
    """Put a fake Azure in place of the real one for all tests here, and each file of ours into one folder."""
    root = tmp_path_factory.mktemp("life")
    forget_clients()
    with running_azure(
        tmp_path_factory.mktemp("azure"), azure_authority
    ) as azure, pytest.MonkeyPatch.context() as patch:
        for name in OTHERS:
            patch.delenv(name, raising=False)
        for name, value in azure.environment().items():
            patch.setenv(name, value)
        for name, folder in FOLDERS.items():
            (root / folder).mkdir()
            patch.setenv(name, str(root / folder))
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(jobs, "FIRST_PAUSE_SECONDS", 0.0)
        patch.setattr(azure_registry, "SETTLE_SECONDS", 0.0)
        write_places(azure, root)
        yield azure, root
        clear_away(root)
        left = [
            key for key in azure.resources if key.split("/")[-2] in ("onlineEndpoints", "batchEndpoints", "schedules")
        ]
    forget_clients()
    assert (left, complaints(azure)) == ([], [])


@pytest.fixture(scope="module")
def lived(world: tuple[Azure, Path]) -> Life:
    """Play the life once, listening."""
    azure, root = world
    told = io.StringIO()
    with listening(told):
        (root / "raw").mkdir()
        (root / "raw" / "images").write_text("pixels")
        live(root, root / "raw", lambda line: print(line, file=told), lambda act: beside_fake(azure, root, act))
    return Life(azure, root, told.getvalue())


@pytest.fixture
def afterwards(lived: Life, monkeypatch: pytest.MonkeyPatch) -> Life:
    """Look at the life's own folders again, from which each test is kept."""
    for name, folder in FOLDERS.items():
        monkeypatch.setenv(name, str(lived.root / folder))
    return lived


def test_a_models_whole_life_on_azure_ml_is_that_of_a_models_life_here(afterwards: Life) -> None:
    expect_the_end_of_a_life_here()
    expect_a_weekly_training()


def test_after_the_rollback_the_batch_endpoint_scores_each_image_by_the_version_that_serves(afterwards: Life) -> None:
    expect_a_scored_batch(afterwards.root)


def test_what_production_calls_approved_dev_does_not_hear_of(afterwards: Life) -> None:
    in_dev = Context(load_stage("dev"), run_folder("life")).registry.versions(MODEL)
    assert not any("production" in one.tags for one in in_dev.values())


def test_cameras_are_answered_by_what_has_the_traffic(afterwards: Life) -> None:
    with cameras(load_stage("production")) as codes:
        wait_for(lambda: len(codes) > 2)
    assert set(codes) == {200}


def test_the_stages_of_the_scenario_are_three_workspaces_and_a_registry(afterwards: Life) -> None:
    places: dict[str, Any] = {name: load_stage(name).azureml for name in ("dev", "qa", "production")}
    assert len({one.workspace for one in places.values()}) == 3
    assert [one.registry for one in places.values()] == [None, "shared", "shared"]


def places_of(text: str, contents: Mapping[str, bytes]) -> list[str]:
    """Return the names of the contents that hold a text."""
    return [name for name, content in contents.items() if text.encode() in content]


def kept(life: Life) -> dict[str, bytes]:
    """Return all that a life leaves: each file below its folder, what it sent to be stored, and what was said."""
    files = {str(path): path.read_bytes() for path in life.root.rglob("*") if path.is_file()}
    blobs = {"blob " + "/".join(key): content for key, content in life.azure.blobs.items()}
    sent = {f"{one.method} {one.path}": one.body for one in life.azure.sent() if one.method in ("PUT", "PATCH")}
    return {**files, **blobs, **sent, "what was said": life.said.encode()}


def test_no_file_line_or_log_of_a_whole_life_holds_a_secret(afterwards: Life) -> None:
    contents = kept(afterwards)
    for part in ("home", "runs", "stages", "model1", "blob fakestore/", "blob productionstore/", "PUT /subscriptions/"):
        assert any(part in name for name in contents), part
    for words in ("production: served, serving version 1", "scored 7 of 7 files", "https://management.azure.com"):
        assert words in afterwards.said, words
    assert places_of(Azure.SECRET, contents) == []


def test_a_secret_that_is_left_anywhere_is_found(azure: Azure, tmp_path: Path) -> None:
    told = io.StringIO()
    with listening(told):
        logging.getLogger("planted").debug("GET %s", f"https://a/b?sig={Azure.SECRET}")
        print(f"key={Azure.SECRET}")
    path = tmp_path / "home" / ".deep" / "record.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0\xff" + Azure.SECRET.encode())
    azure.blobs["account", "container", "code.py"] = f"token = '{Azure.SECRET}'".encode()
    said = told.getvalue()
    assert [line.partition(Azure.SECRET)[0] for line in said.splitlines()] == ["GET https://a/b?sig=", "key="]
    found = places_of(Azure.SECRET, kept(Life(azure, tmp_path, said)))
    assert found == [str(path), "blob account/container/code.py", "what was said"]


def at(name: str, life: Life, folder: str = "stages") -> Context:
    """Return a stage's context as a new process has it."""
    return Context(load_stage(name, life.root / folder), run_folder("life/batch"), lambda line: None)


def served(life: Life) -> Deployment:
    """Return what production's batch endpoint serves."""
    context = at("production", life, BATCH_STAGES)
    version = context.registry.versions(MODEL)[1]
    return Deployment(MODEL, 1, version.digest, context.package(1), context.stage.release.variant)


def batch_job(life: Life) -> object:
    """Score by a job."""
    data = read_record(run_folder("life/batch"), "data", DataRecord)
    return at("production", life, BATCH_STAGES).scorer.score(served(life), data)


def locked(life: Life) -> None:
    """Take the lock of an endpoint."""
    with at("production", life).target.lock():
        raise AssertionError("the lock was to be refused")


# What is asked of Azure, which answer is spoiled, and how a step comes to ask it.
FAMILIES: dict[str, tuple[str, str, Callable[[Life], object]]] = {
    "login": ("POST", "/oauth2/", lambda life: at("dev", life).registry.versions(MODEL)),
    "models": ("GET", "/models/", lambda life: at("dev", life).registry.versions(MODEL)),
    "shared registry": ("GET", "/registries/", lambda life: at("production", life).registry.versions(MODEL)),
    "data": ("GET", "/data/", lambda life: at("dev", life).data.fetch("stripes", "0" * 16)),
    "storage": ("*", "blob.core.windows.net", locked),
    "environments": ("GET", "/environments/", lambda life: ensure_environment(load_stage("dev"), "batch", ENVIRONMENT)),
    "clusters": ("GET", "/computes/", lambda life: ensure_cluster(load_stage("dev"), "cpu-cluster")),
    "jobs": ("GET", "/jobs/", lambda life: at("dev", life).jobs.result("lost", print)),
    "schedules": ("GET", "/schedules/", lambda life: at("dev", life).scheduler.pause()),
    "online endpoint": ("GET", "/onlineEndpoints/", lambda life: at("production", life).target.status()),
    "its keys": ("POST", "/listKeys", lambda life: at("production", life).target.status()),
    "its metrics": ("GET", "/Microsoft.Insights/", lambda life: at("production", life).target.status()),
    "batch endpoint": ("GET", "/batchEndpoints/", lambda life: at("production", life, BATCH_STAGES).target.status()),
    "batch job": ("POST", "inference.ml.azure.com/jobs", batch_job),
    "key vault": ("GET", "vault.azure.net", lambda life: at("dev", life).secrets.read("token")),
}


@pytest.mark.parametrize("status", [401, 403, 500])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_error_repeats_a_secret_that_azures_answer_holds(
    family: str, status: int, afterwards: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, part, ask = FAMILIES[family]
    azure, told = afterwards.azure, io.StringIO()
    url = f"https://store.blob.core.windows.net/c/b?sv=1&sig={Azure.SECRET}&se=2"
    words = f"Refused: {url} Authorization: Bearer {azure.identity_file.read_text()} AccountKey={Azure.SECRET};"
    monkeypatch.setattr(RequestsTransport, "sleep", lambda transport, seconds: None)
    monkeypatch.setattr(jobs, "OUTAGE_SECONDS", 0.0)
    forget_clients()
    azure.fail(method, part, *[refusal(status, "Refused", words)] * 40)
    with listening(told), pytest.raises(StepError) as raised:
        ask(afterwards)
    asked = len(azure.faults.pop().answers) < 40
    said = "".join(traceback.format_exception(raised.value)) + repr(raised.value.__dict__) + told.getvalue()
    assert asked and str(raised.value).count("\n") == 0
    assert Azure.SECRET not in said, str(raised.value)
