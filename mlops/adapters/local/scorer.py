"""Scorer on this machine: the batch scoring script of Azure ML, in a process of its own, over a folder.

The rows, their order and what is said of a bad file are those of a batch endpoint.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlops.config import REPOSITORY, Stage
from mlops.errors import ConfigError, JobError
from mlops.manifest import manifest_of
from mlops.ports import Deployment, ScoredFile
from mlops.records import DataRecord
from mlops.scored import read_rows


@dataclass(frozen=True)
class LocalScorer:
    """Scores folders; `size` is how many files a call of the script gets."""

    size: int

    def score(self, deployment: Deployment, data: DataRecord) -> list[ScoredFile]:
        """Score each file of a data version in the local store. Raises JobError with the script's last line."""
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "rows.jsonl"
            flags = [data.path, "--out", str(out), "--mini-batch-size", str(self.size)]
            command = [sys.executable, "-m", "serving.azureml.folder", *flags]
            done = subprocess.run(command, env=_environment(deployment), capture_output=True, text=True, check=False)
            if done.returncode:
                said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
                raise JobError(f"{data.name} {data.version}: the scoring script failed: {said[-1]}")
            names = manifest_of(Path(data.path)).files
            return read_rows(out.read_bytes(), f"{data.name} {data.version}", names, deployment)


def open_scorer(stage: Stage) -> LocalScorer:
    """Return the scorer of a stage. Raises ConfigError where the stage's data versions are not on this machine."""
    if stage.platform != "local":
        where = f"mlops/stages/{stage.name}.yaml: target: '{stage.target}' scores files on this machine"
        wrong = f"data versions are where platform {stage.platform} keeps them"
        raise ConfigError(f"{where}, and {wrong}: score for a stage whose target is azureml-batch")
    return LocalScorer(stage.azureml.batch.mini_batch_size)


def _environment(deployment: Deployment) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "src"),
        "OMP_NUM_THREADS": "1",
        "AZUREML_MODEL_DIR": str(deployment.package),
        "VISIONLINE_VERSION": str(deployment.version),
        "VISIONLINE_DIGEST": deployment.digest,
        "VISIONLINE_VARIANT": deployment.variant,
    }
