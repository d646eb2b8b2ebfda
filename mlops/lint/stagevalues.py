"""What the values of a stage file can't be, though they are of the right type. It knows no file and no line.

Sources: learn.microsoft.com, "Naming rules and restrictions for Azure resources" (workspaces and registries, resource
groups) and "CLI (v2) model YAML schema".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.jobfile.triggers import check_cron, check_time_zone
from mlops.lint.finding import refusals
from mlops.lint.resources import is_shm_size, too_small
from mlops.loading import read_yaml
from mlops.names import JOB_FILE

LEAST = {
    "azureml.clusters.*.min_nodes": 0,
    "azureml.clusters.*.max_nodes": 1,
    "azureml.clusters.*.idle_seconds": 1,
    "azureml.training.nodes": 1,
    "azureml.training.processes_per_node": 1,
    "azureml.online.instances": 1,
    "azureml.batch.nodes": 1,
    "azureml.batch.mini_batch_size": 1,
    "azureml.batch.max_failed": -1,
    "local.workers": 1,
    "train.epochs": 1,
    "release.verify.requests": 1,
    "release.verify.bake_seconds": 0,
}
TIMES = {"azureml.retraining.cron": check_cron, "azureml.retraining.time_zone": check_time_zone}
SHM_SIZE = "azureml.training.shm_size"
PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,32}"), "letters, digits, _ and -, no more than 33"
NAMES = {
    "model": (re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"), "letters, digits, ., _ and -, no more than 255"),
    "azureml.workspace": PLACE,
    "azureml.registry": PLACE,
    "azureml.resource_group": (
        re.compile(r"[\w().-]{0,89}[\w()-]"),
        "letters, digits, ., _, - and brackets, 90 at most",
    ),
}

Wrong = tuple[tuple[str, ...], str]


def wrong_values(content: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield for each value of a stage file, or of a whole stage, that can't be its keys and a line that says so."""
    for keys, value in _leaves((), content):
        dotted = ".".join(keys)
        least = next((least for pattern, least in LEAST.items() if fnmatchcase(dotted, pattern)), None)
        if least is not None and too_small(value, least):
            yield keys, f"{dotted}: is {value}: write {least} or more"
        if dotted in TIMES and value is not None:
            where = dotted.rpartition(".")[0]
            yield from ((keys, one) for one in refusals(TIMES[dotted], str(value), where))
        if dotted == SHM_SIZE and not is_shm_size(value):
            yield keys, f"{dotted}: '{value}' is no size: write a number with b, k, m or g, as 8g"
        if dotted in NAMES and value and not NAMES[dotted][0].fullmatch(str(value)):
            yield keys, f"{dotted}: '{value}' is no name: write {NAMES[dotted][1]}"


def contradictions(stage: Stage, inputs: Collection[str] | None) -> Iterator[Wrong]:
    """Yield what of a stage contradicts the rest, as wrong_values; `inputs`: the training job's, None: unknown."""
    azure, parity = stage.azureml, stage.gates.parity
    if stage.release.variant not in parity:
        wrong = f"'{stage.release.variant}' has no limits under gates.parity: write one of {', '.join(parity)}"
        yield ("release", "variant"), f"release.variant: {wrong}"
    if wrong_steps := [step for step in stage.release.traffic_steps if not 0 < step <= 100]:
        text = f"release.traffic_steps: {wrong_steps[0]} is no percent of the traffic: write 1 to 100"
        yield ("release", "traffic_steps"), text
    for name, cluster in azure.clusters.items():
        if cluster.min_nodes > cluster.max_nodes:
            wrong = f"is {cluster.min_nodes}, and max_nodes {cluster.max_nodes}: raise that, or take fewer"
            yield ("azureml", "clusters", name, "min_nodes"), f"azureml.clusters.{name}.min_nodes: {wrong}"
    if stage.target == "azureml-online" and not azure.online.instance_type:
        text = "azureml.online.instance_type: is empty: write a size, as Standard_F4s_v2"
        yield ("azureml", "online", "instance_type"), text
    if inputs is not None:
        wrong = f"is no input of {JOB_FILE}: its inputs are {', '.join(inputs)}"
        yield from ((("train", key), f"train.{key}: {wrong}") for key in stage.train if key not in inputs)


def all_wrong(stage: Stage, root: Path) -> Iterator[str]:
    """Yield a line for each value of a stage of a repository that can't be, or contradicts the rest."""
    for _, text in (*wrong_values(asdict(stage)), *contradictions(stage, job_inputs(root))):
        yield text


def job_inputs(root: Path) -> tuple[str, ...] | None:
    """Return the names of the training job's inputs, None where a repository has no such job that can be read."""
    try:
        content = read_yaml(root / JOB_FILE, "restore it from the template")
    except ConfigError:
        return None
    inputs = content.get("inputs") if isinstance(content, dict) else None
    return tuple(map(str, inputs)) if isinstance(inputs, dict) else None


def _leaves(keys: tuple[str, ...], content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves((*keys, key), value)
        else:
            yield (*keys, key), value
