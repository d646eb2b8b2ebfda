"""Asks deployments for predictions on a package's golden set, over the Open Inference Protocol v2, and times them.

It judges nothing: mlops.verification does. What a deployment answers, errors too, is its own; where no answer comes at
all, the network may be as much to blame, so that is told apart. Protocol:
https://github.com/kserve/open-inference-protocol (REST, v2).
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError
from mlops.client import Answer, JsonClient
from mlops.loading import build, read_json
from mlops.names import GOLDEN_FILE
from mlops.ports import DeploymentStatus

BAD_REQUEST = 400
SHOWN = 300  # characters of what is wrong with an answer


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


def predict(deployment: DeploymentStatus, golden: Golden, classes: Sequence[str] = ()) -> Predictions | Lost | str:
    """Return what one deployment predicts for all golden frames, why it says that it does not, or Lost.

    `classes` are the package's labels, in the order of its logits: see `read_answer`. A server that does not take all
    frames at once, as Triton refuses what is over its max_batch_size, is asked frame by frame.
    """
    count = golden.shape[0]
    with JsonClient(deployment.url) as client:
        answers = [_infer(client, deployment, golden, 0, count)]
        if answers[0].status == BAD_REQUEST:
            answers = [_infer(client, deployment, golden, index, index + 1) for index in range(count)]
    failure = next((said for said in map(_failure, answers) if said is not None), None)
    if failure is not None:
        return failure
    return _joined([read_answer(answer.body, count // len(answers), classes) for answer in answers])


def read_answer(body: Any, frames: int, classes: Sequence[str]) -> Predictions | str:
    """Return what an answer of the protocol predicts for so many frames, or why it can't be read, in one line.

    Triton answers logits alone: their softmax are the scores, and a class is named by its place among `classes`.
    """
    try:
        outputs = {one["name"]: one["data"] for one in body["outputs"]}
        rows = _scores(outputs, frames)
        labels = outputs["label"] if "label" in outputs else _named(rows, classes)
        return build(Predictions, {"labels": labels, "scores": rows}, "it")
    except (ConfigError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        return f"200, but the answer is no prediction: {type(error).__name__}: {str(error)[:SHOWN]}"


def softmax(logits: Sequence[float]) -> list[float]:
    """Return the probabilities of one frame's classes from its logits, which are finite numbers."""
    most = max(logits)
    powers = [math.exp(one - most) for one in logits]
    total = sum(powers)
    return [power / total for power in powers]


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


def _joined(parts: Sequence[Predictions | str]) -> Predictions | str:
    """Return all predictions as one, or the first reason why there is none."""
    labels: tuple[str, ...] = ()
    scores: tuple[tuple[float, ...], ...] = ()
    for part in parts:
        if isinstance(part, str):
            return part
        labels, scores = labels + part.labels, scores + part.scores
    return Predictions(labels, scores)


def _scores(outputs: Mapping[str, Any], frames: int) -> list[list[float]]:
    """Return the scores of each frame's classes. Raises ValueError or TypeError where the outputs have none."""
    name = next((one for one in ("probabilities", "logits") if one in outputs), None)
    if name is None:
        raise ValueError(f"it has neither probabilities nor logits, but {list(outputs)}")
    data = outputs[name]
    width, rest = divmod(len(data), frames)
    if not width or rest or not all(math.isfinite(one) for one in data):
        raise ValueError(f"its {name}, {len(data)}, are not as many finite numbers for each of {frames} frames")
    rows = [data[start : start + width] for start in range(0, len(data), width)]
    return rows if name == "probabilities" else [softmax(row) for row in rows]


def _named(rows: list[list[float]], classes: Sequence[str]) -> list[str]:
    """Return each row's best class by name. Raises ValueError where there are other classes than names."""
    if len(classes) != len(rows[0]):
        raise ValueError(f"it scores {len(rows[0])} classes, and the package names {len(classes)}")
    return [classes[row.index(max(row))] for row in rows]


def _frame_size(golden: Golden) -> int:
    _, height, width, channels = golden.shape
    return height * width * channels
