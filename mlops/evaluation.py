"""What an evaluation found out: evaluation.json, as vision.evaluate writes it and gates, cards and reports read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VariantReport:
    """One ONNX file on the frozen test set. Shares in 0..1, ms for one image on one thread, memory in MiB."""

    sha256: str
    precision: str
    bytes: int
    accuracy: float
    accuracy_interval: tuple[float, ...]
    per_class: dict[str, float]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    slices: dict[str, float]
    latency_ms_p50: float
    latency_ms_p95: float
    memory_mb: float


@dataclass(frozen=True)
class Parity:
    """A variant against the original (the PyTorch model, or the file that came in) on the same decoded bytes."""

    max_abs_diff: float
    agreement: float
    accuracy_delta: float
    per_class_delta: dict[str, float]


@dataclass(frozen=True)
class ModelReport:
    """One model (challenger or champion) as one evaluation saw it."""

    version: int | None
    release_digest: str | None
    checkpoint: str
    labels: tuple[str, ...]
    variants: dict[str, VariantReport]
    parity: dict[str, Parity]


@dataclass(frozen=True)
class TestSet:
    """The frozen test set that an evaluation used. `digest` is over its images and labels."""

    __test__ = False  # pytest collects classes named Test*

    digest: str
    images: int
    data_version: str


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json: challenger and champion on the same test set in one run, on one device class."""

    test_set: TestSet
    device_class: str
    challenger: ModelReport
    champion: ModelReport | None
    schema: int = 1
