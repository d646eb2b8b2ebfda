"""Evaluations and packages for tests: small, whole and consistent, so that a test spoils just what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mlops.case import MANDATORY_FILES, Case, Package, variant_file
from mlops.config import DeviceGates, Gates, ParityGates, Regression
from mlops.loading import write_json
from mlops.names import EVALUATION_FILE, GOLDEN_FILE
from mlops.evaluation import Evaluation, ModelReport, Parity, TestSet, VariantReport
from mlops.records import ModelVersion
from modelpackage import digest_bytes, digest_file

# Of the tests' own, so that whoever edits a stage file breaks none.
GATES = Gates(
    min_accuracy=0.8,
    min_test_images=1000,
    slices=("blur", "noise", "dark", "shifted", "low_resolution"),
    max_regression=Regression(overall=0.005, per_class=0.05, per_slice=0.05),
    max_int8_loss=0.005,
    parity={"fp32": ParityGates(0.001, 0.999), "int8": ParityGates(8.0, 0.97)},
    devices={"cpu": DeviceGates(max_latency_ratio=4.0, max_int8_latency_ratio=1.5, max_package_mb=8.0)},
)
LABELS = tuple(f"class-{index}" for index in range(10))
IMAGES = 1000
DATA_VERSION = "0123456789abcdef"
CHAMPION = ModelVersion("fashion-classifier", 3, digest_bytes(b"release 3"), {"dev": "approved"})


def variant(name: str, right: int = 90, model: str = "new", **changes: object) -> VariantReport:
    """Return a report where each class has `right` of 100 images right; the rest are taken for the next class."""
    confusion = tuple(
        tuple(right if column == row else (100 - right if column == (row + 1) % 10 else 0) for column in range(10))
        for row in range(10)
    )
    share = right / 100
    report = VariantReport(
        sha256=digest_bytes(f"{model} {name}".encode()),
        precision=name,
        bytes=100_000,
        accuracy=share,
        accuracy_interval=(max(share - 0.02, 0.0), min(share + 0.02, 1.0)),
        per_class={label: share for label in LABELS},
        confusion=confusion,
        calibration_error=0.02,
        slices={part: share / 2 for part in GATES.slices},
        latency_ms_p50=0.5,
        latency_ms_p95=0.6,
        memory_mb=20.0,
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def model(right: int = 90, name: str = "new", version: int | None = None, digest: str | None = None) -> ModelReport:
    """Return a model with both variants equally right."""
    return ModelReport(
        version=version,
        release_digest=digest,
        checkpoint=digest_bytes(f"{name} checkpoint".encode()),
        labels=LABELS,
        variants={precision: variant(precision, right, name) for precision in ("fp32", "int8")},
        parity={
            "fp32": Parity(1e-6, 1.0, 0.0, {label: 0.0 for label in LABELS}),
            "int8": Parity(0.5, 0.99, 0.001, {label: 0.0 for label in LABELS}),
        },
    )


def evaluation(challenger: ModelReport | None = None, champion: ModelReport | None = None) -> Evaluation:
    """Return an evaluation of a good model; without a champion unless one is given."""
    test_set = TestSet(digest_bytes(b"test set"), IMAGES, DATA_VERSION)
    return Evaluation(test_set, "cpu", challenger or model(), champion)


def duel(challenger: ModelReport | None = None, champion_right: int = 90) -> Evaluation:
    """Return an evaluation of a good model against CHAMPION."""
    return evaluation(challenger, model(champion_right, "old", CHAMPION.version, CHAMPION.digest))


def package(judged: Evaluation) -> Package:
    """Return the package that an evaluation saw."""
    files = {variant_file(name): report.sha256 for name, report in judged.challenger.variants.items()}
    return Package(files | {name: digest_bytes(name.encode()) for name in MANDATORY_FILES}, 200_000, LABELS)


def case(judged: Evaluation | None = None, **changes: object) -> Case:
    """Return a case that passes every rule, against CHAMPION, with what a test changes."""
    judged = judged or duel()
    champion = CHAMPION if judged.champion else None
    passing = Case(judged, package(judged), GATES, "int8", DATA_VERSION, champion)
    return replace(passing, **changes)  # type: ignore[arg-type]


def with_variant(name: str, **changes: object) -> ModelReport:
    """Return a good model, one variant of which is changed."""
    good = model()
    spoilt = replace(good.variants[name], **changes)  # type: ignore[arg-type]
    return replace(good, variants=good.variants | {name: spoilt})


def with_parity(name: str, max_abs_diff: float, agreement: float) -> ModelReport:
    """Return a good model, one variant of which has this parity."""
    good = model()
    return replace(good, parity=good.parity | {name: Parity(max_abs_diff, agreement, 0.0, {})})


def write_export(folder: Path, right: int = 90, name: str = "new", champion: ModelReport | None = None) -> Evaluation:
    """Write what export and evaluate hand to registration, into folder/package and folder/evaluation.

    The ONNX files hold a few bytes, not a network: nothing in orchestration may look into them.
    """
    exported, evaluated = folder / "package", folder / "evaluation"
    exported.mkdir(parents=True, exist_ok=True)
    for mandatory in MANDATORY_FILES:
        write_json(exported / mandatory, list(LABELS) if mandatory == "labels.json" else {"schema": 1})
    challenger = model(right, name)
    reports = {}
    for precision, report in challenger.variants.items():
        path = exported / variant_file(precision)
        path.write_bytes(f"{name} {precision}".encode())
        reports[precision] = replace(report, sha256=digest_file(path))
    judged = evaluation(replace(challenger, variants=reports), champion)
    write_json(evaluated / EVALUATION_FILE, judged)
    (evaluated / GOLDEN_FILE).write_text(json.dumps({"schema": 1, "variants": {}}), encoding="utf-8")
    return judged
