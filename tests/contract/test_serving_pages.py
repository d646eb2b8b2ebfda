"""The metrics and the API's document of a running endpoint: what it counts, and that its answers are as described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator, ValidationError
from prometheus_client.parser import text_string_to_metric_families

from model_packages import MODEL, declared, make_package
from running_endpoint import RunningEndpoint, declare, picture, running_endpoint
from serving.routes import ROUTES

MAX_BODY = 100_000
LONGER_THAN_ONE_READ = 1_000_000  # bytes: a head that comes whole in one read may exceed its limit
RED = picture((220, 9, 9))
VALUES = {"model": MODEL, "version": "7"}
UNKNOWN = {"model": "unknown", "version": "9"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEndpoint]:
    """Run an endpoint without a door, by two workers, which serve a package as version 7."""
    folder = tmp_path_factory.mktemp("served")
    declare(folder, {"7": declared(make_package(tmp_path_factory.mktemp("package")))}, {"7": 100})
    with running_endpoint(folder, "--workers", "2", "--max-body", str(MAX_BODY)) as running:
        running.wait_until_observed(1)
        yield running


# --- metrics ---


def test_the_metrics_count_what_all_workers_did(endpoint: RunningEndpoint) -> None:
    before = metrics(endpoint)
    for content in [RED] * 6 + [b"no image"] * 2:
        endpoint.client.post("/score", content=content, headers={"connection": "close"})
    after = metrics(endpoint)
    counts = ("nv_inference_request_success", "nv_inference_count", "visionline_request_duration_seconds_count")
    gained = {name: after[name] - before[name] for name in (*counts, "OTHER")}

    assert gained == {**dict.fromkeys(counts, 6), "OTHER": 2}
    assert after["nv_inference_request_duration_us"] > before["nv_inference_request_duration_us"]
    assert after["nv_inference_pending_request_count"] == 0
    assert (after["visionline_workers"], after["visionline_traffic_percent"]) == (2, 100)
    assert after["visionline_capacity_frames_per_second"] > 0


def test_each_worker_process_tells_how_busy_it_was_whichever_is_asked(endpoint: RunningEndpoint) -> None:
    running = {str(worker["pid"]) for worker in endpoint.report()["workers"]["running"]}
    asked = [endpoint.client.get("/metrics", headers={"connection": "close"}).text for _ in range(4)]

    assert len(running) == 2
    assert [pids(text) for text in asked] == [running] * 4


def pids(text: str) -> set[str]:
    """Return the processes that one scrape tells of."""
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {one.labels["pid"] for one in samples if "pid" in one.labels}


def metrics(endpoint: RunningEndpoint) -> dict[str, float]:
    """Return the values of one scrape by name, those that are told apart by a reason by it."""
    answer = endpoint.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [one for family in text_string_to_metric_families(answer.text) for one in family.samples]
    return {one.labels.get("reason", one.name.removesuffix("_total")): one.value for one in samples}


# --- the API's document ---

TENSOR = {"name": "frames", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [220, 9, 9]}
JSON_BODY = {"inputs": [TENSOR]}
BINARY_ANSWER = {**JSON_BODY, "outputs": [{"name": "logits", "parameters": {"binary_data": True}}]}
FORM = {"files": [("a", ("a.png", RED)), ("b", ("b.png", RED))]}
SOON = {"headers": {"x-request-timeout-ms": "0.0001"}}
# Method, path, the status to come, and what is sent.
ASKED: list[tuple[str, str, int, dict[str, Any]]] = [
    ("get", "/v2", 200, {}),
    ("get", "/v2/health/live", 200, {}),
    ("get", "/v2/health/ready", 200, {}),
    ("get", "/v2/models/{model}", 200, {}),
    ("get", "/v2/models/{model}", 404, {}),
    ("get", "/v2/models/{model}/versions/{version}", 200, {}),
    ("get", "/v2/models/{model}/versions/{version}", 404, {}),
    ("get", "/v2/models/{model}/ready", 200, {}),
    ("get", "/v2/models/{model}/versions/{version}/ready", 200, {}),
    ("post", "/v2/models/{model}/infer", 200, {"json": JSON_BODY}),
    ("post", "/v2/models/{model}/infer", 200, {"json": BINARY_ANSWER}),
    ("post", "/v2/models/{model}/infer", 400, {"json": {"inputs": []}}),
    ("post", "/v2/models/{model}/infer", 404, {"json": JSON_BODY}),
    ("post", "/v2/models/{model}/infer", 431, {"json": JSON_BODY, "headers": {"x-long": "a" * LONGER_THAN_ONE_READ}}),
    ("post", "/v2/models/{model}/infer", 503, {"json": JSON_BODY, **SOON}),
    ("post", "/v2/models/{model}/versions/{version}/infer", 200, {"json": {**JSON_BODY, "id": "1"}}),
    ("post", "/v2/repository/index", 200, {}),
    ("post", "/v2/repository/index", 200, {"json": {"ready": True}}),
    ("post", "/v2/repository/index", 400, {"content": b"["}),
    ("post", "/v2/repository/models/{model}/load", 400, {}),
    ("post", "/v2/repository/models/{model}/unload", 400, {}),
    ("post", "/score", 200, {"content": RED}),
    ("post", "/score", 200, {"content": RED, "params": {"top": 1, "side": 8, "model": MODEL, "version": "7"}}),
    ("post", "/score", 200, FORM),
    ("post", "/score", 400, {"content": RED, "params": {"top": "many"}}),
    ("post", "/score", 413, {"content": bytes(MAX_BODY + 1)}),
    ("post", "/score", 415, {"content": b"no image"}),
    ("post", "/score", 503, {"content": RED, **SOON}),
    ("get", "/deployments", 200, {}),
    ("get", "/metrics", 200, {}),
    ("get", "/docs", 200, {}),
    ("get", "/openapi.json", 200, {}),
]


@pytest.fixture(scope="module")
def described(endpoint: RunningEndpoint) -> dict[str, Any]:
    """Return the document, with schemas that allow nothing beside what they name."""
    document: dict[str, Any] = closed(endpoint.client.get("/openapi.json").json())
    return document


def closed(value: Any) -> Any:
    """Return a document whose schemas allow no property but those that they name."""
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    is_object = value.get("type") == "object" and "properties" in value
    return {
        **{key: closed(one) for key, one in value.items()},
        **({"additionalProperties": False} if is_object else {}),
    }


@pytest.mark.parametrize(("method", "path", "status", "more"), ASKED)
def test_each_answer_is_one_that_the_document_describes(
    endpoint: RunningEndpoint, described: dict[str, Any], method: str, path: str, status: int, more: dict[str, Any]
) -> None:
    address = path.format(**(UNKNOWN if status == 404 else VALUES))
    answer = endpoint.client.request(method, address, **more)

    assert answer.status_code == status
    check(answer, described["paths"][path][method]["responses"][str(status)], described["components"])


def check(answer: httpx.Response, response: dict[str, Any], components: dict[str, Any]) -> None:
    """Hold an answer against its description: kind, body, headers. Raises AssertionError or ValidationError."""
    if "$ref" in response:
        response = components["responses"][response["$ref"].rsplit("/", 1)[1]]
    kind = answer.headers["content-type"].split(";")[0]
    schema = response["content"][kind]["schema"]
    if kind == "application/json":
        Draft202012Validator({**schema, "components": components}).validate(answer.json())
    # The one header of an answer in two kinds that comes with one of them only.
    optional = {"inference-header-content-length"} if kind == "application/json" else set()
    assert set(response.get("headers", {})) - optional <= set(answer.headers)


def test_an_answer_with_more_or_less_than_is_described_is_found_out(
    endpoint: RunningEndpoint, described: dict[str, Any]
) -> None:
    response, components = described["paths"]["/v2"]["get"]["responses"]["200"], described["components"]
    good = endpoint.client.get("/v2").json()

    for bad in ({**good, "more": 1}, {"name": good["name"]}, {**good, "extensions": "none"}):
        with pytest.raises(ValidationError):
            check(httpx.Response(200, json=bad), response, components)


def test_every_described_operation_was_asked() -> None:
    assert {(method, path) for method, path, _, _ in ASKED} == {(route.method.lower(), route.path) for route in ROUTES}


def test_what_was_asked_of_score_by_query_is_what_is_described(described: dict[str, Any]) -> None:
    parameters = [described["components"]["parameters"][one["$ref"].rsplit("/", 1)[1]] for one in score(described)]
    asked = {name for _, path, _, more in ASKED if path == "/score" for name in more.get("params", {})}

    assert {one["name"] for one in parameters if one["in"] == "query"} == asked


def score(described: dict[str, Any]) -> list[dict[str, str]]:
    """Return the parameters of POST /score."""
    parameters: list[dict[str, str]] = described["paths"]["/score"]["post"]["parameters"]
    return parameters


def test_an_endpoint_that_is_not_ready_says_so_as_described(tmp_path: Path) -> None:
    with running_endpoint(tmp_path / "empty") as empty:
        document = closed(empty.client.get("/openapi.json").json())
        answer = empty.client.get("/v2/health/ready")

    assert answer.status_code == 503
    check(answer, document["paths"]["/v2/health/ready"]["get"]["responses"]["503"], document["components"])
