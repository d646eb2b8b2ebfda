"""Two workers serve several models: from a folder that is followed, or loaded by call, without a failed request."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from model_packages import MODEL, declared, make_package
from running_endpoint import RunningEndpoint, picture, running_endpoint, wait_for
from serving.client import Client

RED = picture((220, 10, 10))
Answers = list[tuple[int, str | None]]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a folder with one version of each of two models."""
    for name in ("one", "two"):
        make_package(tmp_path / "models" / name / "1")
    return tmp_path / "models"


@contextmanager
def asked(url: str, model: str) -> Iterator[Answers]:
    """Have two clients score with a model without pause; the list holds each status and version."""
    stop, answers = threading.Event(), Answers()

    def ask() -> None:
        with closing(Client(url)) as client:
            while not stop.is_set():
                status, body = client.request("POST", f"/score?model={model}", RED)
                answers.append((status, body.get("model_version")))

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ask) for _ in range(2)]
        try:
            yield answers
        finally:
            stop.set()
    for one in running:
        one.result()


def versions(endpoint: RunningEndpoint, model: str) -> list[str]:
    """Return the versions of a model that are ready in all workers."""
    deployments = endpoint.report()["models"].get(model, {"deployments": {}})["deployments"]
    return [version for version, one in deployments.items() if one["state"] == "ready"]


def test_versions_come_and_go_with_the_folder_and_no_request_is_lost(models: Path, tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "endpoint", "--workers", "2", "--models", models) as endpoint:
        wait_for(lambda: versions(endpoint, "one") == versions(endpoint, "two") == ["1"])
        with asked(endpoint.url, "one") as answers:
            make_package(tmp_path / "new", 0.5).rename(models / "one" / "2")
            wait_for(lambda: versions(endpoint, "one") == ["2"])
            shutil.copytree(models / "one" / "2", models / "one" / "10", ignore=shutil.ignore_patterns("labels.json"))
            shutil.rmtree(models / "one" / "2")
            wait_for(lambda: versions(endpoint, "one") == ["1"])
        assert versions(endpoint, "two") == ["1"]
    assert {status for status, _ in answers} == {200}
    assert {version for _, version in answers} == {"1", "2"}


def test_a_model_is_loaded_and_unloaded_by_call_and_no_request_of_another_is_lost(models: Path, tmp_path: Path) -> None:
    (models / "policy.yaml").write_text("policy: explicit\n", encoding="utf-8")
    make_package(models / "one" / "2", 0.5)
    with running_endpoint(tmp_path / "endpoint", "--workers", "2", "--models", models) as endpoint:

        def call(what: str, **parameters: str) -> int:
            content = {"parameters": parameters} if parameters else None
            return endpoint.client.post(f"/v2/repository/models/{what}", json=content).status_code

        assert call("one/load", version="1") == 200
        with asked(endpoint.url, "one") as answers:
            assert call("two/load") == 200
            assert versions(endpoint, "two") == ["1"], "the answer means that each worker serves it"
            assert call("one/load") == 200
            assert call("one/load", variant="fp16") == 400
            assert call("two/unload") == 200
            assert "two" not in endpoint.report()["models"]
        index = {
            (row["name"], row["version"]): row["state"] for row in endpoint.client.post("/v2/repository/index").json()
        }
    assert index == {("one", "2"): "READY", ("one", "1"): "UNAVAILABLE", ("two", "1"): "UNAVAILABLE"}
    assert {status for status, _ in answers} == {200}
    assert answers[-1] == (200, "2")


def test_a_camera_stays_with_its_version_whichever_worker_answers(tmp_path: Path) -> None:
    one, two = (declared(make_package(tmp_path / version, int(version) / 10)) for version in ("1", "2"))
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:

        def version_of(camera: str) -> str:
            headers = {"x-route-key": camera}
            with httpx.Client(base_url=endpoint.url, headers=headers, trust_env=False) as client:
                return client.post("/score", content=RED).json()["model_version"]

        cameras = [f"gate-{number}" for number in range(20)]
        endpoint.declare({"1": one, "2": two}, {"1": 90, "2": 10})
        first = {camera: version_of(camera) for camera in cameras}
        assert {camera: version_of(camera) for camera in cameras} == first
        endpoint.declare({"1": one, "2": two}, {"1": 40, "2": 60})
        later = {camera: version_of(camera) for camera in cameras}
    assert {later[camera] for camera, version in first.items() if version == "2"} <= {"2"}
    assert set(later.values()) == {"1", "2"}


def test_a_shadow_scores_copies_and_its_disagreements_are_counted(tmp_path: Path) -> None:
    live, shadow = declared(make_package(tmp_path / "1")), declared(make_package(tmp_path / "2", version_bias=-100.0))
    with running_endpoint(tmp_path / "endpoint", "--workers", "2") as endpoint:
        model = {"deployments": {"1": live, "2": shadow}, "traffic": {"1": 100}, "shadow": "2"}
        (tmp_path / "desired.json").write_text(
            json.dumps({"generation": 1, "models": {MODEL: model}}), encoding="utf-8"
        )
        (tmp_path / "desired.json").replace(endpoint.folder / "desired.json")
        assert endpoint.wait_until_observed(1)["shadow"] == "2"
        for colour in ((220, 10, 10), (10, 220, 10)):
            answer = endpoint.client.post("/score", content=picture(colour)).json()
            assert (answer["model_version"], answer["label"]) == ("1", "red" if colour[0] > 100 else "green")

        def counted() -> tuple[int, int]:
            counters = endpoint.report()["deployments"]["2"]["counters"]
            return counters["agreements"], counters["disagreements"]

        wait_for(lambda: counted() == (1, 1))
        assert endpoint.report()["deployments"]["2"]["requests"] == 0, "no live request is a shadow's"
