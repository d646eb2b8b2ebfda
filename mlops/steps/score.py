"""Score the files of a data version by the version that a stage serves: by its batch endpoint, or on this machine."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

from mlops.context import Context
from mlops.errors import RegistryError, TargetError
from mlops.loading import write_text
from mlops.names import stage_record
from mlops.policy import exit_code
from mlops.ports import Deployment, ScoredFile
from mlops.records import DataRecord, ModelVersion, ScoreRecord, Verdict, read_record, write_record
from mlops.scored import rows_text

ANY = -1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which data to score."""
    what = "a version of the stage's data set, or of another as NAME/VERSION (default: the run's own)"
    parser.add_argument("--data", metavar="VERSION", help=what)


def run(context: Context, options: argparse.Namespace) -> int:
    """Score, say what came of it, and exit by the verdict on the files that failed."""
    record = score(context, options.data)
    context.report(f"{record.stage}: {record.verdict.reason}: see {record.rows}")
    return exit_code(record.verdict)


def score(context: Context, version: str | None = None) -> ScoreRecord:
    """Score each file of a data version and record it. Raises TargetError where nothing is served to do it with.

    ConfigError where the stage's target scores no files, JobError where the version's own script fails.
    """
    started, stage = time.time(), context.stage
    scorer, served = context.scorer, _served(context)
    data = _fetched(context, version) if version else read_record(context.run, "data", DataRecord)
    package = context.package(served.version)
    deployment = Deployment(stage.model, served.version, served.digest, package, stage.release.variant)
    rows = scorer.score(deployment, data)
    path = context.run / f"predictions.{stage.name}.jsonl"
    write_text(path, rows_text(rows))
    labels = Counter(row.label for row in rows if row.label is not None)
    record = ScoreRecord(
        stage=stage.name,
        version=served.version,
        digest=served.digest,
        data=data,
        files=len(rows),
        failed=len(rows) - labels.total(),
        labels=dict(labels),
        rows=str(path),
        verdict=judge(rows, served.version, data, stage.azureml.batch.max_failed),
        seconds=time.time() - started,
    )
    write_record(context.run, stage_record("score", stage.name), record)
    return record


def judge(rows: Sequence[ScoredFile], version: int, data: DataRecord, most: int) -> Verdict:
    """Judge how many files could not be scored: at most `most`, -1 for any number, but never all."""
    failed = [row for row in rows if row.error is not None]
    said = f"version {version} scored {len(rows) - len(failed)} of {len(rows)} files of {data.name} {data.version}"
    if failed:
        said = f"{said}; {failed[0].file}: {failed[0].error}"
    too_many = len(failed) == len(rows) or ANY != most < len(failed)
    return Verdict("reject" if too_many else "promote", said)


def _fetched(context: Context, version: str) -> DataRecord:
    name, _, number = version.rpartition("/")
    return context.data.fetch(name or context.stage.data.name, number)


def _served(context: Context) -> ModelVersion:
    traffic = context.target.status().traffic
    if not traffic:
        raise TargetError(f"{context.stage.name}: serves nothing: run `deploy --stage {context.stage.name}` first")
    number = max(traffic, key=lambda version: (traffic[version], version))
    found = context.registry.versions(context.stage.model).get(number)
    if found is None:
        raise RegistryError(f"{context.stage.name}: version {number}, which serves, is not in the registry")
    return found
