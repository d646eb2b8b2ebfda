"""A model in memory: one variant of a model package, checked by SHA-256 and run by ONNX Runtime on one thread.

It knows neither HTTP nor video. What a package is: modelpackage.release. One thread an inference, because an edge
device runs many streams side by side, and two threads on two busy cores are slower than one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from modelpackage import PackageError, Release, digest_bytes, open_package
from serving.errors import ModelError, one_line

WARM_UP_PIXELS = 28
FATAL_ONLY = 4  # ONNX Runtime's log level: what goes wrong is raised, and reported once, by us


@dataclass(frozen=True)
class Contract:
    """What contract.json promises a client: the input's and output's names, and the input's shape, -1 for any size."""

    input_name: str
    input_shape: tuple[int, ...]
    output_name: str


@dataclass(frozen=True)
class Prediction:
    """For n frames: logits and probabilities, float32 [n, classes], and the n labels of the largest."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Model:
    """A loaded variant. `digest` names the package that it came from."""

    session: onnxruntime.InferenceSession
    contract: Contract
    labels: tuple[str, ...]
    digest: str
    variant: str

    def predict(self, frames: NDArray[np.uint8]) -> Prediction:
        """Score frames, uint8 RGB [n, height, width, 3].

        Raises ModelError where the model can't run on them, or answers NaN or infinity.
        """
        try:
            (logits,) = self.session.run([self.contract.output_name], {self.contract.input_name: frames})
        except Exception as error:  # ONNX Runtime's errors have no common class
            raise ModelError(f"the model does not run on {list(frames.shape)}: {one_line(error)}") from None
        if logits.shape != (len(frames), len(self.labels)) or not np.isfinite(logits).all():
            raise ModelError(f"logits {logits.shape} are not {len(frames)} rows of {len(self.labels)} finite numbers")
        best = tuple(self.labels[index] for index in logits.argmax(axis=1))
        return Prediction(logits, softmax(logits), best)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of each row of logits, [n, classes] to [n, classes]."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def load_model(folder: Path, digest: str, variant: str) -> Model:
    """Check a package against its digest, load one variant and run it once.

    Raises PackageError on a package that is damaged, lacks the variant or holds a model that does not run.
    """
    release = open_package(folder, digest)
    if variant not in release.variants:
        known = ", ".join(sorted(release.variants))
        raise PackageError(f"{folder}: holds no variant {variant}: it has {known}")
    contract = _contract(_json(folder, release, "contract.json"), folder)
    labels = tuple(str(label) for label in _json(folder, release, "labels.json"))
    content = _checked_bytes(folder, release, release.variants[variant])
    file = folder / release.variants[variant]
    try:
        model = Model(_session(content), contract, labels, digest, variant)
        model.predict(_warm_up_frame(model.session))
    except Exception as error:  # as above; it also names an input or output that the file does not have
        raise PackageError(f"{file}: cannot be served ({one_line(error)}): export the model again") from None
    return model


def _checked_bytes(folder: Path, release: Release, name: str) -> bytes:
    # Read once and checked as read: a file that is replaced after open_package looked at it is not used.
    content = (folder / name).read_bytes()
    if digest_bytes(content) != release.files.get(name):
        raise PackageError(f"{folder / name}: is not what release.json names: fetch the package again")
    return content


def _json(folder: Path, release: Release, name: str) -> Any:
    if name not in release.files:
        raise PackageError(f"{folder / name}: is missing: export the model again")
    try:
        return json.loads(_checked_bytes(folder, release, name))
    except ValueError as error:
        raise PackageError(f"{folder / name}: is not JSON ({error}): export the model again") from None


def _contract(content: Any, folder: Path) -> Contract:
    try:
        given, answered = content["input"], content["output"]
        kind = (given["dtype"], given["layout"], given["channels"], answered["dtype"], answered["activation"])
        contract = Contract(given["name"], tuple(given["shape"]), answered["name"])
    except (KeyError, TypeError) as error:
        raise PackageError(f"{folder / 'contract.json'}: lacks {error}: export the model again") from None
    if kind != ("UINT8", "NHWC", "RGB", "FP32", "softmax"):
        raise PackageError(
            f"{folder / 'contract.json'}: this runtime serves UINT8 NHWC RGB to FP32 softmax, not {kind}"
        )
    return contract


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = FATAL_ONLY
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _warm_up_frame(session: onnxruntime.InferenceSession) -> NDArray[np.uint8]:
    # The file's own shape where it fixes one: whether that keeps the contract's promise, live frames tell.
    _, *sizes = session.get_inputs()[0].shape
    return np.zeros([1, *(size if isinstance(size, int) else WARM_UP_PIXELS for size in sizes[:2]), 3], np.uint8)
