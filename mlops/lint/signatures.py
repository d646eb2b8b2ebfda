"""What the component of a pipeline's step declares, wherever it is written: in a file, in the step, or out of sight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops.jobfile.literals import LITERALS, ComponentInput
from mlops.jobfile.wiring import UNKNOWN, Signature
from mlops.lint.parts import Part, as_mapping
from mlops.lint.references import local_path
from mlops.lint.surroundings import Surroundings

ASSETS = ("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model")


def signature(step: Part, around: Surroundings) -> Signature | None:
    """Return what a step's component declares; None where it stands in a workspace or can't be read."""
    component = step.content.get("component", step.content.get("trial"))
    if isinstance(component, Mapping):
        return declared(component, "the component")
    if isinstance(component, str):
        path = local_path(component)
        document = around.document(step.document.path.parent / path) if path else None
        return declared(document.content, document.name) if document else None
    return declared(step.content, "the step") if "command" in step.content else None


def declared(content: Mapping[str, Any], source: str) -> Signature:
    """Return what a component's mapping declares."""
    inputs = {name: _input(value) for name, value in as_mapping(content.get("inputs")).items()}
    outputs = {name: type_of(as_mapping(value)) for name, value in as_mapping(content.get("outputs")).items()}
    return Signature(source, inputs, outputs)


def type_of(said: Mapping[str, Any]) -> str:
    """Return the type that an input or output is declared to have, UNKNOWN where it is none that there is."""
    kind = str(said.get("type")).lower()
    return kind if kind in (*LITERALS, *ASSETS) else UNKNOWN


def _input(value: Any) -> ComponentInput:
    said = as_mapping(value)
    return ComponentInput(
        type=type_of(said),
        optional=said.get("optional") is True or not said,
        default=said.get("default"),
        enum=tuple(said["enum"]) if isinstance(said.get("enum"), list) else (),
        min=_number(said.get("min")),
        max=_number(said.get("max")),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
