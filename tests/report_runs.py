"""A run of the demo as its steps, clients and stream leave it: three models, a failed canary, a rollback. Made up."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from mlops.demo.acts import life
from mlops.loading import write_json
from mlops.evaluation import Evaluation, ModelReport, Parity, TestSet, VariantReport
from mlops.records import (
    DataRecord,
    DeployRecord,
    JobStep,
    PromoteRecord,
    RegisterRecord,
    RollbackRecord,
    RuleResult,
    TrafficEvent,
    TrainRecord,
    Verdict,
    VerifyRecord,
    write_record,
)
from modelpackage import digest_bytes

LABELS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
DATA_VERSION = "5f1c09a7b3d2e846"
COMMIT = "0c4d1f7e9a3b5c2d8e6f1a2b3c4d5e6f7a8b9c0d"
STARTED = 1_790_000_000.0
RECALLS = {
    1: (0.80, 0.96, 0.78, 0.88, 0.80, 0.955, 0.55, 0.93, 0.96, 0.94),
    2: (0.86, 0.98, 0.87, 0.92, 0.87, 0.978, 0.74, 0.965, 0.981, 0.962),
    3: (0.861, 0.979, 0.866, 0.921, 0.868, 0.979, 0.742, 0.964, 0.98, 0.963),
}
LOOKALIKES = {0: 6, 2: 4, 3: 0, 4: 2, 5: 7, 6: 0, 7: 9, 9: 7}
SECONDS = {"data": 0.9, "train": 31.0, "deploy": 1.6, "promote": 0.7, "roll": 0.9, "verify": 0.6, "make": 4.1}
JOB = {"prepare": 4.2, "train": 19.8, "export": 5.1, "evaluate": 6.3, "register": 1.9}
CLIENTS_START, CLIENTS_STOP = 44.0, 150.0  # seconds since the start
RELEASES = {2: ((88.0, 10), (90.6, 50), (93.2, 100)), 3: ((136.0, 10),)}
ROLLED_BACK = 144.0
CARD = """# Model card: fashion

## Details

- Served variant: int8, of which the rest
  stands on a second line

| rule | reason |
| --- | --- |
| floor | `0.9` or more, a \\| b |
"""


def digest(name: str) -> str:
    """Return a digest that belongs to a name."""
    return digest_bytes(name.encode())


def confusion(recalls: Sequence[float], count: int = 1000) -> tuple[tuple[int, ...], ...]:
    """Return a matrix with these recalls, where two thirds of the mistakes go to the class that looks alike."""
    rows = []
    for label, recall in enumerate(recalls):
        row = [0] * len(recalls)
        row[label] = round(recall * count)
        wrong = count - row[label]
        row[LOOKALIKES.get(label, (label + 1) % len(recalls))] += wrong - wrong // 3
        for index in range(wrong // 3):
            row[[other for other in range(len(recalls)) if other != label][index % (len(recalls) - 1)]] += 1
        rows.append(tuple(row))
    return tuple(rows)


def variant(version: int, name: str) -> VariantReport:
    """Return a variant's report; int8 is a little worse, a quarter of the size, twice as fast."""
    is_int8 = name == "int8"
    recalls = [recall - 0.002 * (index % 3 == 0) * is_int8 for index, recall in enumerate(RECALLS[version])]
    matrix = confusion(recalls)
    share = sum(row[index] for index, row in enumerate(matrix)) / sum(map(sum, matrix))
    half = 1.96 * math.sqrt(share * (1 - share) / 10_000)
    falls = {"blur": 0.12, "dark": 0.05, "low_resolution": 0.16, "noise": 0.09, "shifted": 0.04}
    return VariantReport(
        sha256=digest(f"model {version} {name}"),
        precision=name,
        bytes=39_412 if is_int8 else 118_930,
        accuracy=share,
        accuracy_interval=(share - half, share + half),
        per_class={label: row[index] / sum(row) for index, (label, row) in enumerate(zip(LABELS, matrix, strict=True))},
        confusion=matrix,
        calibration_error=0.011,
        slices={part: share - fall + 0.008 * (version == 1) for part, fall in falls.items()},
        latency_ms_p50=0.121 if is_int8 else 0.234,
        latency_ms_p95=0.163 if is_int8 else 0.301,
        memory_mb=14.2 if is_int8 else 18.9,
    )


def model(version: int, number: int | None, labels: tuple[str, ...] = LABELS) -> ModelReport:
    """Return a model's report; `number` is its version, None for a challenger."""
    variants = {name: variant(version, name) for name in ("fp32", "int8")}
    parity = {
        "fp32": Parity(2.4e-6, 1.0, 0.0, {label: 0.0 for label in labels}),
        "int8": Parity(0.61, 0.9893, -0.0008, {label: -0.001 for label in labels}),
    }
    sealed = None if number is None else digest(f"package {version}")
    return ModelReport(number, sealed, digest(f"checkpoint {version}"), labels, variants, parity)


def evaluation(version: int, champion: int | None) -> Evaluation:
    """Return the evaluation of a version against an older one."""
    test_set = TestSet(digest("test set"), 10_000, DATA_VERSION)
    return Evaluation(test_set, "cpu", model(version, None), model(champion, champion) if champion else None)


def passed(*rules: str) -> Verdict:
    """Return a verdict under which every rule passes."""
    results = tuple(RuleResult(rule, "promote", f"{rule.replace('_', ' ')} is within its limit") for rule in rules)
    return Verdict("promote", f"all {len(rules)} rules pass", results)


QUALITY = passed(
    "complete", "finite", "test_set", "labels", "floor", "regression", "class_regression", "parity", "size"
)
LIVE = "live: 2 of 3 live requests failed (limit 0.0%)"
FAILED = Verdict(
    "reject", LIVE, (*passed("digest", "golden").rules, RuleResult("live", "reject", LIVE.removeprefix("live: ")))
)


def write_demo(folder: Path, requests: int = 8000) -> Path:
    """Write a whole demo's run and return its folder."""
    for version in (1, 2, 3):
        write_model(folder / f"v{version}", version, version - 1 or None)
    write_record(folder, "rollback.production", RollbackRecord("production", 2, 1, "demo: v2 is not wanted", 0.412))
    write_record(folder, "verify.production", VerifyRecord("production", 1, passed("digest", "golden", "probes")))
    titles = [act.title for act in life(folder.name)]
    steps = {title: SECONDS.get(title.split()[0], 0.8) + 0.01 * index for index, title in enumerate(titles)}
    figures = {"started": STARTED, "steps": steps, "wall_seconds": sum(steps.values())}
    write_json(folder / "demo.json", {**figures, "model_version": 1, "data_version": DATA_VERSION})
    write_load(folder, requests)
    write_stream(folder / "stream")
    return folder


def write_model(run: Path, version: int, champion: int | None) -> Evaluation:
    """Write the records of one model, from data to production, and the package that registration sealed."""
    package = run / "outputs" / "package"
    judged = evaluation(version, champion)
    write_json(package / "evaluation.json", judged)
    (package / "MODEL_CARD.md").write_text(CARD)
    write_record(run, "data", DataRecord("fashion-mnist", DATA_VERSION, "/data"))
    steps = {
        name: JobStep("reused" if name == "prepare" and version > 1 else "completed", seconds, "log")
        for name, seconds in JOB.items()
    }
    write_record(run, "train", TrainRecord("job", DATA_VERSION, champion, steps, {"registration": str(package.parent)}))
    sealed = digest(f"package {version}")
    write_record(run, "register", RegisterRecord("fashion-classifier", version, sealed, DATA_VERSION, COMMIT, QUALITY))
    for stage in ("qa", "production"):
        write_record(run, f"promote.{stage}", PromoteRecord(stage, version, sealed, champion, QUALITY))
    for stage in ("dev", "qa", "production"):
        write_record(run, f"deploy.{stage}", deployment(stage, version, champion))
    return judged


def deployment(stage: str, version: int, before: int | None) -> DeployRecord:
    """Return a release; to production it goes through a canary, which version 3 does not survive."""
    served = passed("digest", "golden", "probes", "latency", "live")
    if stage != "production" or version not in RELEASES:
        events = (TrafficEvent(STARTED + 20.0 * version, {str(version): 100}, f"100 % to version {version}"),)
        return DeployRecord(stage, "served", version, before, digest(f"package {version}"), events, served, 1.2)
    moves = [
        TrafficEvent(STARTED + at, {str(before): 100 - share, str(version): share}, f"{share} % to version {version}")
        for at, share in RELEASES[version]
    ]
    if version < 3:
        return DeployRecord(stage, "served", version, before, digest(f"package {version}"), tuple(moves), served, 8.4)
    back = TrafficEvent(moves[-1].time + 0.4, {str(before): 100}, f"traffic back to {before}: {LIVE}")
    return DeployRecord(stage, "reverted", before, before, None, (*moves, back), FAILED, 2.1)


def share_of(version: int, at: float) -> float:
    """Return the share of the traffic that a version had at a time, in seconds since the start."""
    if version == 3:
        return 0.1 if 136.0 <= at < 136.4 else 0.0
    newer = 0.0 if at >= ROLLED_BACK else max([0.0, *(share / 100 for time, share in RELEASES[2] if time <= at)])
    return newer if version == 2 else 1.0 - newer


def asked(requests: int) -> Iterator[dict[str, object]]:
    """Yield what the clients wrote down, a request at a time."""
    random = Random(7)
    for index in range(requests):
        at = CLIENTS_START + (CLIENTS_STOP - CLIENTS_START) * index / requests
        chosen = 2 if random.random() < share_of(2, at) else 1
        version = 3 if random.random() < share_of(3, at) else chosen
        yield {"t": STARTED + at, "ms": 3.0 + random.random(), "status": 200, "version": version}


def write_load(folder: Path, requests: int) -> None:
    """Write load.jsonl and load.json."""
    lines = list(asked(requests))
    (folder / "load.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    versions = {str(v): sum(line["version"] == v for line in lines) for v in (1, 2, 3)}
    figures = {"requests_total": requests, "requests_failed": 0, "versions": versions}
    write_json(folder / "load.json", {**figures, "ms_p50": 3.48, "ms_p99": 9.7})


def write_stream(folder: Path) -> None:
    """Write what a scored video leaves: ten items of 18 frames each, the shirt taken for a T-shirt at first."""
    predictions = []
    for frame in range(250):
        item, phase = divmod(frame, 25)
        truth = LABELS[item] if phase >= 7 else None
        wrong = truth == "Shirt" and phase < 15
        label = "T-shirt/top" if wrong or truth is None else truth
        predictions.append({"frame": frame, "label": label, "score": 0.61 if wrong else 0.97, "truth": truth})
    judged = [one for one in predictions if one["truth"]]
    right = sum(one["label"] == one["truth"] for one in judged) / len(judged)
    (folder / "frames").mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in predictions))
    for frame in range(12, 250, 30):
        (folder / "frames" / f"{frame:04}.jpg").write_bytes(picture(frame))
    figures = {"frames": 250, "scored": 250, "accuracy": right, "items": 10, "item_accuracy": 1.0, "fps": 812.4}
    served = {"digest": digest("package 2"), "variant": "int8"}
    ages = {"streams": 9, "age_ms_p99": 11.2, "age_bound_ms": 80.0, "shed": {"stale": 3, "overload": 0}}
    load = {**ages, "capacity_fps": 1022.4, "busy": 0.23}
    write_json(folder / "stream.json", {**figures, "ms_p50": 0.254, "ms_p95": 0.322, **served, **load})


def picture(frame: int) -> bytes:
    """Return a small JPEG with a box on it."""
    image = Image.new("RGB", (320, 180), (60 + frame // 4, 70, 90))
    ImageDraw.Draw(image).rectangle((110, 40, 210, 140), outline=(46, 204, 113), width=3)
    buffer = BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()
