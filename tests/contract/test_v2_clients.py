"""Clients of the Open Inference Protocol v2 that others wrote, used unchanged: Triton's and the working group's own.

KServe's client is not among them: it wants an older protobuf than ONNX here, and brings Kubernetes, gRPC and pandas.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.errors import BadRequestError, NotFoundError
from open_inference.openapi.types import InferenceRequest
from tritonclient import http as triton
from tritonclient.http import aio as triton_aio
from tritonclient.utils import InferenceServerException

from model_packages import CLASSES, MODEL, declared, make_package
from running_endpoint import DEADLINE_SECONDS, RunningEndpoint, running_endpoint


@dataclass(frozen=True)
class Golden:
    """The frames of a package, uint8 [n, height, width, 3], and what its model says of them."""

    frames: np.ndarray
    labels: list[str]
    scores: np.ndarray


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package."""
    return make_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def golden(package: Path) -> Golden:
    """Return the package's golden frames."""
    said = json.loads((package / "golden.json").read_text(encoding="utf-8"))
    frames = np.frombuffer(base64.b64decode(said["frames_base64"]), np.uint8).reshape(said["shape"])
    answer = said["variants"]["int8"]
    return Golden(frames, answer["labels"], np.array(answer["scores"], np.float32))


@pytest.fixture(scope="module")
def endpoint(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEndpoint]:
    """Run an endpoint whose version 3 has the traffic and whose version 10 has none."""
    with running_endpoint(tmp_path_factory.mktemp("endpoint")) as running:
        running.declare({"3": declared(package), "10": declared(package)}, {"3": 100})
        yield running


@pytest.fixture
def client(endpoint: RunningEndpoint) -> Iterator[triton.InferenceServerClient]:
    """Return Triton's client of the endpoint."""
    address, patience = endpoint.url.removeprefix("http://"), DEADLINE_SECONDS
    with triton.InferenceServerClient(address, network_timeout=patience, connection_timeout=patience) as made:
        yield made


@pytest.fixture
def plain(endpoint: RunningEndpoint) -> Iterator[OpenInferenceClient]:
    """Return the working group's client of the endpoint."""
    with httpx.Client(timeout=DEADLINE_SECONDS, trust_env=False) as connections:
        yield OpenInferenceClient(base_url=endpoint.url, httpx_client=connections)


def tensor(frames: np.ndarray, is_binary: bool = True) -> triton.InferInput:
    """Return frames as an input of Triton's client."""
    made = triton.InferInput("frames", list(frames.shape), "UINT8")
    return made.set_data_from_numpy(frames, binary_data=is_binary)


def texts(result: triton.InferResult, name: str) -> list[str]:
    """Return a BYTES output as text, be it raw or JSON."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in result.as_numpy(name).ravel()]


def request(frames: np.ndarray, **more: Any) -> InferenceRequest:
    """Return frames as a request of the working group's client."""
    sent = {"name": "frames", "shape": frames.shape, "datatype": "UINT8", "data": frames.ravel().tolist()}
    return InferenceRequest.parse_obj({"inputs": [sent], **more})


def test_triton_finds_server_and_model_alive_and_ready(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "10")
    assert not client.is_model_ready(MODEL, "4") and not client.is_model_ready("other")


def test_triton_reads_what_server_and_model_are(client: triton.InferenceServerClient) -> None:
    assert {"classification", "binary_tensor_data"} <= set(client.get_server_metadata()["extensions"])
    said = client.get_model_metadata(MODEL, "10")
    assert (said["versions"], said["inputs"][0]["name"]) == (["3", "10"], "frames")
    index = client.get_model_repository_index()
    assert sorted((one["name"], one["version"], one["state"]) for one in index) == [
        (MODEL, "10", "READY"),
        (MODEL, "3", "READY"),
    ]


@pytest.mark.parametrize("is_binary", [True, False])
def test_triton_gets_all_outputs_raw_where_it_names_none(
    client: triton.InferenceServerClient, golden: Golden, is_binary: bool
) -> None:
    result = client.infer(MODEL, [tensor(golden.frames, is_binary)], request_id="a-1", timeout=60_000_000)
    assert texts(result, "label") == golden.labels
    np.testing.assert_allclose(result.as_numpy("probabilities"), golden.scores, atol=1e-6)
    assert result.as_numpy("logits").dtype == np.float32
    said = result.get_response()
    assert (said["model_name"], said["model_version"], said["id"]) == (MODEL, "3", "a-1")


def test_triton_gets_raw_and_json_outputs_of_the_version_it_names(
    client: triton.InferenceServerClient, golden: Golden
) -> None:
    wanted = [
        triton.InferRequestedOutput("label", binary_data=False),
        triton.InferRequestedOutput("probabilities", binary_data=True),
        triton.InferRequestedOutput("logits", binary_data=False),
    ]
    result = client.infer(MODEL, [tensor(golden.frames)], model_version="10", outputs=wanted)
    assert result.get_response()["model_version"] == "10"
    assert texts(result, "label") == golden.labels
    np.testing.assert_allclose(result.as_numpy("probabilities"), golden.scores, atol=1e-6)
    assert result.as_numpy("logits").argmax(axis=1).tolist() == golden.scores.argmax(axis=1).tolist()


@pytest.mark.parametrize("is_binary", [True, False])
def test_triton_gets_the_best_classes(client: triton.InferenceServerClient, golden: Golden, is_binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=is_binary, class_count=2)]
    result = client.infer(MODEL, [tensor(golden.frames)], outputs=wanted)
    assert result.as_numpy("probabilities").shape == (len(golden.frames), 2)
    value, index, label = texts(result, "probabilities")[0].split(":")
    assert (label, CLASSES[int(index)]) == (golden.labels[0], golden.labels[0])
    assert float(value) == pytest.approx(float(golden.scores[0].max()), abs=1e-5)


def test_triton_is_told_what_is_wrong(client: triton.InferenceServerClient, golden: Golden) -> None:
    wrong = triton.InferInput("pixels", list(golden.frames.shape), "UINT8").set_data_from_numpy(golden.frames)
    with pytest.raises(InferenceServerException, match=r"inputs\[0\].name: should be frames, is 'pixels'") as raised:
        client.infer(MODEL, [wrong])
    assert raised.value.status() == "400"
    with pytest.raises(InferenceServerException, match="shared memory is not served"):
        shared = triton.InferInput("frames", list(golden.frames.shape), "UINT8")
        shared.set_shared_memory("region", golden.frames.size)
        client.infer(MODEL, [shared])


def test_tritons_asynchronous_client_is_answered_in_the_order_of_its_ids(
    endpoint: RunningEndpoint, golden: Golden
) -> None:
    async def ask() -> list[triton.InferResult]:
        async with triton_aio.InferenceServerClient(endpoint.url.removeprefix("http://")) as made:
            asked = [made.infer(MODEL, [tensor(golden.frames[n : n + 1])], request_id=str(n)) for n in range(16)]
            return await asyncio.gather(*asked)

    for number, result in enumerate(asyncio.run(ask())):
        assert (result.get_response()["id"], texts(result, "label")) == (str(number), [golden.labels[number]])


def test_the_working_groups_client_finds_all_ready_and_reads_what_it_is(plain: OpenInferenceClient) -> None:
    plain.check_server_liveness()
    plain.check_server_readiness()
    plain.check_model_readiness(MODEL)
    plain.check_model_version_readiness(MODEL, "10")
    assert plain.read_server_metadata().name == "visionline"
    assert plain.read_model_version_metadata(MODEL, "10").versions == ["3", "10"]
    said = plain.read_model_metadata(MODEL)
    assert [(one.name, one.datatype) for one in said.outputs or []] == [
        ("logits", "FP32"),
        ("probabilities", "FP32"),
        ("label", "BYTES"),
    ]


def test_the_working_groups_client_gets_the_outputs_it_asks_for(plain: OpenInferenceClient, golden: Golden) -> None:
    asked = request(golden.frames[:2], id="b", outputs=[{"name": "label"}])
    for answer in (
        plain.model_infer(MODEL, request=asked),
        plain.model_version_infer(MODEL, "10", request=asked),
    ):
        assert answer.id == "b"
        assert [(one.name, one.shape) for one in answer.outputs] == [("label", [2])]
        assert answer.dict()["outputs"][0]["data"] == golden.labels[:2]


def test_the_working_groups_client_is_told_what_is_wrong(plain: OpenInferenceClient, golden: Golden) -> None:
    with pytest.raises(BadRequestError) as wrong:
        plain.model_infer(MODEL, request=request(golden.frames[:1], outputs=[{"name": "boxes"}]))
    assert "outputs[0].name" in wrong.value.body["error"]
    with pytest.raises(NotFoundError):
        plain.check_model_readiness("other")
    with pytest.raises(ApiError) as unknown:
        plain.model_infer("other", request=request(golden.frames[:1]))
    assert unknown.value.status_code == 404
