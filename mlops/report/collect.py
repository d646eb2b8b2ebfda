"""Reads a run's folder and its sub-runs into one value. What is not there is None or empty; it is never made up.

A run's folder holds the records of its steps; a demo's holds one such folder for each model that it made, and what its
clients and its video stream saw. A file that is there and can't be read is an error that names it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from mlops.loading import build, read_json
from mlops.names import EVALUATION_FILE, MODEL_CARD_FILE, STAGES, stage_record
from mlops.evaluation import Evaluation
from mlops.records import (
    DataRecord,
    DemoRecord,
    DeployRecord,
    PromoteRecord,
    RegisterRecord,
    RollbackRecord,
    TrainRecord,
    VerifyRecord,
    record_path,
)
from mlops.report.lines import read_lines
from mlops.report.traffic import Log, read_log

T = TypeVar("T")


@dataclass(frozen=True)
class Load:
    """load.json: what the clients asked and got, in all; latencies are those of the answered requests."""

    requests_total: int
    requests_failed: int
    versions: dict[str, int]
    ms_p50: float | None
    ms_p99: float | None


@dataclass(frozen=True)
class StreamFigures:
    """stream.json: shares in 0..1, None where no truth was known; ms a frame.

    Accuracy is the clip's; `streams` ran at once, and `fps`, the age of their results, what was shed by reason, the
    capacity and how busy the scorers were are of all of them. The age's bound is two frame intervals.
    """

    frames: int
    scored: int
    accuracy: float | None
    items: int
    item_accuracy: float | None
    fps: float
    ms_p50: float | None
    ms_p95: float | None
    digest: str
    variant: str
    streams: int
    age_ms_p99: float | None
    age_bound_ms: float | None
    shed: dict[str, int]
    capacity_fps: float | None
    busy: float


@dataclass(frozen=True)
class Prediction:
    """What was said of one frame; `truth` is None where no item was in sight."""

    frame: int
    label: str
    score: float
    truth: str | None


@dataclass(frozen=True)
class Stream:
    """A scored video: its figures, a prediction a frame, and the annotated frames by number."""

    figures: StreamFigures
    predictions: tuple[Prediction, ...]
    pictures: dict[int, Path]


@dataclass(frozen=True)
class ModelRun:
    """The records of one run's folder; those written once a stage are by stage."""

    name: str
    data: DataRecord | None
    train: TrainRecord | None
    registration: RegisterRecord | None
    evaluation: Evaluation | None
    card: str | None
    promotions: dict[str, PromoteRecord]
    deployments: dict[str, DeployRecord]
    verifications: dict[str, VerifyRecord]
    rollbacks: dict[str, RollbackRecord]

    @property
    def version(self) -> int | None:
        """Return the version that the run registered."""
        return self.registration.version if self.registration else None

    @property
    def made_a_model(self) -> bool:
        """Tell whether a model was trained, or handed in, here."""
        return self.train is not None or self.registration is not None

    @property
    def is_empty(self) -> bool:
        """Tell whether no step wrote a record here."""
        stages = (self.promotions, self.deployments, self.verifications, self.rollbacks)
        return not (self.data or self.made_a_model or any(stages))


@dataclass(frozen=True)
class Run:
    """A whole run: its own records, those of the models made in it, and what clients and stream saw."""

    name: str
    own: ModelRun
    models: tuple[ModelRun, ...]
    demo: DemoRecord | None
    load: Load | None
    log: Log | None
    stream: Stream | None

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to report on."""
        return self.own.is_empty and not (self.models or self.demo or self.load or self.log or self.stream)


def collect(folder: Path) -> Run:
    """Return what a run's folder says. Raises ConfigError where a file of it can't be read."""
    own = read_model_run(folder)
    inner = [read_model_run(child) for child in _folders(folder)]
    return Run(
        name=folder.name,
        own=own,
        models=tuple(one for one in (own, *inner) if one.made_a_model),
        demo=_optional(DemoRecord, folder / "demo.json"),
        load=_optional(Load, folder / "load.json"),
        log=read_log(folder / "load.jsonl") if (folder / "load.jsonl").exists() else None,
        stream=read_stream(folder / "stream"),
    )


def read_model_run(folder: Path) -> ModelRun:
    """Return the records of one run's folder. Raises ConfigError where one can't be read."""
    train = _optional(TrainRecord, record_path(folder, "train"))
    packages = list(_output_folders(folder, train))
    card = _first(packages, MODEL_CARD_FILE)
    return ModelRun(
        name=folder.name,
        data=_optional(DataRecord, record_path(folder, "data")),
        train=train,
        registration=_optional(RegisterRecord, record_path(folder, "register")),
        evaluation=_read_evaluation(_first(packages, EVALUATION_FILE)),
        card=card.read_text(encoding="utf-8") if card else None,
        promotions=_by_stage(PromoteRecord, folder, "promote"),
        deployments=_by_stage(DeployRecord, folder, "deploy"),
        verifications=_by_stage(VerifyRecord, folder, "verify"),
        rollbacks=_by_stage(RollbackRecord, folder, "rollback"),
    )


def read_stream(folder: Path) -> Stream | None:
    """Return what serving.stream wrote, None where it wrote nothing. Raises ConfigError where it can't be read."""
    figures = _optional(StreamFigures, folder / "stream.json")
    if figures is None:
        return None
    path = folder / "predictions.jsonl"
    lines = read_lines(path) if path.exists() else []
    predictions = tuple(build(Prediction, line, f"{path}:{number}") for number, line in enumerate(lines, start=1))
    pictures = {int(one.stem): one for one in sorted(folder.glob("frames/*.jpg")) if one.stem.isdigit()}
    return Stream(figures, predictions, pictures)


def _read_evaluation(path: Path | None) -> Evaluation | None:
    """Return an evaluation that can be drawn. One that holds NaN can't: the gates say so of it, in words."""
    if path is None:
        return None
    evaluation = read_json(Evaluation, path)
    return evaluation if all(map(math.isfinite, _numbers(asdict(evaluation)))) else None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _numbers(item)


def _output_folders(run: Path, train: TrainRecord | None) -> Iterator[Path]:
    """Yield where a sealed package or an evaluation may be, the sealed one first."""
    yield run / "package"
    outputs = train.outputs if train else {}
    if "registration" in outputs:
        yield Path(outputs["registration"]) / "package"
    if "evaluation" in outputs:
        yield Path(outputs["evaluation"])


def _first(folders: Iterable[Path], name: str) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _by_stage(cls: type[T], folder: Path, step: str) -> dict[str, T]:
    read = {stage: _optional(cls, record_path(folder, stage_record(step, stage))) for stage in STAGES}
    return {stage: record for stage, record in read.items() if record is not None}


def _optional(cls: type[T], path: Path) -> T | None:
    return read_json(cls, path) if path.exists() else None


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, v9 before v10."""
    inside = [child for child in folder.iterdir() if child.is_dir()]
    return sorted(inside, key=lambda child: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", child.name)])
