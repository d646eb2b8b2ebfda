"""Take in a model that was trained elsewhere: check and repair it, evaluate it, and register it if it passes.

vision.intake does the first, vision.evaluate the second, both on this machine; the gates are those of training. A model
that can't be taken ends with the verdict reject, its reason and a way out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from mlops.context import Context, git_commit
from mlops.errors import ConfigError
from mlops.judging import report_verdict
from mlops.loading import build, read_json, read_yaml
from mlops.names import STAGES
from mlops.policy import exit_code, single
from mlops.records import (
    DataRecord,
    IntakeRecord,
    Outcome,
    RegisterRecord,
    highest_approved,
    record_path,
    write_record,
)
from mlops.registration import Submission
from mlops.running import module_command, run_command
from mlops.steps import data, register

VERDICTS = (Outcome.PROMOTE, Outcome.REJECT)


@dataclass(frozen=True)
class EvaluationData:
    """What a contract file says under `data`: a folder to publish, or a version that was; neither: the stage's own."""

    name: str | None = None
    folder: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Evaluated:
    """The data version that a model is evaluated on, and a folder on this machine that holds its files."""

    record: DataRecord
    folder: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is handed in."""
    parser.add_argument("--model", type=Path, required=True, help="an ONNX file, or a folder that vision.train wrote")
    parser.add_argument("--contract", type=Path, required=True, help="what it expects and answers (docs/intake.md)")
    parser.add_argument("--device-class", default="cpu", help="of this machine, under gates.devices (default: cpu)")


def run(context: Context, options: argparse.Namespace) -> int:
    """Take the model in, and exit by the verdict."""
    record = intake(context, options.model.resolve(), options.contract.resolve(), options.device_class)
    report_verdict(context, record.verdict)
    context.report(f"{record.model}: version {record.version}" if record.version else "nothing was registered")
    return exit_code(record.verdict)


def intake(context: Context, model: Path, contract: Path, device_class: str) -> RegisterRecord:
    """Return and record the model's version, or the verdict that held it back. The same again keeps its version.

    Raises ConfigError on a contract that can't be read, StepError where a part of the work fails.
    """
    if context.stage.name != STAGES[0]:
        raise ConfigError(
            f"--stage {context.stage.name}: a model enters at {STAGES[0]}: take it in there, then promote"
        )
    evaluated = _data(context, contract)
    out = context.run / "intake"
    flags = ["--model", str(model), "--contract", str(contract), "--data", str(evaluated.folder), "--out", str(out)]
    run_command(module_command("vision.intake", *flags), context.report, VERDICTS)
    taken = read_json(IntakeRecord, record_path(out, "intake"))
    write_record(context.run, "intake", taken)
    version = evaluated.record.version
    if taken.refused is not None:
        return _refused(context, taken.refused, version)
    _say_what_is_missing(context, taken)
    run_command(_evaluation(context, out, version, device_class), context.report)
    submission = Submission(out / "package", out / "evaluation", version, git_commit(), context.run)
    return register.register(context, submission)


def read_data_choice(contract: Path) -> EvaluationData:
    """Return what a contract file says under `data`. Raises ConfigError, naming file and key, where it is wrong."""
    content = read_yaml(contract, "write it as docs/intake.md says")
    given = content.get("data") if isinstance(content, dict) else None
    choice = build(EvaluationData, given or {}, f"{contract}: data")
    if choice.folder and choice.version:
        raise ConfigError(f"{contract}: data: has a folder and a version: keep the one that is meant")
    return choice


def _data(context: Context, contract: Path) -> Evaluated:
    choice = read_data_choice(contract)
    name = choice.name or context.stage.data.name
    if choice.folder:
        folder = contract.parent / choice.folder
        if not folder.is_dir():
            raise ConfigError(
                f"{contract}: data: folder: {folder} is no folder: put the images there, a folder a label"
            )
        evaluated = Evaluated(context.data.publish(name, folder), folder)
    elif choice.version:
        record = context.data.fetch(name, choice.version)
        evaluated = Evaluated(record, Path(record.path))
    else:
        evaluated = Evaluated(data.publish(context), context.stage.home / "downloads" / context.stage.data.name)
    if not evaluated.folder.is_dir():
        raise ConfigError(f"{contract}: data: {name} {choice.version} is not on this machine: name its folder instead")
    write_record(context.run, "data", evaluated.record)
    context.report(f"data: {name} version {evaluated.record.version}")
    return evaluated


def _evaluation(context: Context, out: Path, data_version: str, device_class: str) -> list[str]:
    flags = ["--data", str(out / "data"), "--data-version", data_version, "--package", str(out / "package")]
    flags += ["--device-class", device_class, "--out", str(out / "evaluation")]
    champion = highest_approved(context.registry.versions(context.stage.model), context.stage.name)
    if champion is not None:
        package = context.package(champion.version)
        flags += ["--champion", str(package), "--champion-version", str(champion.version)]
    return module_command("vision.evaluate", *flags)


def _say_what_is_missing(context: Context, taken: IntakeRecord) -> None:
    """Tell before the gates do that a stage which asks for int8 will not take this model, and how one would."""
    stage = context.stage
    if taken.int8 is not None and ("int8" in stage.gates.parity or stage.release.variant == "int8"):
        way = "release.variant: fp32, and no int8 under gates.parity"
        context.report(f"stage {stage.name} asks for int8, which this model has not: a stage file for it says {way}")


def _refused(context: Context, reason: str, data_version: str) -> RegisterRecord:
    verdict = single("intake", Outcome.REJECT, reason)
    record = RegisterRecord(context.stage.model, None, None, data_version, git_commit(), verdict)
    write_record(context.run, "register", record)
    return record
