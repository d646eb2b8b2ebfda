"""What a running endpoint promises over HTTP: the Open Inference Protocol v2, images scored, errors in one line."""

from __future__ import annotations

import base64
import configparser
import json
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from model_packages import CLASSES, MODEL, declared, make_package
from modelpackage import package_digest
from running_endpoint import REPOSITORY, RunningEndpoint, picture, running_endpoint

PATH = f"/v2/models/{MODEL}"
COLOURS = {"red": (220, 9, 9), "green": (9, 220, 9), "blue": (9, 9, 220)}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package."""
    return make_package(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def endpoint(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEndpoint]:
    """Run one endpoint for all tests here: version 3 has the traffic, version 10 has none, version 11 is broken."""
    broken = {**declared(package), "digest": "sha256:0"}
    with running_endpoint(tmp_path_factory.mktemp("endpoint")) as running:
        running.declare({"3": declared(package), "10": declared(package, "fp32"), "11": broken}, {"3": 100})
        yield running


@pytest.fixture(scope="module")
def client(endpoint: RunningEndpoint) -> httpx.Client:
    """Return a client of the endpoint."""
    return endpoint.client


def frames(package: Path) -> dict[str, Any]:
    """Return the golden frames of a package as a tensor of the protocol."""
    golden = json.loads((package / "golden.json").read_text(encoding="utf-8"))
    data = list(base64.b64decode(golden["frames_base64"]))
    return {"name": "frames", "shape": golden["shape"], "datatype": "UINT8", "data": data}


def test_server_metadata_names_the_version_of_setup_cfg(client: httpx.Client) -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    extensions = ["classification", "binary_tensor_data", "model_repository"]
    expected = {"name": "visionline", "version": setup["metadata"]["version"], "extensions": extensions}
    assert client.get("/v2").json() == client.get("/v2/").json() == expected


def test_health_says_live_and_ready(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    for path in (f"{PATH}/ready", f"{PATH}/versions/3/ready", f"{PATH}/versions/10/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"name": MODEL, "ready": True})


def test_a_version_that_failed_to_load_is_not_ready(client: httpx.Client) -> None:
    answer = client.get(f"{PATH}/versions/11/ready")
    assert (answer.status_code, answer.json()) == (503, {"error": f"version 11 of {MODEL} is failed"})


@pytest.mark.parametrize("path", [PATH, f"{PATH}/versions/10"])
def test_model_metadata_is_that_of_the_specification(client: httpx.Client, path: str) -> None:
    assert client.get(path).json() == {
        "name": MODEL,
        "versions": ["3", "10"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "frames", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
    }


@pytest.mark.parametrize(("path", "version"), [(PATH, "3"), (f"{PATH}/versions/3", "3"), (f"{PATH}/versions/10", "10")])
def test_inference_answers_what_the_evaluation_recorded(
    client: httpx.Client, package: Path, path: str, version: str
) -> None:
    golden = json.loads((package / "golden.json").read_text(encoding="utf-8"))["variants"]["int8"]
    answer = client.post(f"{path}/infer", json={"id": "x-1", "inputs": [frames(package)]})
    assert (answer.status_code, answer.headers["x-model-version"]) == (200, version)
    body = answer.json()
    assert (body["id"], body["model_name"], body["model_version"]) == ("x-1", MODEL, version)
    outputs = {output["name"]: output for output in body["outputs"]}
    assert outputs["label"]["data"] == golden["labels"]
    assert outputs["probabilities"]["data"] == pytest.approx([s for row in golden["scores"] for s in row], rel=1e-5)
    assert (outputs["logits"]["shape"], outputs["logits"]["datatype"]) == ([16, 3], "FP32")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_an_image_is_scored(client: httpx.Client, package: Path, kind: str) -> None:
    answer = client.post("/score", content=picture((20, 220, 30), kind=kind))
    assert (answer.status_code, answer.headers["x-model-version"]) == (200, "3")
    body = answer.json()
    assert (body["label"], body["model_name"], body["model_version"]) == ("green", MODEL, "3")
    assert body["digest"] == package_digest(package)
    assert set(body["scores"]) == set(CLASSES) and next(iter(body["scores"])) == "green", "the best comes first"
    assert body["score"] == body["scores"]["green"] == max(body["scores"].values())
    assert sum(body["scores"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("POST", "/score", b"", 400, "the body is empty"),
        ("POST", "/score", b"hello", 415, "the body is no JPEG, PNG or WebP image"),
        ("POST", "/score", picture((1, 2, 3))[:60], 400, "damaged"),
        ("POST", f"{PATH}/infer", b"{", 400, "the body is not JSON"),
        ("POST", f"{PATH}/infer", b'{"inputs": [{"name": "x"}]}', 400, "inputs[0].name: should be frames"),
        ("POST", "/v2/models/other/infer", b"{}", 404, "model other is not served here"),
        ("POST", f"{PATH}/versions/4/infer", b"{}", 404, f"version 4 of {MODEL} is not deployed here"),
        ("POST", f"{PATH}/versions/11/infer", b"{}", 503, f"version 11 of {MODEL} is failed"),
        ("GET", "/v2/models/other", None, 404, "model other is not served here"),
        ("GET", f"{PATH}/versions/x", None, 404, "version x"),
        ("GET", "/nothing", None, 404, "GET /nothing: there is no such page"),
        ("GET", "/score", None, 405, "GET /score: only POST"),
        ("DELETE", PATH, None, 405, "only GET"),
        ("POST", "/deployments", b"", 405, "only GET"),
    ],
)
def test_a_bad_request_gets_a_status_and_one_line(
    client: httpx.Client, method: str, path: str, body: bytes | None, status: int, reason: str
) -> None:
    answer = client.request(method, path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert reason in answer.json()["error"] and "\n" not in answer.json()["error"]


def infer(data: bytes, length: str, **tensor: Any) -> tuple[bytes, dict[str, str]]:
    """Return a binary request for frames of 2x2 pixels, and its headers: `length` is what they say of the JSON."""
    size = {"binary_data_size": len(data)}
    given = {"name": "frames", "datatype": "UINT8", "shape": [1, 2, 2, 3], "parameters": size, **tensor}
    head = json.dumps({"inputs": [given]}).encode()
    return head + data, {"inference-header-content-length": length.format(len(head))}


@pytest.mark.parametrize(
    ("data", "length", "tensor", "reason"),
    [
        (bytes(12), "{}", {"datatype": "FP32"}, "datatype: should be UINT8"),
        (bytes(12), "{}", {"shape": [1, 2, 3]}, "shape: should fit"),
        (bytes(12), "{}", {"shape": [1, -2, -2, 3]}, "shape: should fit"),
        (bytes(12), "{}", {"shape": [1, 10**9, 10**9, 3]}, "bytes"),
        (bytes(12), "{}", {"name": "pixels"}, "name: should be frames"),
        (bytes(11), "{}", {}, "11"),
        (bytes(13), "{}", {}, "13"),
        (bytes(12), "{}", {"parameters": {"binary_data_size": 11}}, "binary_data_size"),
        (bytes(12), "9{}", {}, "Inference-Header-Content-Length"),
        (bytes(12), "-1", {}, "Inference-Header-Content-Length"),
        (bytes(12), "many", {}, "Inference-Header-Content-Length"),
        (bytes(12), "7", {}, "JSON"),
    ],
)
def test_a_tensor_that_lies_is_refused(
    client: httpx.Client, data: bytes, length: str, tensor: dict[str, Any], reason: str
) -> None:
    body, headers = infer(data, length, **tensor)
    answer = client.post(f"{PATH}/infer", content=body, headers=headers)
    assert answer.status_code == 400 and reason in answer.json()["error"], answer.text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1", "256", "1.5", "true", '"1"', "null"])
def test_a_number_that_is_no_pixel_is_refused(client: httpx.Client, number: str) -> None:
    tensor = '{"name": "frames", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, %s]}' % number
    answer = client.post(f"{PATH}/infer", content='{"inputs": [%s]}' % tensor)
    assert answer.status_code == 400 and "\n" not in answer.json()["error"]


def test_one_pixel_is_an_image(client: httpx.Client) -> None:
    assert client.post("/score", content=picture((9, 9, 200), (1, 1))).json()["label"] == "blue"


def test_an_image_of_too_many_pixels_is_refused_by_its_header(client: httpx.Client) -> None:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", zlib.crc32(head[12:]))
    answer = client.post("/score", content=head + chunk)
    assert answer.status_code in (400, 413) and "20000x20000" in answer.json()["error"]


@pytest.mark.parametrize(("query", "status"), [("top=1", 200), ("side=8", 200), ("top=0", 400), ("side=0", 400)])
def test_the_query_says_how_much_to_answer_and_how_finely_to_decode(
    client: httpx.Client, query: str, status: int
) -> None:
    answer = client.post(f"/score?{query}", content=picture((220, 9, 9), (64, 48), "JPEG"))
    assert answer.status_code == status
    assert status == 400 or answer.json()["label"] == "red"
    assert len(answer.json().get("scores", [])) == {"top=1": 1, "side=8": len(CLASSES)}.get(query, 0)


def test_several_images_are_scored_by_multipart(client: httpx.Client) -> None:
    files = [("image", (name, picture(colour, kind="JPEG"))) for name, colour in COLOURS.items()]
    body = client.post("/score", files=files).json()
    assert [(one["name"], one["label"]) for one in body["images"]] == [(f"{name}", name) for name in COLOURS]
    assert body["model_version"] == "3"


def test_one_bad_image_of_several_is_named(client: httpx.Client) -> None:
    files = [("image", ("good.jpg", picture((1, 200, 3)))), ("image", ("bad.jpg", b"hello"))]
    answer = client.post("/score", files=files)
    assert answer.status_code == 415 and answer.json()["error"].startswith("bad.jpg: ")


@pytest.mark.parametrize("body", [b"\0" * (32 * 1024 * 1024 + 1), (b"\0" * 1024 * 1024 for _ in range(40))])
def test_a_body_that_is_too_long_is_refused_declared_or_not(endpoint: RunningEndpoint, body: Any) -> None:
    answer = httpx.post(f"{endpoint.url}/score", content=body, trust_env=False)
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


def test_bad_requests_are_no_errors_of_the_model(client: httpx.Client) -> None:
    client.post("/score", content=b"hello")
    report = client.get("/deployments").json()["models"][MODEL]["deployments"]
    assert [report[version]["errors"] for version in ("3", "10", "11")] == [0, 0, 0]
    assert report["10"]["requests"] == 0, "a request to one version is no live traffic"


def test_what_is_no_http_ends_its_own_connection_only(endpoint: RunningEndpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.server["port"]), timeout=30) as raw:
        raw.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")
    assert endpoint.client.get("/v2/health/live").status_code == 200


def test_a_client_that_leaves_in_the_middle_harms_nobody(endpoint: RunningEndpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.server["port"]), timeout=30) as raw:
        raw.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    assert endpoint.client.post("/score", content=picture((220, 0, 0))).json()["label"] == "red"
    assert endpoint.report()["deployments"]["3"]["in_flight"] == 0


def test_connections_are_kept(endpoint: RunningEndpoint) -> None:
    request = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", endpoint.server["port"]), timeout=30) as raw:
        for _ in range(3):
            raw.sendall(request)
            received = b""
            while b'{"live":true}' not in received:
                received += raw.recv(1000)
            assert received.startswith(b"HTTP/1.1 200")


def test_the_report_is_what_the_deploy_target_reads(endpoint: RunningEndpoint, package: Path) -> None:
    report = endpoint.report()
    assert (report["observed_generation"], report["traffic"], report["error"]) == (1, {"3": 100}, None)
    assert {version: one["state"] for version, one in report["deployments"].items()} == {
        "3": "ready",
        "10": "ready",
        "11": "failed",
    }
    assert set(report["deployments"]["3"]) == {
        *("state", "reason", "digest", "variant", "engine", "requests", "errors", "in_flight", "counters"),
    }
    assert "expected sha256:0" in report["deployments"]["11"]["reason"]
    assert report["deployments"]["10"]["variant"] == "fp32"
    assert report["deployments"]["3"]["digest"] == package_digest(package)
