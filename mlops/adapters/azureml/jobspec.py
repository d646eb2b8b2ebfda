"""What a pipeline job file becomes for a run on Azure ML: its inputs' values, and what the stage file says of compute.

Azure ML pipelines know no optional input, so one without a value goes, and with it what is bound to it. All that can be
wrong with the inputs is found here, before anything is sent. It is pure but for reading files, and knows no SDK.

Source: learn.microsoft.com, "CLI (v2) pipeline job YAML schema".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import ConfigError
from mlops.jobfile.bindings import FromInput, parse_binding
from mlops.jobfile.literals import LITERALS, ComponentInput, literal_text
from mlops.loading import build, read_mapping
from mlops.places import Training

FOLDER = "uri_folder"
ASSET = "azureml:"
WAY_OUT = "name a file that exists"
# A node that is taken away leaves what it wrote, and the step finds it there when it is started again.
OUTPUT_MODE = "rw_mount"


@dataclass(frozen=True)
class JobFile:
    """A pipeline job file as it is written, and the component file of each of its steps."""

    path: Path
    content: dict[str, Any]
    components: dict[str, dict[str, Any]]

    @property
    def distributed(self) -> list[str]:
        """Return the steps that train on several processes."""
        return [step for step, one in self.components.items() if one.get("distribution")]

    def declared(self, step: str, name: str) -> ComponentInput | None:
        """Return what a step's component declares of an input, None where it declares no such input."""
        written = self.components[step].get("inputs", {}).get(name)
        where = f"{self.path}: jobs.{step}: component: inputs.{name}"
        return None if written is None else build(ComponentInput, written, where)


def read_job_file(path: Path) -> JobFile:
    """Read a job file and its components. Raises ConfigError where one is absent or no mapping."""
    content = read_mapping(path, WAY_OUT)
    components = {
        step: read_mapping(path.parent / node["component"], WAY_OUT) for step, node in content["jobs"].items()
    }
    return JobFile(path, content, components)


def job_spec(file: JobFile, training: Training, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the job as it is to run, in the job file's own words.

    Raises ConfigError where an input is unknown, of another type, or absent though a step needs it.
    """
    values = _values(file, given)
    return {
        **file.content,
        "inputs": {name: _input(file, name, value) for name, value in values.items()},
        "outputs": {name: {**one, "mode": OUTPUT_MODE} for name, one in file.content.get("outputs", {}).items()},
        "settings": {**file.content.get("settings", {}), "default_compute": f"{ASSET}{training.default_cluster}"},
        "jobs": {step: _node(file, step, training, values) for step in file.components},
    }


def _values(file: JobFile, given: Mapping[str, str]) -> dict[str, str]:
    """Return the inputs that have a value; an empty string is none."""
    written = file.content.get("inputs", {})
    for name in given:
        if name not in written:
            raise ConfigError(f"{file.path}: inputs.{name}: is no input of this job: it has {', '.join(written)}")
    values = {name: given.get(name, "" if isinstance(one, dict) else str(one)) for name, one in written.items()}
    return {name: value for name, value in values.items() if value}


def _input(file: JobFile, name: str, value: str) -> Any:
    written = file.content["inputs"][name]
    if not isinstance(written, dict):
        return value
    if not value.startswith(ASSET) and not Path(value).is_dir():
        raise ConfigError(f"{file.path}: inputs.{name}: '{value}' is neither a data asset nor a folder: give one")
    return {**written, "path": value if value.startswith(ASSET) else str(Path(value).resolve())}


def _node(file: JobFile, step: str, training: Training, values: Mapping[str, str]) -> dict[str, Any]:
    node = file.content["jobs"][step]
    bound = {**node, "inputs": dict(_bound(file, step, values))}
    if step not in file.distributed:
        return bound
    return {
        **bound,
        "compute": f"{ASSET}{training.cluster}",
        "distribution": {
            **file.components[step]["distribution"],
            "process_count_per_instance": training.processes_per_node,
        },
        "resources": {"instance_count": training.nodes, "shm_size": training.shm_size},
        "environment_variables": {**node.get("environment_variables", {}), **training.variables},
    }


def _bound(file: JobFile, step: str, values: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield a step's inputs that have a value; an input of the job that has none leaves the step's out."""
    for name, value in file.content["jobs"][step].get("inputs", {}).items():
        where = f"{file.path}: jobs.{step}.inputs.{name}"
        declared, binding = file.declared(step, name), parse_binding(value, where)
        if declared is None:
            raise ConfigError(f"{where}: the component declares no such input")
        if isinstance(binding, FromInput) and binding.name not in values:
            _expect_optional(declared, f"{file.path}: inputs.{binding.name}", step)
            continue
        if isinstance(binding, FromInput) and declared.type in LITERALS:
            literal_text(declared, values[binding.name], f"{file.path}: inputs.{binding.name}")
        yield name, value


def _expect_optional(declared: ComponentInput, where: str, step: str) -> None:
    if not declared.optional and declared.default is None:
        raise ConfigError(f"{where}: has no value, and step '{step}' needs it: give one")
