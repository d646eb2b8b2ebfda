"""Judge a new model and, if it passes, seal its package, register it and let it into the first stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from mlops.context import Context, git_commit
from mlops.errors import ConfigError
from mlops.judging import build_case, read_evaluation, read_package, report_verdict
from mlops.loading import read_json
from mlops.modelcard import CardSource
from mlops.names import APPROVED, STAGES, TAG_GIT_COMMIT
from mlops.policy import exit_code, judge, standing_of_registered
from mlops.records import (
    DataRecord,
    ModelVersion,
    Outcome,
    RegisterRecord,
    Verdict,
    read_record,
    record_path,
    stage_tag,
    write_record,
)
from mlops.registration import TAG_SOURCE, Submission, assembled, seal, source_digest, version_tags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is handed in."""
    parser.add_argument("--package", type=Path, required=True, help="folder that export wrote")
    parser.add_argument("--evaluation", type=Path, required=True, help="folder that evaluate wrote")
    parser.add_argument("--data-version", help="that the model was trained on (default: the run's)")
    parser.add_argument("--git-commit", help="that the model was made by (default: the one checked out)")
    parser.add_argument("--out", type=Path, help="folder for package/ and register.json (default: the run's)")
    parser.add_argument("--reject-ok", action="store_true", help="exit 0 on a rejection too: in a job it is no failure")


def run(context: Context, options: argparse.Namespace) -> int:
    """Register, and exit by the verdict."""
    version = options.data_version or read_record(context.run, "data", DataRecord).version
    commit, out = options.git_commit or git_commit(), options.out or context.run
    record = register(context, Submission(options.package, options.evaluation, version, commit, out))
    report_verdict(context, record.verdict)
    context.report(f"{record.model}: version {record.version}" if record.version else "nothing was registered")
    code = exit_code(record.verdict)
    return Outcome.PROMOTE if options.reject_ok and code == Outcome.REJECT else code


def register(context: Context, submission: Submission) -> RegisterRecord:
    """Return and record the model's version, or the verdict that held it back. The same again keeps its version.

    Raises ConfigError where what is handed in can't be read, RegistryError where the registry fails.
    """
    if context.stage.name != STAGES[0]:
        raise ConfigError(f"--stage {context.stage.name}: a model enters at {STAGES[0]}: register there, then promote")
    with assembled(submission) as draft:
        source = source_digest(submission, context.stage.model, draft)
        versions = context.registry.versions(context.stage.model)
        known = next((one for one in versions.values() if one.tags.get(TAG_SOURCE) == source), None)
        recorded = _recorded(submission.out, known, context.stage.name)
        if recorded:
            return recorded
        verdict = standing_of_registered(known, context.stage.name) or _judge(context, submission, draft, versions)
        version = None
        if verdict.outcome == "promote":
            version = known or _enter(context, submission, draft, verdict)
            _approve(context, version, submission.out)
    return _record(context, submission, version, verdict)


def _recorded(out: Path, known: ModelVersion | None, stage: str) -> RegisterRecord | None:
    """Return what was written here when the version was let in, so that a rerun keeps its reasons."""
    path = record_path(out, "register")
    if known is None or stage_tag(known, stage) != APPROVED or not path.exists():
        return None
    record = read_json(RegisterRecord, path)
    return record if record.digest == known.digest else None


def _judge(context: Context, submission: Submission, draft: Path, versions: dict[int, ModelVersion]) -> Verdict:
    return judge(build_case(context, read_evaluation(draft), read_package(draft), submission.data_version, versions))


def _enter(context: Context, submission: Submission, draft: Path, verdict: Verdict) -> ModelVersion:
    """Seal the draft and make it a version."""
    model, served = context.stage.model, context.stage.release.variant
    origin = (submission.git_commit, submission.data_version)
    card = CardSource(model, *origin, served, read_evaluation(draft), verdict)
    tags = version_tags(source_digest(submission, model, draft), card)
    seal(draft, card)
    return context.registry.register(model, draft, tags)


def _approve(context: Context, version: ModelVersion, out: Path) -> None:
    context.registry.download(version.model, version.version, out / "package")
    if stage_tag(version, context.stage.name) is None:
        context.registry.set_tag(version.model, version.version, context.stage.name, APPROVED)


def _record(context: Context, submission: Submission, version: ModelVersion | None, verdict: Verdict) -> RegisterRecord:
    model, data_version, commit = context.stage.model, submission.data_version, submission.git_commit
    if version is None:
        record = RegisterRecord(model, None, None, data_version, commit, verdict)
    else:
        made_by = version.tags[TAG_GIT_COMMIT]  # the commit that made it first, where another hands in the same
        record = RegisterRecord(model, version.version, version.digest, data_version, made_by, verdict)
    write_record(submission.out, "register", record)
    return record
