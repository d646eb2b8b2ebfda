"""What a training leaves behind, for a life that is played without training: a package to be, evaluated."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from evaluations import DATA_VERSION, LABELS, evaluation, model
from model_packages import make_unsealed

from mlops.context import Context
from mlops.evaluation import Evaluation
from mlops.loading import read_json, write_json
from mlops.registration import Submission
from modelpackage import digest_file


def trained(
    folder: Path, number: int, dev: Context, frame_size: int | None = None, right: int | None = None
) -> Submission:
    """Write the model of the training of that number, evaluated beside dev's champion.

    It is `right` percent of the time right; where nothing says how often, more often than those before.
    """
    make_unsealed(folder, version_bias=number / 10, classes=LABELS, frame_size=frame_size)
    versions, champion = dev.registry.versions(dev.stage.model), None
    if versions:
        served = versions[max(versions)]
        stored = read_json(Evaluation, dev.package(served.version) / "evaluation.json").challenger
        champion = replace(stored, version=served.version, release_digest=served.digest)
    made = model(right or 90 + number, f"model{number}")
    files = {name: digest_file(folder / f"model_{name}.onnx") for name in made.variants}
    variants = {name: replace(report, sha256=files[name]) for name, report in made.variants.items()}
    write_json(folder / "evaluation.json", asdict(evaluation(replace(made, variants=variants), champion)))
    return Submission(folder, folder, DATA_VERSION, "c0ffee", folder.with_suffix(".out"))
