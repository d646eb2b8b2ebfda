"""What a pipeline job and its component files say, as frozen dataclasses: the part of Azure ML's YAML that runs here.

Known keys are the fields below and no others: an unknown key in a job, node, component, input, distribution or
resources is an error with the file and the key, where Azure ML's own SDK drops some of them in silence. It reads files
and knows nothing of bindings between steps (plan.py) or of processes (execution.py).

Source: Azure ML CLI v2 schemas, pipelineJob.schema.json and commandComponent.schema.json.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar


from mlops.errors import ConfigError
from mlops.jobfile.literals import ComponentInput
from mlops.jobfile.wiring import LITERAL, Signature
from mlops.loading import build, read_yaml

T = TypeVar("T")

FOLDER = "uri_folder"
LITERALS = ("string", "integer", "number")  # of which a command line is made here
ENVIRONMENT = re.compile(r"azureml:visionline-(?P<name>[a-z][a-z0-9-]*):\d+")


@dataclass(frozen=True)
class FolderOutput:
    """One output, always a folder."""

    type: str
    description: str | None = None


@dataclass(frozen=True)
class Distribution:
    """How many processes a step is, on its one node."""

    type: str
    process_count_per_instance: int


@dataclass(frozen=True)
class Resources:
    """How many nodes a step gets; this machine is one."""

    instance_count: int


@dataclass(frozen=True)
class Component:
    """A component file: one command with declared inputs and outputs."""

    type: str
    name: str
    version: str
    command: str
    environment: str
    inputs: dict[str, ComponentInput] = field(default_factory=dict)
    outputs: dict[str, FolderOutput] = field(default_factory=dict)
    code: str | None = None
    display_name: str | None = None
    description: str | None = None
    is_deterministic: bool = True
    distribution: Distribution | None = None
    resources: Resources | None = None

    @property
    def runtime(self) -> str:
        """Return the folder under environments/ that the environment reference stands for."""
        match = ENVIRONMENT.fullmatch(self.environment)
        return match["name"] if match else ""


@dataclass(frozen=True)
class Node:
    """One step of a pipeline: a component, what its inputs are bound to, and which outputs the pipeline shows."""

    type: str
    component: str
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    environment_variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FolderInput:
    """A folder that whoever starts the job gives."""

    type: str
    description: str | None = None


@dataclass(frozen=True)
class Settings:
    """Where Azure ML runs the steps; this runner ignores it."""

    default_compute: str | None = None


@dataclass(frozen=True)
class Job:
    """A pipeline job file. An input is a folder to be given, or a literal; an empty string is no value."""

    type: str
    jobs: dict[str, Node]
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, FolderOutput] = field(default_factory=dict)
    settings: Settings = Settings()
    experiment_name: str = "visionline"
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Pipeline:
    """A job file with the component of each of its nodes. `files` says where each node's component stands."""

    file: Path
    job: Job
    components: dict[str, Component]
    files: dict[str, Path]

    @property
    def signatures(self) -> dict[str, Signature]:
        """Return what each step's component declares."""
        return {step: _signature(one, self.files[step]) for step, one in self.components.items()}

    @property
    def input_types(self) -> dict[str, str]:
        """Return the type of each input of the job."""
        return {name: FOLDER if isinstance(value, dict) else LITERAL for name, value in self.job.inputs.items()}


def load_pipeline(file: Path) -> Pipeline:
    """Read a job file and its components. Raises ConfigError with the file and the key of what is unknown or wrong."""
    job = _read(Job, file)
    _expect(file, "type", job.type, ("pipeline",))
    for name, value in job.inputs.items():
        _check_job_input(f"{file}: inputs.{name}", value)
    _check_outputs(file, job.outputs)
    for name, node in job.jobs.items():
        _expect(file, f"jobs.{name}.type", node.type, ("command",))
    files = {name: (file.parent / node.component).resolve() for name, node in job.jobs.items()}
    return Pipeline(file, job, {name: load_component(path) for name, path in files.items()}, files)


def load_component(file: Path) -> Component:
    """Read a component file. Raises ConfigError with the file and the key of what is unknown or wrong."""
    component = _read(Component, file)
    _expect(file, "type", component.type, ("command",))
    for name, one in component.inputs.items():
        _expect(file, f"inputs.{name}.type", one.type, (FOLDER, *LITERALS))
    _check_outputs(file, component.outputs)
    if not component.runtime:
        wanted = "azureml:visionline-<folder under environments/>:<number>"
        raise ConfigError(f"{file}: environment: '{component.environment}' should be {wanted}, never a label")
    _check_processes(file, component)
    return component


def _signature(component: Component, file: Path) -> Signature:
    return Signature(str(file), component.inputs, {name: one.type for name, one in component.outputs.items()})


def _read(cls: type[T], file: Path) -> T:
    content = read_yaml(file, "name a file that exists")
    if isinstance(content, dict):
        content.pop("$schema", None)  # for editors
    return build(cls, content, str(file))


def _expect(file: Path, key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{file}: {key}: '{value}' does not run here: use {' or '.join(known)}")


def _check_job_input(where: str, value: Any) -> None:
    if isinstance(value, dict):
        given = build(FolderInput, value, where)
        if given.type != FOLDER:
            raise ConfigError(f"{where}: type: '{given.type}' does not run here: use {FOLDER}, or a literal value")
    elif isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"{where}: should be a string, a number or a folder to give, is {value!r}")


def _check_outputs(file: Path, outputs: dict[str, FolderOutput]) -> None:
    for name, output in outputs.items():
        _expect(file, f"outputs.{name}.type", output.type, (FOLDER,))


def _check_processes(file: Path, component: Component) -> None:
    if component.distribution:
        _expect(file, "distribution.type", component.distribution.type, ("pytorch",))
        count = component.distribution.process_count_per_instance
        if count < 1:
            raise ConfigError(f"{file}: distribution.process_count_per_instance: should be at least 1, is {count}")
    if component.resources and component.resources.instance_count != 1:
        count = component.resources.instance_count
        raise ConfigError(f"{file}: resources.instance_count: is {count}, but this machine is one node: write 1")
