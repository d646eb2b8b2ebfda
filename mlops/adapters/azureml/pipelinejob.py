"""A pipeline job file as azure-ai-ml's job, with what it needs in the workspace: its clusters and its environments."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from mlops.adapters.azureml.computes import ensure_cluster
from mlops.adapters.azureml.environments import ensure_environment
from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.jobspec import JobFile, job_spec, read_job_file
from mlops.config import REPOSITORY, STAGES_FOLDER, Stage, stages_folder
from mlops.errors import ConfigError
from mlops.names import STAGES
from mlops.snapshot import take_snapshot

if TYPE_CHECKING:
    from azure.ai.ml.entities import PipelineJob

TAG_STAGE, TAG_MODEL = "stage", "model"  # of a job: whose it is; several models may share a workspace
RUNTIME = re.compile(r"azureml:visionline-([a-z][a-z0-9-]*):\d+")


def pipeline_job(stage: Stage, job_file: Path, inputs: Mapping[str, str]) -> PipelineJob:
    """Return the job, ready to be submitted or scheduled; its clusters and environments are in the workspace then.

    Raises ConfigError where files or inputs are wrong, before anything is sent; StepError where Azure refuses.
    """
    file = read_job_file(job_file)
    spec = job_spec(file, stage.azureml.training, inputs)
    runtimes = {step: _runtime(file, step) for step in file.components}
    from azure.ai.ml import load_job

    for cluster in _clusters(stage, file):
        ensure_cluster(stage, cluster)
    made = {
        one: ensure_environment(stage, one, REPOSITORY / "environments" / one)
        for one in dict.fromkeys(runtimes.values())
    }
    with explained(str(job_file), ConfigError):
        job = cast("PipelineJob", load_job(io.StringIO(yaml.safe_dump(spec)), relative_origin=str(job_file)))
    for step, runtime in runtimes.items():
        # On a step Azure ML takes no environment in place of its component's, so the component gets it.
        job.jobs[step].component.environment = made[runtime]
    job.tags = {**(job.tags or {}), **own_tags(stage)}
    return job


def own_tags(stage: Stage) -> dict[str, str]:
    """Return the tags that a job bears which this stage of this model started."""
    return {TAG_STAGE: stage.name, TAG_MODEL: stage.model}


@contextmanager
def snapshots(job: Any) -> Iterator[None]:
    """Let the steps upload a copy of their code, which is read here, with the stage files that this process reads.

    The SDK, left to itself, looks at each file below the folder, those of a virtual environment too, for minutes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copies: dict[Path, Path] = {}
        for node in job.jobs.values():
            code = (Path(node.component.base_path) / str(node.component.code)).resolve()
            if code not in copies:
                copies[code] = Path(scratch) / str(len(copies)) / "code"
                take_snapshot(code).write(copies[code])
                _lay_stages(code, copies[code])
            node.component.code = str(copies[code])
        yield


def _lay_stages(code: Path, copy: Path) -> None:
    # A node has no VISIONLINE_STAGES and reads mlops/stages: as cloned that is a registry on the node itself.
    if not STAGES_FOLDER.is_relative_to(code):
        return
    place = copy / STAGES_FOLDER.relative_to(code)
    place.mkdir(parents=True, exist_ok=True)
    for name in ("base", *STAGES):
        named = stages_folder() / f"{name}.yaml"
        if named.exists():
            (place / named.name).write_bytes(named.read_bytes())


def _clusters(stage: Stage, file: JobFile) -> list[str]:
    training = stage.azureml.training
    return sorted({training.default_cluster} | ({training.cluster} if file.distributed else set()))


def _runtime(file: JobFile, step: str) -> str:
    written = str(file.components[step].get("environment"))
    found = RUNTIME.fullmatch(written)
    if found is None:
        raise ConfigError(
            f"{file.path}: jobs.{step}: environment '{written}' should be azureml:visionline-<folder under "
            "environments/>:<number>, never a label"
        )
    return found[1]
