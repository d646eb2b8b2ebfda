"""The online scoring script in Azure ML's own server: the answers are those of the runtime, bad input gets its 4xx."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from azureml_servers import free_port, inference_server, start_server, variables
from model_packages import MODEL, make_package
from running_endpoint import DEADLINE_SECONDS, RunningEndpoint, declare, picture, running_endpoint, wait_for

from modelpackage import package_digest

JPEG = picture((200, 20, 20), kind="JPEG")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package where Azure ML puts it: some folders below AZUREML_MODEL_DIR."""
    return make_package(tmp_path_factory.mktemp("models") / MODEL / "7" / "package")


@pytest.fixture(scope="module")
def client(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    log = tmp_path_factory.mktemp("azmlinfsrv") / "server.log"
    with inference_server(package.parents[2], variables(package), log) as client:
        yield client


@pytest.fixture(scope="module")
def runtime(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEndpoint]:
    """The edge runtime, serving the same package as the same version."""
    folder = tmp_path_factory.mktemp("endpoint")
    declare(folder, {"7": {"package": str(package), "digest": package_digest(package), "variant": "int8"}}, {"7": 100})
    with running_endpoint(folder) as endpoint:
        wait_for(lambda: endpoint.report()["observed_generation"] >= 1)
        yield endpoint


def _frames(count: int = 2) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(3).integers(0, 256, (count, 5, 4, 3), np.uint8)


def _infer(frames: np.ndarray[Any, np.dtype[np.uint8]], **more: Any) -> dict[str, Any]:
    data = frames.ravel().tolist()
    return {"inputs": [{"name": "frames", "shape": list(frames.shape), "datatype": "UINT8", "data": data}], **more}


def _binary() -> tuple[bytes, dict[str, str]]:
    frames = _frames()
    tensor = {"name": "frames", "shape": list(frames.shape), "datatype": "UINT8"}
    tensor["parameters"] = {"binary_data_size": frames.nbytes}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    return head + frames.tobytes(), headers


def test_an_infer_request_gets_the_very_answer_of_the_runtime(client: httpx.Client, runtime: RunningEndpoint) -> None:
    for asked in (_infer(_frames(), id="a-1"), _infer(_frames(1), outputs=[{"name": "label"}])):
        answer = client.post("/score", json=asked)
        expected = runtime.client.post(f"/v2/models/{MODEL}/infer", json=asked)
        assert (answer.status_code, answer.content) == (200, expected.content)
        for name in ("content-type", "x-model-version"):
            assert answer.headers[name] == expected.headers[name]


def test_an_infer_request_may_come_in_text_of_any_type(client: httpx.Client) -> None:
    body = json.dumps(_infer(_frames()))
    answers = [client.post("/score", content=body, headers={"Content-Type": kind}) for kind in ("text/plain", "")]
    assert [(answer.status_code, answer.json()["model_version"]) for answer in answers] == [(200, "7")] * 2


def test_raw_bytes_travel_both_ways_as_in_the_runtime(client: httpx.Client, runtime: RunningEndpoint) -> None:
    body, headers = _binary()
    answer = client.post("/score", content=body, headers=headers)
    expected = runtime.client.post(f"/v2/models/{MODEL}/infer", content=body, headers=headers)
    assert answer.content == expected.content
    assert answer.headers["inference-header-content-length"] == expected.headers["inference-header-content-length"]


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_an_image_gets_labels_and_scores_as_of_the_runtime(
    kind: str, client: httpx.Client, runtime: RunningEndpoint
) -> None:
    sent = {"content": JPEG, "headers": {"Content-Type": kind}}
    answer = client.post("/score?top=2", **sent)
    assert answer.status_code == 200 and answer.json()["label"] == "red"
    assert answer.content == runtime.client.post("/score?top=2", **sent).content


def test_several_images_come_in_one_form(client: httpx.Client, runtime: RunningEndpoint) -> None:
    files = [("file", ("a.jpg", JPEG)), ("file", ("b.png", picture((1, 2, 200))))]
    answer = client.post("/score", files=files)
    assert [image["label"] for image in answer.json()["images"]] == ["red", "blue"]
    assert answer.json() == runtime.client.post("/score", files=files).json()


JSON = {"Content-Type": "application/json"}
BAD: list[tuple[str, dict[str, Any], int]] = [
    ("no JSON", {"content": b"{", "headers": JSON}, 400),
    ("not even text", {"content": b"\xff\xfe", "headers": JSON}, 400),
    ("no request", {"content": b"[]", "headers": JSON}, 400),
    ("no inputs", {"json": {"inputs": []}}, 400),
    ("another tensor", {"json": {"inputs": [{"name": "x", "shape": [1], "datatype": "UINT8", "data": [1]}]}}, 400),
    ("a wrong shape", {"json": _infer(np.zeros((1, 2, 2, 4), np.uint8))}, 400),
    ("an unknown output", {"json": _infer(_frames(), outputs=[{"name": "nothing"}])}, 400),
    ("a false length", {"content": b"{}", "headers": {"Inference-Header-Content-Length": "99"}}, 400),
    ("nothing", {"content": b""}, 400),
    ("a cut image", {"content": JPEG[:300]}, 400),
    ("another format", {"content": b"GIF89a" + bytes(20)}, 415),
    ("an image that is too large", {"content": picture((0, 0, 0), (8000, 5001))}, 413),
    ("a bad form", {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
    ("a bad number", {"content": JPEG, "params": {"top": "0"}}, 400),
    ("a body that is too large", {"content": b"{" + bytes(32 * 1024 * 1024), "headers": JSON}, 413),
]


@pytest.mark.parametrize("sent, status", [(sent, status) for _, sent, status in BAD], ids=[name for name, *_ in BAD])
def test_bad_input_gets_its_status_and_one_line(sent: dict[str, Any], status: int, client: httpx.Client) -> None:
    answer = client.post("/score", **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert set(answer.json()) == {"error"} and "\n" not in answer.json()["error"]
    assert answer.headers["x-ms-run-function-failed"] == "False"


def test_only_post_is_answered(client: httpx.Client) -> None:
    answer = client.get("/score")
    assert answer.status_code == 405 and "only POST" in answer.json()["error"]


def test_concurrent_requests_get_each_its_own_answer(client: httpx.Client) -> None:
    colours = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}

    def ask(number: int) -> bool:
        name = list(colours)[number % 4] if number % 4 < 3 else "bad"
        answer = client.post("/score", content=picture(colours[name]) if name != "bad" else b"bad")
        return answer.status_code == 415 if name == "bad" else answer.json()["label"] == name

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(64)))


def test_a_model_that_fails_is_a_500_that_azure_counts_and_that_names_the_version(tmp_path: Path) -> None:
    package = make_package(tmp_path / "model", frame_size=28)  # against its contract, which takes any size
    with inference_server(package, variables(package), tmp_path / "server.log") as client:
        answer = client.post("/score", json=_infer(_frames()))
        assert answer.status_code == 500
        assert answer.json()["error"].startswith(f"version 7 of {MODEL} failed: ModelError: ")
        assert answer.headers["x-ms-run-function-failed"] == "True"
        assert client.post("/score", json=_infer(np.zeros((1, 28, 28, 3), np.uint8))).status_code == 200


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"VISIONLINE_DIGEST": "sha256:" + "0" * 64}, "holds no package sha256:000"),
        ({"VISIONLINE_VARIANT": "int4"}, "holds no variant int4"),
        ({"VISIONLINE_VERSION": ""}, "VISIONLINE_VERSION: is not set"),
    ],
)
def test_a_wrong_deployment_never_starts_and_its_log_says_why(
    changes: dict[str, str], reason: str, package: Path, tmp_path: Path
) -> None:
    assert reason in _log_of_a_start(package, variables(package, **changes), tmp_path / "server.log")


def test_a_package_that_was_changed_never_starts(package: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(package, tmp_path / "model")
    (changed / "labels.json").write_text('["red", "blue", "green"]', encoding="utf-8")
    log = _log_of_a_start(changed, variables(package), tmp_path / "server.log")
    assert "labels.json: is sha256:" in log


def _log_of_a_start(model_dir: Path, deployment: dict[str, str], log: Path) -> str:
    process: subprocess.Popen[bytes] = start_server(model_dir, deployment, free_port(), log)
    try:
        assert process.wait(timeout=DEADLINE_SECONDS) == 3
    finally:
        process.kill()
    return log.read_text(encoding="utf-8", errors="replace")
