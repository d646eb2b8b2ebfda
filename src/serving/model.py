"""A model in memory: one variant of a model package, checked by SHA-256 and run by an engine.

It knows neither HTTP nor video. What a package is: modelpackage.release.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelpackage import PackageError, Release, digest_bytes, open_package
from serving import onnx_engine, openvino_engine
from serving.curve import QUICK_SECONDS, BatchCurve, Run, measure
from serving.errors import ModelError, ServingError, one_line

WARM_UP_PIXELS = 28

# Engine -> a function from an ONNX file's bytes, the names of its input and output, a folder in which processes may
# share what is large (None: none), and a number of threads, to what scores frames.
ENGINES: dict[str, Callable[[bytes, str, str, Path | None, int], Run]] = {
    "onnxruntime": onnx_engine.open_run,
    "openvino": openvino_engine.open_run,
}


@dataclass(frozen=True, eq=False)
class Contract:
    """What contract.json promises a client: the input's and output's names, and the input's shape, -1 for any size.

    It is looked up with each request, and is so by what it is and not by what it says.
    """

    input_name: str
    input_shape: tuple[int, ...]
    output_name: str


@dataclass(slots=True, eq=False)
class Prediction:
    """For n frames: logits, float32 [n, classes], and the classes of their columns. The rest is computed when asked.

    `part_of` is the prediction of a batch and the row in it where this one starts: what is computed for one of the
    batch is computed for all, once.
    """

    logits: NDArray[np.float32]
    classes: tuple[str, ...]
    part_of: tuple[Prediction, int] | None = None
    _probabilities: NDArray[np.float32] | None = field(default=None, init=False)
    _top: list[tuple[int, float]] | None = field(default=None, init=False)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The softmax of each row of logits, float32 [n, classes]."""
        if self.part_of is not None:
            whole, start = self.part_of
            return whole.probabilities[start : start + len(self.logits)]
        if self._probabilities is None:
            self._probabilities = softmax(self.logits)
        return self._probabilities

    @property
    def top(self) -> list[tuple[int, float]]:
        """The column of the largest probability of each row, the first of equals, and that probability."""
        if self.part_of is not None:
            whole, start = self.part_of
            return whole.top[start : start + len(self.logits)]
        if self._top is None:
            columns, largest = self.probabilities.argmax(axis=1), np.maximum.reduce(self.probabilities, axis=1)
            self._top = list(zip(columns.tolist(), largest.tolist(), strict=True))
        return self._top

    @property
    def labels(self) -> tuple[str, ...]:
        """The class of the largest logit of each row."""
        return tuple(self.classes[index] for index in self.logits.argmax(axis=1))

    def rows(self, start: int, stop: int) -> Prediction:
        """Return the prediction of the frames from `start` up to `stop`."""
        return Prediction(self.logits[start:stop], self.classes, (self, start))


@dataclass(frozen=True)
class Model:
    """A loaded variant. `digest` names the package that it came from, `reference` is its reference.json.

    `wide` is the same one on two threads; None where it is quick, and where nobody wants that (serving.lone).
    """

    run: Run
    contract: Contract
    labels: tuple[str, ...]
    digest: str
    variant: str
    engine: str
    curve: BatchCurve
    reference: Mapping[str, Any]
    wide: Model | None = None

    def predict(self, frames: NDArray[np.uint8]) -> Prediction:
        """Score frames, uint8 RGB [n, height, width, 3].

        Raises ModelError where the model can't run on them, or answers NaN or infinity.
        """
        return predict(self.run, self.labels, frames)


def predict(run: Run, labels: tuple[str, ...], frames: NDArray[np.uint8]) -> Prediction:
    """Score frames, as Model.predict does, by an engine's function."""
    try:
        logits = run(frames)
    except Exception as error:  # engines' errors have no common class
        raise ModelError(f"the model does not run on {list(frames.shape)}: {one_line(error)}") from None
    if logits.shape != (len(frames), len(labels)) or not _is_finite(logits):
        raise ModelError(f"logits {logits.shape} are not {len(frames)} rows of {len(labels)} finite numbers")
    return Prediction(logits, labels)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of each row of logits, [n, classes] to [n, classes]."""
    # The ufuncs themselves: for a row, the methods max and sum take longer to get to them than they do.
    powers: NDArray[np.float32] = np.exp(logits - np.maximum.reduce(logits, axis=1, keepdims=True))
    powers /= np.add.reduce(powers, axis=1, keepdims=True)
    return powers


def load_model(
    folder: Path, digest: str, variant: str, engine: str = "onnxruntime", shared: Path | None = None, lone: int = 1
) -> Model:
    """Check a package against its digest, load one variant, run it and measure its batch curve.

    A slow one is loaded a second time, on `lone` threads, where that is more than one.

    Processes that give the same folder `shared` have the weights in memory once, where the engine can do that.

    Raises PackageError on a package that is damaged, lacks the variant or holds a model that does not run;
    ServingError on an engine that is unknown or not installed.
    """
    if engine not in ENGINES:
        raise ServingError(f"engine {engine}: unknown: use one of {', '.join(ENGINES)}")
    release = open_package(folder, digest)
    if variant not in release.variants:
        known = ", ".join(sorted(release.variants))
        raise PackageError(f"{folder}: holds no variant {variant}: it has {known}")
    contract = _contract(_json(folder, release, "contract.json"), folder)
    labels = tuple(str(label) for label in _json(folder, release, "labels.json"))
    reference = _json(folder, release, "reference.json") if "reference.json" in release.files else {}
    content = _checked_bytes(folder, release, release.variants[variant])
    shape = _frame_shape(folder, release, contract)
    try:
        open_run = partial(ENGINES[engine], content, contract.input_name, contract.output_name, shared)
        run = open_run(1)
        predict(run, labels, np.zeros((1, *shape), np.uint8))
        curve = measure(run, shape)
        wide = open_run(lone) if lone > 1 and curve.single() >= QUICK_SECONDS else None
    except ServingError:
        raise
    except Exception as error:  # as above; it also names an input or output that the file does not have
        file = folder / release.variants[variant]
        raise PackageError(f"{file}: cannot be served ({one_line(error)}): export the model again") from None
    model = Model(run, contract, labels, digest, variant, engine, curve, reference)
    return model if wide is None else replace(model, wide=replace(model, run=wide))


def _is_finite(logits: NDArray[np.float32]) -> bool:
    # One number tells it almost always, for a third of the time; finite logits may have too large a sum of squares.
    flat = logits.ravel()
    return math.isfinite(flat.dot(flat)) or bool(np.isfinite(logits).all())


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


def _frame_shape(folder: Path, release: Release, contract: Contract) -> tuple[int, int, int]:
    """Return the [height, width, 3] to warm up with: the golden frames', else the contract's, else a small one."""
    shape = contract.input_shape
    try:
        if "golden.json" in release.files:
            shape = _json(folder, release, "golden.json")["shape"]
        _, height, width, _ = (size if size > 0 else WARM_UP_PIXELS for size in shape)
    except (KeyError, TypeError, ValueError):
        raise PackageError(f"{folder}: a shape is not n, height, width, 3: export the model again") from None
    return height, width, 3
