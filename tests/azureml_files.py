"""A small repository of Azure ML files, one of each kind, right in all its parts; tests make one thing wrong."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from frozen_stages import FROZEN

from mlops.lint.checking import check
from mlops.lint.finding import Finding
from mlops.ports import Validator

SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
FOLDERS = ("src", "model", "environments/train", "environments/serve")
EMPTY = ("src/train.py", "src/score.py", "environments/train/Dockerfile", "environments/serve/conda.yml")
# File -> its kind and its text, less the $schema. Blocks and flows, quoted and plain: as people write them.
FILES = {
    "components/train.yml": (
        "commandComponent",
        """
type: command
name: train
version: "1"
inputs:
  data: {type: uri_folder}
  epochs: {type: integer, min: 1, default: 3}
  network: {type: string, enum: [cnn, vit], default: cnn}
  rate: {type: number, optional: true}
outputs:
  model: {type: uri_folder}
code: ../src
environment: azureml:visionline-train:1
distribution: {type: pytorch, process_count_per_instance: 2}
resources: {instance_count: 1, shm_size: 2g}
command: >-
  python train.py
  --data ${{inputs.data}}
  --epochs ${{inputs.epochs}}
  --network ${{inputs.network}}
  $[[--rate ${{inputs.rate}}]]
  --out ${{outputs.model}}
""",
    ),
    "pipeline.yml": (
        "pipelineJob",
        """
type: pipeline
settings:
  default_compute: azureml:cpu-cluster
inputs:
  raw: {type: uri_folder, path: "azureml:raw:1", mode: ro_mount}
  epochs: 3
outputs:
  model: {type: uri_folder}
jobs:
  train:
    type: command
    component: components/train.yml
    compute: azureml:gpu-cluster
    inputs:
      data: ${{parent.inputs.raw}}
      epochs: ${{parent.inputs.epochs}}
    outputs:
      model: ${{parent.outputs.model}}
    resources: {instance_count: 2, shm_size: 2g}
    distribution: {type: pytorch, process_count_per_instance: 1}
    limits: {timeout: 60}
    environment_variables: {NCCL_DEBUG: WARN}
  list:
    type: command
    command: ls ${{inputs.model}} > ${{outputs.names}}
    environment: azureml:visionline-train:1
    inputs:
      model: {type: uri_folder, path: "${{parent.jobs.train.outputs.model}}", mode: download}
    outputs:
      names: {type: uri_folder, mode: upload}
""",
    ),
    "component-of-steps.yml": (
        "pipelineComponent",
        """
type: pipeline
name: steps
version: "1"
inputs: {raw: {type: uri_folder}}
outputs: {model: {type: uri_folder}}
jobs:
  train:
    type: command
    component: components/train.yml
    inputs: {data: "${{parent.inputs.raw}}"}
    outputs: {model: "${{parent.outputs.model}}"}
""",
    ),
    "command.yml": (
        "commandJob",
        """
type: command
command: ls ${{inputs.data}}
inputs: {data: {type: uri_folder, path: "azureml:raw:1"}}
outputs: {out: {type: uri_folder}}
environment: azureml:visionline-train:1
compute: azureml:cpu-cluster
resources: {instance_count: 2, shm_size: 2g}
distribution: {type: pytorch, process_count_per_instance: 1}
limits: {timeout: 60}
""",
    ),
    "sweep.yml": (
        "sweepJob",
        """
type: sweep
trial:
  command: ls ${{inputs.data}} ${{search_space.rate}}
  environment: azureml:visionline-train:1
inputs: {data: {type: uri_folder, path: "azureml:raw:1"}}
compute: azureml:cpu-cluster
sampling_algorithm: random
search_space: {rate: {type: uniform, min_value: 0.1, max_value: 0.2}}
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 2, max_concurrent_trials: 1, timeout: 100}
""",
    ),
    "environment.yml": (
        "environment",
        """
name: visionline-built
version: "1"
build: {path: environments/train, dockerfile_path: Dockerfile}
""",
    ),
    "image.yml": (
        "environment",
        """
name: visionline-image
version: "1"
image: mcr.microsoft.com/azureml/minimal:1
conda_file: environments/serve/conda.yml
""",
    ),
    "data.yml": ("data", "name: raw\ntype: uri_folder\npath: src\n"),
    "model.yml": ("model", "name: fashion\ntype: custom_model\npath: model\n"),
    "compute.yml": (
        "amlCompute",
        """
name: own-cluster
type: amlcompute
size: Standard_D4s_v5
min_instances: 0
max_instances: 2
idle_time_before_scale_down: 300
identity: {type: system_assigned}
""",
    ),
    "endpoint.yml": ("managedOnlineEndpoint", "name: fashion\nauth_mode: key\ntraffic: {blue: 100}\n"),
    "kubernetes-endpoint.yml": ("kubernetesOnlineEndpoint", "name: fashion\ncompute: azureml:edge\nauth_mode: key\n"),
    "managed.yml": (
        "managedOnlineDeployment",
        """
name: blue
endpoint_name: fashion
model: azureml:fashion:1
environment: azureml:visionline-serve:1
code_configuration: {code: src, scoring_script: score.py}
instance_type: Standard_F4s_v2
instance_count: 1
request_settings: {request_timeout_ms: 5000, max_concurrent_requests_per_instance: 1}
liveness_probe: {initial_delay: 10, period: 10}
""",
    ),
    "kubernetes.yml": (
        "kubernetesOnlineDeployment",
        """
type: kubernetes
name: blue
endpoint_name: fashion
model: azureml:fashion:1
environment: azureml:visionline-serve:1
code_configuration: {code: src, scoring_script: score.py}
instance_type: cpu
instance_count: 1
resources:
  requests: {cpu: "0.5", memory: 1Gi}
  limits: {cpu: "1", memory: 2Gi}
scale_settings:
  type: target_utilization
  min_instances: 1
  max_instances: 3
  target_utilization_percentage: 70
  polling_interval: 10
""",
    ),
    "batch-endpoint.yml": ("batchEndpoint", "name: fashion-batch\ndefaults: {deployment_name: blue}\n"),
    "batch.yml": (
        "batchDeployment",
        """
name: blue
endpoint_name: fashion-batch
type: model
model: azureml:fashion:1
compute: azureml:cpu-cluster
code_configuration: {code: src, scoring_script: score.py}
environment: azureml:visionline-serve:1
resources: {instance_count: 1}
settings:
  mini_batch_size: 10
  max_concurrency_per_instance: 2
  output_action: append_row
  error_threshold: -1
  retry_settings: {max_retries: 3, timeout: 30}
""",
    ),
    "nightly.yml": (
        "schedule",
        """
name: nightly
trigger:
  type: cron
  expression: "0 3 * * *"
  time_zone: W. Europe Standard Time
  start_time: "2026-01-01T00:00:00"
create_job: ./pipeline.yml
""",
    ),
    "weekly.yml": (
        "schedule",
        """
name: weekly
trigger:
  type: recurrence
  frequency: week
  interval: 1
  schedule: {hours: [3], minutes: [0], week_days: [monday]}
create_job:
  type: pipeline
  job: ./pipeline.yml
  settings: {default_compute: azureml:cpu-cluster}
  inputs: {epochs: 3}
""",
    ),
}


@dataclass(frozen=True)
class Place:
    """A folder that holds such a repository."""

    folder: Path

    def findings(self, validator: Validator | None = None) -> list[Finding]:
        """Return all that lint finds, by its own rules or with the SDK's."""
        return list(check(self.folder, validator).findings)

    def refusal(self, file: str, says: str) -> Finding:
        """Return the finding in a file that says so. There is one; and it says what to do after what is wrong."""
        (one,) = [one for one in self.findings() if one.file == file and says in one.text]
        assert "\n" not in str(one) and one.text.count(": ") >= 1, one
        return one

    def change(self, file: str, *keys: str, value: Any) -> None:
        """Set one key of a file; None takes it away."""
        path = self.folder / file
        content = yaml.safe_load(path.read_text())
        inner = content
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        if value is None:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def replace(self, file: str, old: str, new: str) -> None:
        """Change the text of a file, where it stands once."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, text
        path.write_text(text.replace(old, new))

    def line(self, file: str, text: str) -> int:
        """Return the first line of a file that holds a text."""
        lines = (self.folder / file).read_text().splitlines()
        return next(number for number, line in enumerate(lines, start=1) if text in line)


def make_staged_place(folder: Path) -> Place:
    """Write the repository with the template's stage files, so that clusters are known."""
    shutil.copytree(FROZEN, folder / "mlops" / "stages")
    return make_place(folder)


def make_place(folder: Path) -> Place:
    """Write the repository, without stage files: reading those takes longer than all the rest."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    for name in EMPTY:
        (folder / name).touch()
    for name, (kind, text) in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"$schema: {SCHEMA.format(kind)}\n{text.lstrip()}")
    return Place(folder)
