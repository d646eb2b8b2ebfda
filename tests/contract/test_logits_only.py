"""A server that answers logits alone, as Triton does, is judged like every other; one without scores is refused."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster_stages import cluster_stage
from model_packages import CLASSES, MODEL, SCALE, make_package

from mlops.context import Context
from mlops.judging import read_labels
from mlops.ports import DeploymentStatus, EndpointStatus
from mlops.probe import Golden, Predictions, predict, read_answer, read_golden, softmax
from mlops.records import Verdict
from mlops.rollout import inspect
from mlops.verification import judge_golden
from modelpackage import package_digest


@dataclass
class Triton:
    """A V2 server that answers the logits of the tests' model, `bias` on its first class, or else `outputs`.

    It refuses more frames at once than `most`, its max_batch_size.
    """

    bias: float = 0.0
    outputs: dict[str, list[Any]] | None = None
    most: int = 32
    url: str = ""

    def answer(self, asked: Any) -> tuple[int, Any]:
        """Return the answer to a request, and its status, as the protocol has it."""
        (given,) = asked["inputs"]
        count = given["shape"][0]
        if count > self.most:
            return 400, {"error": f"inference request batch-size must be <= {self.most} for '{MODEL}'"}
        logits = np.array(given["data"], np.uint8).reshape(given["shape"]).mean(axis=(1, 2)) * SCALE
        logits[:, 0] += self.bias
        parts = {"logits": logits.ravel().tolist()} if self.outputs is None else self.outputs
        outputs = [{"name": name, "datatype": "FP32", "shape": [len(one)], "data": one} for name, one in parts.items()]
        return 200, {"model_name": MODEL, "model_version": "1", "outputs": outputs}

    def seen(self, digest: str) -> DeploymentStatus:
        """Return what a target says of the version that it runs."""
        return DeploymentStatus(1, digest, "ready", None, 0, 0, self.url, f"/v2/models/{MODEL}/versions/1/infer")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("packages") / "1")


@pytest.fixture(scope="module")
def golden(package: Path) -> Golden:
    return read_golden(package)


@pytest.fixture
def triton() -> Iterator[Triton]:
    made = Triton()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # noqa: N802 - the library's name
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = made.answer(asked)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield made
        server.shutdown()


@dataclass(frozen=True)
class Target:
    """What `inspect` asks of a target: one deployment, with all the traffic."""

    deployment: DeploymentStatus

    def status(self) -> EndpointStatus:
        """Return what is served."""
        return EndpointStatus(self.deployment.url, {1: 100}, {1: self.deployment})


def inspected(triton: Triton, package: Path, run: Path) -> Verdict:
    """Register the package, and judge the version as the server runs it."""
    context = Context(cluster_stage(), run, lambda line: None)
    version = context.registry.register(MODEL, package, {})
    context.__dict__["target"] = Target(triton.seen(version.digest))
    return inspect(context, version, None, (0, 0))


@pytest.mark.parametrize("most", [32, 1])
def test_a_version_that_a_server_of_logits_alone_runs_is_promoted(
    triton: Triton, package: Path, tmp_path: Path, most: int
) -> None:
    triton.most = most
    verdict = inspected(triton, package, tmp_path)
    assert verdict.outcome == "promote", verdict.reason
    assert {rule.rule for rule in verdict.rules} == {"digest", "golden", "probes", "latency", "live"}


def test_a_server_that_answers_nothing_of_use_is_rejected_and_no_defect(
    triton: Triton, package: Path, tmp_path: Path
) -> None:
    triton.outputs = {"embedding": [0.5]}
    verdict = inspected(triton, package, tmp_path)
    assert verdict.outcome == "reject" and "\n" not in verdict.reason
    assert "it has neither probabilities nor logits, but ['embedding']" in verdict.reason


def test_other_logits_than_the_evaluations_are_rejected(triton: Triton, package: Path, golden: Golden) -> None:
    triton.bias = 1.0
    actual = predict(triton.seen(package_digest(package)), golden, read_labels(package))
    rule = judge_golden(golden, "int8", actual, 0.02)
    assert rule.outcome == "reject" and "golden predictions changed" in rule.reason


def test_a_server_that_takes_no_frame_at_all_is_told_by_its_own_words(triton: Triton, golden: Golden) -> None:
    triton.most = 0
    assert "400 " in str(predict(triton.seen("sha256:1"), golden, CLASSES))


@pytest.mark.parametrize(
    "outputs, words",
    [
        ({}, r"neither probabilities nor logits, but \[\]"),
        ({"logits": []}, "its logits, 0, are not as many finite numbers"),
        ({"logits": [0.0] * 17}, "its logits, 17, are not as many finite numbers for each of 16 frames"),
        ({"logits": [float("nan")] * 48}, "finite"),
        ({"probabilities": [float("inf")] * 48}, "finite"),
        ({"logits": ["high"] * 48}, "TypeError"),
        ({"logits": [0.0] * 16}, "it scores 1 classes, and the package names 3"),
        ({"probabilities": [0.5] * 48, "label": [7] * 16}, r"labels\[0\]: should be str"),
    ],
)
def test_an_answer_without_predictions_is_told_in_one_line(
    triton: Triton, golden: Golden, outputs: dict[str, list[Any]], words: str
) -> None:
    triton.outputs = outputs
    said = predict(triton.seen("sha256:1"), golden, CLASSES)
    assert isinstance(said, str) and "\n" not in said
    assert said.startswith("200, but the answer is no prediction: ") and re.search(words, said)
    assert judge_golden(golden, "int8", said, 0.02).outcome == "reject"


@pytest.mark.parametrize("body", [None, "<html>", [], {}, {"outputs": 3}, {"outputs": [{"name": "logits"}]}])
def test_an_answer_that_is_none_of_the_protocol_is_told_as_well(body: Any) -> None:
    assert isinstance(read_answer(body, 1, CLASSES), str)


def test_probabilities_and_labels_are_taken_as_they_are_answered() -> None:
    outputs = [{"name": "probabilities", "data": [0.25, 0.75]}, {"name": "label", "data": ["a"]}]
    body = {"outputs": [{"name": "logits", "data": [9.0, 0.0]}, *outputs]}
    assert read_answer(body, 1, ("x", "y")) == Predictions(("a",), ((0.25, 0.75),))


def test_large_logits_have_a_softmax_too() -> None:
    assert softmax([1000.0, 1000.0]) == [0.5, 0.5]
    assert softmax([-5000.0, 5000.0, 4000.0]) == [0.0, 1.0, 0.0]
