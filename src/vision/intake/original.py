"""The file that came in, run as its contract says, in numpy: what every repair and the finished package is held to.

It shares no code with the graph that is put in front of the model, so a mistake in either shows as a lack of parity.
Source of the resize: antialias of onnx.ai/onnx/operators/onnx__Resize.html, pixels' middles at half coordinates.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from vision.errors import VisionError
from vision.intake.contract import Contract, Input
from vision.intake.opening import FATAL_ONLY, one_line
from vision.intake.refusal import Refused
from vision.intake.signature import Signature

LUMA = (0.299, 0.587, 0.114)  # of R, G, B: ITU-R BT.601
LEAST_PROBABILITY = 1e-30  # what is less is as good as none; float32 ends at 1e-38
BATCH = 64
SECONDS_A_FRAME = 10.0  # on one core; the slowest classifiers that are of use take one
NUMPY_TYPES = {"FLOAT": np.float32, "FLOAT16": np.float16, "DOUBLE": np.float64, "UINT8": np.uint8}


@dataclass(frozen=True)
class Original:
    """The file as it came in. `groups` are, for each label of the data, the outputs that mean it."""

    path: Path
    contract: Contract
    signature: Signature
    groups: tuple[tuple[int, ...], ...]

    def logits(self, frames: np.ndarray) -> np.ndarray:
        """Return logits, float32 [N,labels], of frames, uint8 [N,height,width,3]: of probabilities the logarithms."""
        assert self.contract.input is not None and self.contract.output is not None
        session = open_original(self.path)
        parts = (frames[start : start + BATCH] for start in range(0, len(frames), BATCH))
        fed = (prepared(self.contract.input, part) for part in parts)
        rows = np.concatenate([run(session, self.signature, part)[0].reshape(len(part), -1) for part in fed])
        if self.contract.output.kind == "probabilities":
            rows = np.log(np.clip(rows, LEAST_PROBABILITY, None))
        return grouped(rows, self.groups)


def open_original(model: Path | bytes) -> onnxruntime.InferenceSession:
    """Return a session over a file or a repaired model's bytes. Raises Refused where ONNX Runtime takes neither."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    given = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        name = model if isinstance(model, Path) else "the repaired model"
        raise Refused(f"{name}: does not load in ONNX Runtime ({one_line(error)}): export it again") from None


def run(session: onnxruntime.InferenceSession, signature: Signature, fed: np.ndarray) -> list[np.ndarray]:
    """Return the outputs, float32 [N,...], of what the model is fed, float32 [N,...], as many at a time as it takes."""
    step = signature.batch or max(len(fed), 1)
    parts = [fed[start : start + step] for start in range(0, len(fed), step)]
    try:
        answers = [_run(session, signature, part, step) for part in parts]
    except VisionError:
        raise
    except Exception as error:  # as above
        size = "x".join(map(str, fed.shape))
        raise Refused(
            f"the model does not run on {size} ({one_line(error)}): correct input, or export it with a dynamic batch"
        ) from None
    return [np.concatenate([part[index] for part in answers]) for index in range(len(signature.outputs))]


def run_within(
    session: onnxruntime.InferenceSession, outputs: list[str], fed: Mapping[str, np.ndarray], seconds: float
) -> list[np.ndarray]:
    """Return the outputs of one run. Raises Refused where it takes longer: a stranger's Loop may never end.

    ONNX Runtime looks at its flag between two operators, also those inside a Loop.
    """
    options = onnxruntime.RunOptions()
    timer = threading.Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        answers: list[np.ndarray] = session.run(outputs, dict(fed), options)
    except Exception:  # as above
        if not options.terminate:
            raise
        way = "hand in a smaller model, or one without a loop that hardly ends"
        raise Refused(f"the model takes more than {seconds:g} seconds for one run: {way}") from None
    finally:
        timer.cancel()
    return answers


def _run(session: onnxruntime.InferenceSession, signature: Signature, part: np.ndarray, step: int) -> list[np.ndarray]:
    full = np.concatenate([part, np.repeat(part[-1:], step - len(part), axis=0)]) if signature.batch else part
    given = np.clip(np.rint(full), 0, 255) if signature.dtype == "UINT8" else full
    fed = {signature.input: given.astype(NUMPY_TYPES[signature.dtype])}
    values = run_within(session, list(signature.outputs), fed, SECONDS_A_FRAME * len(full))
    for name, value in zip(signature.outputs, values, strict=True):
        if not isinstance(value, np.ndarray) or value.ndim < 1 or len(value) != len(full):
            shape = getattr(value, "shape", "no array")
            raise Refused(f"no classifier: output {name} is {shape} for {len(full)} frames, not a row a frame")
    return [value[: len(part)].astype(np.float32) for value in values]


def prepared(given: Input, frames: np.ndarray) -> np.ndarray:
    """Return frames, uint8 [N,height,width,3] RGB, as the model wants them: float32, in its layout and scale."""
    pixels = frames.astype(np.float32)
    if given.channels == "BGR":
        pixels = pixels[..., ::-1]
    elif given.channels == "GRAY":
        pixels = (pixels * np.array(LUMA, np.float32)).sum(axis=3, keepdims=True)
    rows, columns = (weights(length, side) for length, side in zip(frames.shape[1:3], given.size, strict=True))
    resized = np.einsum("yh,nhwc,xw->nyxc", rows, pixels, columns, optimize=True)
    scaled = (resized - np.array(given.mean, np.float32)) / np.array(given.std, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2) if given.layout == "NCHW" else scaled, np.float32)


def weights(length: int, side: int) -> np.ndarray:
    """Return how much each of `length` pixels counts for each of `side`, float32 [side,length]: bilinear."""
    scale = length / side
    middles = (np.arange(side) + 0.5) * scale
    distance = np.abs(np.arange(length) + 0.5 - middles[:, None]) / max(scale, 1.0)
    shares = np.clip(1 - distance, 0, None)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def grouped(rows: np.ndarray, groups: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Return logits [N,labels] of a model's logits [N,outputs]: of outputs that mean one label the sum of powers."""
    columns = [_log_sum(rows[:, list(group)]) for group in groups]
    return np.stack(columns, axis=1).astype(np.float32)


def _log_sum(columns: np.ndarray) -> np.ndarray:
    highest = columns.max(axis=1)
    total: np.ndarray = highest + np.log(np.exp(columns - highest[:, None]).sum(axis=1))
    return total
