"""The application in this process, over a real socket, with a model that answers when the test lets it."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from eventually import until
from running_endpoint import picture
from serving.app import App
from serving.curve import BatchCurve
from serving.deployments import Declared, Deployment, Endpoint, ServedModel
from serving.http.connections import Connections
from serving.http.protocol import HttpProtocol
from serving.model import Contract, Prediction
from serving.pages import Pages
from serving.repository import Repository
from serving.scheduler import Scheduler
from serving.scoring import Scoring
from serving.traffic import Traffic

FRAME = {"inputs": [{"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}]}


class GatedModel:
    """A slow model, whose predictions wait for `gate`, and raise where `broken`."""

    contract = Contract("frames", (-1, -1, -1, 3), "logits")
    labels = ("a", "b")
    digest = "sha256:0"
    curve = BatchCurve({1: 1.0}, 1)
    broken = False

    def __init__(self) -> None:
        self.entered, self.gate = threading.Event(), threading.Event()

    def predict(self, frames: np.ndarray) -> Prediction:
        """Predict the first class for every frame."""
        self.entered.set()
        assert self.gate.wait(30)
        if self.broken:
            raise RuntimeError("first line\nsecond line")
        return Prediction(np.tile(np.array([1, 0], np.float32), (len(frames), 1)), self.labels)


def gated() -> Any:
    """Return a gated model, as what a deployment takes."""
    return GatedModel()


class Stage:
    """A worker's parts with one version that has all traffic, and a client of them over a real socket."""

    def __init__(self, folder: Path) -> None:
        self.model = gated()
        self.deployment = Deployment("1", Declared("/p", "sha256:0", "fp32"), self.model)
        self.served = ServedModel("m", [self.deployment], Traffic(((self.deployment, 100),)))
        self.endpoint = Endpoint({"m": self.served}, is_started=True)
        self.folder = folder

    @asynccontextmanager
    async def client(self, max_wait: float = 60.0) -> AsyncIterator[httpx.AsyncClient]:
        """Serve the application on loopback and yield a client of it."""
        loop = asyncio.get_running_loop()
        scheduler = Scheduler(loop, max_wait)
        pages = Pages(self.endpoint, Repository(self.folder, None), self._reports, lambda: False)
        app = App(Scoring(self.endpoint, scheduler), pages, None)
        connections = Connections(app.handle, app.admit)
        server = await loop.create_server(lambda: HttpProtocol(connections), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            yield client
        server.close()
        self.model.gate.set()
        await loop.run_in_executor(None, scheduler.close)

    async def _reports(self) -> dict[str, Any]:
        report = {**self.endpoint.report(), "worker": {}}
        return {"reports": [report], "workers": 1, "restarts": 0}


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
            assert (await client.get("/deployments")).json()["models"]["m"]["deployments"]["1"]["in_flight"] == 1
            stage.model.gate.set()
            assert (await asked).json()["label"] == "a"
            assert (await client.get("/deployments")).json()["models"]["m"]["deployments"]["1"]["in_flight"] == 0

    play(scenario)


def test_a_request_keeps_the_version_that_it_was_routed_to(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        newer = Deployment("2", stage.deployment.declared, stage.model)
        async with stage.client() as client:
            asked = asyncio.create_task(client.post("/score", content=picture((1, 2, 3))))
            await entered(stage)
            stage.served.traffic = Traffic(((newer, 100),))
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
        stage.served.deployments.append(canary)
        stage.served.traffic = Traffic(((stage.deployment, 60), (canary, 40)))
        async with stage.client() as client:
            answers = [await client.post("/score", content=picture((1, 2, 3))) for _ in range(20)]
            direct = await client.post("/v2/models/m/versions/2/infer", json=FRAME)
        assert {(answer.status_code, answer.json()["model_version"]) for answer in answers} == {(200, "1")}
        assert {answer.headers["x-model-version"] for answer in answers} == {"1"}
        assert 0 < canary.errors == canary.requests < 20, "the canary got its share, and the blame"
        assert (stage.deployment.requests, stage.deployment.errors) == (20, 0)
        assert direct.status_code == 500, "a version that was asked by name answers for itself"

    play(scenario)


def test_a_canary_that_takes_less_than_the_champion_is_blamed_and_no_client_is(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        narrow = gated()
        narrow.contract = Contract("frames", (-1, 28, 28, 3), "logits")
        narrow.gate.set()
        canary = Deployment("2", stage.deployment.declared, narrow)
        stage.served.deployments.append(canary)
        stage.served.traffic = Traffic(((stage.deployment, 60), (canary, 40)))
        async with stage.client() as client:
            images = [await client.post("/score", content=picture((1, 2, 3))) for _ in range(10)]
            tensors = [await client.post("/v2/models/m/infer", json=FRAME) for _ in range(10)]
            blamed = canary.errors
            no_image = [await client.post("/score", content=b"no image") for _ in range(10)]
        assert {answer.status_code for answer in (*images, *tensors)} == {200}
        assert {answer.headers["x-model-version"] for answer in (*images, *tensors)} == {"1"}
        assert {answer.status_code for answer in no_image} == {415}, "what no version takes is the client's fault"
        assert (0 < blamed < 20, canary.errors, stage.deployment.errors) == (True, blamed, 0)
        assert (canary.in_flight, stage.deployment.in_flight, stage.deployment.counters.pending) == (0, 0, 0)

    play(scenario)


def test_an_image_of_a_size_that_the_only_version_does_not_take_is_refused(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        stage.model.contract = Contract("frames", (-1, 28, 28, 3), "logits")
        async with stage.client() as client:
            answer = await client.post("/score", content=picture((1, 2, 3), (64, 48)))
            fits = await client.post("/score", content=picture((1, 2, 3), (28, 28)))
        assert (answer.status_code, fits.status_code, stage.deployment.errors) == (400, 200, 0)
        assert answer.json() == {"error": "the image has 64x48 pixels, the model takes 28x28"}

    play(scenario)


def test_a_form_holds_no_more_pixels_than_one_image_may_have(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        file = io.BytesIO()
        Image.new("1", (5000, 5000)).save(file, "PNG")
        async with stage.client() as client:
            answer = await client.post("/score", files=[("file", ("a.png", file.getvalue()))] * 2)
        assert (answer.status_code, stage.model.entered.is_set()) == (413, False)
        assert "50000000 pixels together" in answer.json()["error"]

    play(scenario)


def test_where_every_version_fails_the_client_is_told(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        stage.model.broken = True
        other = Deployment("2", stage.deployment.declared, stage.model)
        stage.served.traffic = Traffic(((stage.deployment, 50), (other, 50)))
        async with stage.client() as client:
            assert (await client.post("/score", content=picture((1, 2, 3)))).status_code == 500
        assert (stage.deployment.errors, other.errors) == (1, 1)

    play(scenario)


def test_without_traffic_nothing_is_ready_and_the_reason_is_said(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        stage.served.traffic = Traffic()
        async with stage.client() as client:
            assert (await client.get("/v2/health/live")).status_code == 200
            ready = await client.get("/v2/health/ready")
            assert (ready.status_code, ready.json()["ready"]) == (503, False)
            for answer in (await client.post("/score", content=b"x"), await client.get("/v2/models/m/ready")):
                assert (answer.status_code, answer.json()) == (503, {"error": "no deployment has traffic"})
            assert (await client.get("/v2/models/m/versions/1/ready")).status_code == 200

    play(scenario)


def post(client: httpx.AsyncClient, **headers: str) -> asyncio.Task[httpx.Response]:
    """Ask for an image to be scored."""
    return asyncio.create_task(client.post("/score", content=picture((1, 2, 3)), headers=headers))


def test_what_cannot_be_in_time_is_refused_at_once_and_told_when_to_come_again(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.client() as client:
            first = post(client)
            await entered(stage)
            refused = await post(client, **{"x-request-timeout-ms": "1500"})  # the model is said to take a second
            assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
            assert "\n" not in refused.json()["error"]
            stage.model.gate.set()
            assert (await first).status_code == 200
            assert stage.deployment.counters.shed["deadline"] == 1
            assert stage.deployment.errors == 0, "an overload is no fault of the version"

    play(scenario)


def test_more_than_the_server_can_do_in_its_time_is_refused(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.client(max_wait=1.5) as client:
            first = post(client)
            await entered(stage)
            second, third = post(client), post(client)
            done, _ = await asyncio.wait([second, third], return_when=asyncio.FIRST_COMPLETED)
            assert [one.result().status_code for one in done] == [503]
            stage.model.gate.set()
            statuses = sorted(one.status_code for one in await asyncio.gather(first, second, third))
            assert statuses == [200, 200, 503]
            assert stage.deployment.counters.shed["overload"] == 1

    play(scenario)


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan"])
def test_a_deadline_that_is_none_is_refused(play: Callable[..., None], given: str) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        async with stage.client() as client:
            assert (await post(client, **{"x-request-timeout-ms": given})).status_code == 400

    play(scenario)


def test_a_shadow_scores_what_is_live_and_is_never_answered(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        shadow_model = gated()
        shadow_model.gate.set()
        shadow = stage.served.shadow = Deployment("2", stage.deployment.declared, shadow_model)
        async with stage.client() as client:
            assert (await post(client)).json()["model_version"] == "1"
            await until(lambda: shadow.counters.agreements)
            assert (shadow.requests, shadow.counters.success) == (0, 0)

    play(scenario)


def test_the_same_camera_gets_the_same_version(play: Callable[..., None]) -> None:
    async def scenario(stage: Stage) -> None:
        stage.model.gate.set()
        other = Deployment("2", stage.deployment.declared, stage.model)
        stage.served.traffic = Traffic(((stage.deployment, 50), (other, 50)))
        async with stage.client() as client:
            answers = [[await post(client, **{"x-route-key": f"camera-{n}"}) for _ in range(3)] for n in range(12)]
        versions = [{answer.json()["model_version"] for answer in one} for one in answers]
        assert all(len(one) == 1 for one in versions) and set.union(*versions) == {"1", "2"}

    play(scenario)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_is_refused_by_its_name(play: Callable[..., None], encoding: str) -> None:
    async def scenario(stage: Stage) -> None:
        async with stage.client() as client:
            answer = await client.post("/v2/models/m/infer", json=FRAME, headers={"content-encoding": encoding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
        assert "Content-Encoding" in answer.json()["error"]

    play(scenario)
