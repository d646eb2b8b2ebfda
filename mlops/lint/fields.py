"""Fields that nothing reads. Azure ML's SDK refuses most of them; these are the places where it drops them in silence.

Source: the schemas of azure-ai-ml 1.35, which a contract test compares with this table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from mlops.lint.document import Keys
from mlops.lint.finding import Finding
from mlops.lint.parts import Part, as_mapping
from mlops.lint.surroundings import Surroundings

_COMPONENT = (
    "$schema auto_delete_setting description display_name id inputs is_deterministic name outputs tags type version"
)
_STEP = "comment compute inputs outputs properties type name display_name description tags"
_PARALLEL = (
    "error_threshold input_data logging_level max_concurrency_per_instance mini_batch_error_threshold mini_batch_size "
    "partition_keys resources retry_settings task"
)
_SPARK = "archives args code conf entry environment files jars properties py_files"

FIELDS = {
    "commandComponent": f"{_COMPONENT} additional_includes code command distribution environment properties "
    "queue_settings resources",
    "pipelineComponent": f"{_COMPONENT} jobs",
    "parallelComponent": f"{_COMPONENT} {_PARALLEL}",
    "sparkComponent": f"{_COMPONENT} {_SPARK} additional_includes",
    "commandStep": f"{_STEP} code command component distribution environment environment_variables identity limits "
    "queue_settings resources services",
    "parallelStep": f"{_STEP} {_PARALLEL} component environment_variables identity",
    "sparkStep": f"{_STEP} {_SPARK} component identity resources",
    "sweepStep": f"{_STEP} early_termination limits objective queue_settings resources sampling_algorithm search_space "
    "trial",
}
SETTINGS = "continue_on_step_failure default_compute default_datastore force_rerun"
RESOURCES = "docker_args instance_count instance_type locations max_instance_count properties shm_size"
DISTRIBUTIONS = {
    "pytorch": "process_count_per_instance type",
    "mpi": "process_count_per_instance type",
    "tensorflow": "parameter_server_count type worker_count",
    "ray": "address dashboard_port head_node_additional_args include_dashboard port type worker_node_additional_args",
}
COMMANDS = ("commandComponent", "commandStep", "commandJob")


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield each field of a part, and of its settings, resources and distribution, that nobody reads."""
    if part.role in FIELDS:
        yield from _unknown(part, (), FIELDS[part.role])
    if part.role in ("pipelineJob", "scheduledJob"):
        yield from _unknown(part, ("settings",), SETTINGS)
    if part.role in COMMANDS:
        yield from _unknown(part, ("resources",), RESOURCES)
        kind = str(part.mapping("distribution").get("type")).lower()
        if kind in DISTRIBUTIONS:
            yield from _unknown(part, ("distribution",), DISTRIBUTIONS[kind])


def _unknown(part: Part, keys: Keys, listed: str) -> Iterator[Finding]:
    known = listed.split()
    content = part.mapping(keys[0]) if keys else as_mapping(part.content)
    for key in content:
        if key not in known:
            yield part.finding((*keys, key), f"{part.where(*keys, key)}: {_advice(part.role, key, known)}")


def _advice(role: str, key: str, known: list[str]) -> str:
    if key == "environment_variables" and role.endswith("Component"):
        return "a component's variables are dropped: set them on the step that uses it, in the pipeline's jobs"
    near = difflib.get_close_matches(key, known, n=1)
    ought = f"write {near[0]}" if near else f"known are {', '.join(sorted(known))}"
    return f"unknown field, which Azure ML drops in silence: {ought}"
