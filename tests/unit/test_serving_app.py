"""The application in this process, with a model that answers when the test lets it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from running_endpoint import picture
from serving.app import build_app
from serving.deployments import Declared, Deployment, Endpoint, Traffic
from serving.model import Contract, Prediction, softmax
from serving.reconcile import Reconciler

FRAME = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}]}


class GatedModel:
    """A model whose predictions wait for `gate`, and raise where `broken`."""

    contract = Contract("frames", (-1, -1, -1, 3), "logits")
    labels = ("a", "b")
    digest = "sha256:0"
    broken = False

    def __init__(self) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()

    def predict(self, frames: np.ndarray) -> Prediction:
        """Predict the first class for every frame."""
        self.entered.set()
        assert self.gate.wait(30)
        if self.broken:
            raise RuntimeError("first line\nsecond line")
        logits = np.tile(np.array([1, 0], np.float32), (len(frames), 1))
        return Prediction(logits, softmax(logits), ("a",) * len(frames))


def gated() -> Any:
    """Return a gated model, as what a deployment takes."""
    return GatedModel()


class Stage:
    """An endpoint with one version that has all traffic, and a client of it."""

    def __init__(self, folder: Path) -> None:
        self.model = gated()
        self.deployment = Deployment("1", Declared("/p", "sha256:0", "fp32"), self.model)
        self.endpoint = Endpoint("m", [self.deployment], Traffic(((self.deployment, 100),)))
        self.app = build_app(self.endpoint, Reconciler(folder, self.endpoint), threads=1)

    def client(self) -> httpx.AsyncClient:
        """Return a client of the application, without a network."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test")


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Stage], Coroutine[Any, Any, None]]], None]:
    """Return what plays a scenario on a stage of its own, and opens the gate at the end."""

    def run(scenario: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
        stage = Stage(tmp_path)
        try:
            asyncio.run(scenario(stage))
        finally:
            stage.model.gate.set()

    return run


async def entered(stage: Stage) -> None:
    """Wait until the model is asked."""
    with ThreadPoolExecutor(1) as pool:
        assert await asyncio.get_running_loop().run_in_executor(pool, stage.model.entered.wait, 30)


def test_a_slow_model_blocks_no_health_check(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.client() as client:
            asked = asyncio.create_task(client.post("/score", content=picture((1, 2, 3))))
            await entered(stage)
            assert (await client.get("/v2/health/live")).status_code == 200
            assert (await client.get("/deployments")).json()["deployments"]["1"]["in_flight"] == 1
            stage.model.gate.set()
            assert (await asked).json()["label"] == "a"
            assert (await client.get("/deployments")).json()["deployments"]["1"]["in_flight"] == 0

    play(scenario)


def test_a_request_keeps_the_version_that_it_was_routed_to(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        newer = Deployment("2", stage.deployment.declared, stage.model)
        async with stage.client() as client:
            asked = asyncio.create_task(client.post("/score", content=picture((1, 2, 3))))
            await entered(stage)
            stage.endpoint.traffic = Traffic(((newer, 100),))
            stage.model.gate.set()
            assert (await asked).json()["model_version"] == "1"
            assert (await client.post("/score", content=picture((1, 2, 3)))).json()["model_version"] == "2"

    play(scenario)


def test_a_model_that_fails_is_blamed_and_a_bad_image_is_not(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        async with stage.client() as client:
            assert (await client.post("/score", content=b"no image")).status_code == 415
            stage.model.broken = True
            answer = await client.post("/score", content=picture((1, 2, 3)))
            direct = await client.post("/v2/models/m/versions/1/infer", json={"inputs": []})
        assert (answer.status_code, answer.headers["x-model-version"]) == (500, "1")
        assert answer.json() == {"error": "version 1 of m failed: RuntimeError: first line second line"}
        assert direct.status_code == 400
        assert (stage.deployment.requests, stage.deployment.errors) == (2, 1), "only live traffic is counted"

    play(scenario)


def test_where_a_canary_fails_it_is_blamed_and_the_champion_answers(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        broken = gated()
        broken.broken = True
        broken.gate.set()
        canary = Deployment("2", stage.deployment.declared, broken)
        stage.endpoint.deployments.append(canary)
        stage.endpoint.traffic = Traffic(((stage.deployment, 60), (canary, 40)))
        async with stage.client() as client:
            answers = [await client.post("/score", content=picture((1, 2, 3))) for _ in range(20)]
            direct = await client.post("/v2/models/m/versions/2/infer", json=FRAME)
        assert {(answer.status_code, answer.json()["model_version"]) for answer in answers} == {(200, "1")}
        assert {answer.headers["x-model-version"] for answer in answers} == {"1"}
        assert 0 < canary.errors == canary.requests < 20, "the canary got its share, and the blame"
        assert (stage.deployment.requests, stage.deployment.errors) == (20, 0)
        assert direct.status_code == 500, "a version that was asked by name answers for itself"

    play(scenario)


def test_where_every_version_fails_the_client_is_told(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        stage.model.broken = True
        other = Deployment("2", stage.deployment.declared, stage.model)
        stage.endpoint.traffic = Traffic(((stage.deployment, 50), (other, 50)))
        async with stage.client() as client:
            assert (await client.post("/score", content=picture((1, 2, 3)))).status_code == 500
        assert (stage.deployment.errors, other.errors) == (1, 1)

    play(scenario)


def test_without_traffic_nothing_is_ready_and_the_reason_is_said(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        stage.endpoint.traffic = Traffic()
        async with stage.client() as client:
            assert (await client.get("/v2/health/live")).status_code == 200
            ready = await client.get("/v2/health/ready")
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            for answer in (await client.post("/score", content=b"x"), await client.get("/v2/models/m/ready")):
                assert (answer.status_code, answer.json()) == (503, {"error": "no deployment has traffic"})
            assert (await client.get("/v2/models/m/versions/1/ready")).status_code == 200

    play(scenario)


def test_a_body_that_goes_on_too_long_is_refused_while_it_is_read(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        sent = 0

        async def endless() -> Any:
            nonlocal sent
            while True:
                sent += 1
                yield b"\0" * 1024 * 1024

        async with stage.client() as client:
            assert (await client.post("/score", content=endless())).status_code == 413
        assert sent < 40

    play(scenario)
