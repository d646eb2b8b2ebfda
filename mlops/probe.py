"""Asks deployments for predictions on a package's golden set, over the Open Inference Protocol v2, and times them.

It judges nothing: mlops.verification does. What a deployment answers, errors too, is its own; where no answer comes at
all, the network may be as much to blame, so that is told apart. Protocol:
https://github.com/kserve/open-inference-protocol (REST, v2).
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import ConfigError
from mlops.client import Answer, JsonClient
from mlops.loading import build, read_json
from mlops.names import GOLDEN_FILE
from mlops.ports import DeploymentStatus


@dataclass(frozen=True)
class Predictions:
    """Labels, and the scores of all classes, in the order of the golden frames."""

    labels: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Golden:
    """golden.json: frames as raw uint8 NHWC bytes, and what each variant predicted for them at evaluation."""

    shape: tuple[int, ...]
    frames_base64: str
    variants: dict[str, Predictions]
    schema: int = 1


@dataclass(frozen=True)
class Lost:
    """A request to which no answer came, good or bad: refused, cut off, or too late. `reason`: what the system says."""

    reason: str


@dataclass(frozen=True)
class Probes:
    """What a deployment answered to single frames: milliseconds of each answer, reasons of those that failed.

    `lost` are those that got no answer.
    """

    milliseconds: tuple[float, ...]
    failures: tuple[str, ...]
    lost: tuple[Lost, ...] = ()


def read_golden(package: Path) -> Golden:
    """Read the golden set of a package. Raises ConfigError where it is absent, malformed or cut."""
    golden = read_json(Golden, package / GOLDEN_FILE)
    size = golden.shape[0] * _frame_size(golden)
    if len(base64.b64decode(golden.frames_base64)) != size:
        raise ConfigError(
            f"{package / GOLDEN_FILE}: frames_base64 does not hold {size} bytes: evaluate the model again"
        )
    return golden


def predict(deployment: DeploymentStatus, golden: Golden) -> Predictions | Lost | str:
    """Return what one deployment predicts for all golden frames, why it says that it does not, or Lost."""
    with JsonClient(deployment.url) as client:
        answer = _infer(client, deployment, golden, 0, golden.shape[0])
    failure = _failure(answer)
    if failure is not None:
        return failure
    outputs = {output["name"]: output["data"] for output in answer.body["outputs"]}
    classes = len(outputs["probabilities"]) // golden.shape[0]
    rows = [outputs["probabilities"][i : i + classes] for i in range(0, len(outputs["probabilities"]), classes)]
    return build(Predictions, {"labels": outputs["label"], "scores": rows}, f"answer of version {deployment.version}")


def probe_in_turn(deployments: list[DeploymentStatus], golden: Golden, requests: int) -> list[Probes]:
    """Send single frames to each deployment in turn, A B A B, so that a busy machine slows all alike."""
    clients = [JsonClient(deployment.url) for deployment in deployments]
    seen: list[list[tuple[float, Lost | str | None]]] = [[] for _ in deployments]
    for number in range(requests):
        for client, deployment, results in zip(clients, deployments, seen, strict=True):
            results.append(_timed(client, deployment, golden, number % golden.shape[0]))
    for client in clients:
        client.__exit__()
    return [_probes(results) for results in seen]


def _probes(results: list[tuple[float, Lost | str | None]]) -> Probes:
    good = tuple(milliseconds for milliseconds, failure in results if failure is None)
    failures = tuple(failure for _, failure in results if isinstance(failure, str))
    return Probes(good, failures, tuple(failure for _, failure in results if isinstance(failure, Lost)))


def _timed(
    client: JsonClient, deployment: DeploymentStatus, golden: Golden, index: int
) -> tuple[float, Lost | str | None]:
    start = time.perf_counter()
    answer = _infer(client, deployment, golden, index, index + 1)
    milliseconds = (time.perf_counter() - start) * 1000
    return milliseconds, _failure(answer)


def _failure(answer: Answer) -> Lost | str | None:
    if answer.status == 0:
        return Lost(str(answer.body))
    return None if answer.status == 200 else f"{answer.status} {answer.body}"


def _infer(client: JsonClient, deployment: DeploymentStatus, golden: Golden, first: int, last: int) -> Answer:
    size = _frame_size(golden)
    data = list(base64.b64decode(golden.frames_base64)[first * size : last * size])
    tensor = {"name": "frames", "shape": [last - first, *golden.shape[1:]], "datatype": "UINT8", "data": data}
    return client.request("POST", deployment.infer_path, {"inputs": [tensor]}, deployment.headers)


def _frame_size(golden: Golden) -> int:
    _, height, width, channels = golden.shape
    return height * width * channels
