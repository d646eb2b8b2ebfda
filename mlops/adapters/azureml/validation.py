"""Validator by Azure ML's own SDK: whatever its load functions and _validate say of a file, without a workspace.

It knows no rule of its own. load_schedule is no part of the SDK's public names, and a batch deployment has three load
functions, of which the public one refuses the documented `type: model` with `settings`.
"""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from mlops.adapters.azureml.failures import reason
from mlops.ports import Objection, Validator

# The end of a kind's name -> the load function of what ends so; the first that fits.
LOADERS = {
    "modelBatchDeployment": "load_model_batch_deployment",
    "pipelineComponentBatchDeployment": "load_pipeline_component_batch_deployment",
    "batchDeployment": "load_batch_deployment",
    "batchEndpoint": "load_batch_endpoint",
    "OnlineDeployment": "load_online_deployment",
    "OnlineEndpoint": "load_online_endpoint",
    "Component": "load_component",
    "Job": "load_job",
    "Compute": "load_compute",
    "computeInstance": "load_compute",
    "azureBlob": "load_datastore",
    "azureFile": "load_datastore",
    "azureDataLakeGen1": "load_datastore",
    "azureDataLakeGen2": "load_datastore",
    "environment": "load_environment",
    "data": "load_data",
    "model": "load_model",
    "schedule": "load_schedule",
    "workspace": "load_workspace",
    "registry": "load_registry",
}
BATCH_TYPES = {"model": "modelBatchDeployment", "pipeline": "pipelineComponentBatchDeployment"}
LONGEST = 300
# After what is wrong with a path the SDK says of all else that the value might have been why it is none.
OTHER_TRIES = re.compile(r"; (Not a valid URL|In order to specify).*")


@dataclass(frozen=True)
class AzureValidator:
    """Asks the SDK; its import takes seconds, once."""

    def objections(self, file: Path, kind: str, type_: str | None) -> list[Objection]:
        """Return what the SDK refuses in a file whose $schema names `kind` and which says that it is of a type."""
        load = _loader(BATCH_TYPES.get(str(type_), kind) if kind == "batchDeployment" else kind)
        if load is None:
            return []
        with _silent():
            try:
                return list(_validated(load(file)))
            except Exception as error:  # whatever the SDK raises of a file, the file is to blame
                return list(_refused(error))


def open_validator() -> Validator | None:
    """Return the validator, None where azure-ai-ml is not installed."""
    return AzureValidator() if find_spec("azure") and find_spec("azure.ai") and find_spec("azure.ai.ml") else None


def _loader(kind: str) -> Callable[[Path], Any] | None:
    from azure.ai.ml.entities import _load_functions

    name = next((name for end, name in LOADERS.items() if kind.endswith(end)), None)
    return getattr(_load_functions, name) if name else None


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what the SDK prints and logs of experiments and unknown attributes out of the findings."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)


def _validated(entity: Any) -> Iterator[Objection]:
    validate = getattr(entity, "_validate", None)
    result = validate() if validate else None
    for path, message in (result.error_messages if result is not None else {}).items():
        yield Objection(_keys(path), _one_line(message))


def _refused(error: Exception) -> Iterator[Objection]:
    said = str(error)
    yield from _parsed((), said if _details(said) else reason(error))


def _parsed(keys: tuple[str, ...], message: str) -> Iterator[Objection]:
    """Yield what a message says: a line, or JSON of which each part may hold another such message."""
    details = _details(message)
    if isinstance(details.get("errors"), list):
        for one in details["errors"]:
            yield from _parsed((*keys, *_keys(one.get("path"))), str(one.get("message")))
    elif details:
        yield from (Objection((*keys, *inner), _one_line(text)) for inner, text in _leaves((), details))
    else:
        yield Objection(keys, _one_line(message))


def _details(message: str) -> dict[str, Any]:
    """Return the JSON that the SDK puts between the lines of its message, or the dict that is the whole of it."""
    start = message.find("{")
    try:
        found, _ = json.JSONDecoder().raw_decode(message[start:]) if start >= 0 else ({}, 0)
    except ValueError:
        found = _literal(message)
    return found if isinstance(found, dict) else {}


def _literal(message: str) -> Any:
    # What marshmallow raises of a pipeline's job says itself as Python writes it.
    try:
        return ast.literal_eval(message.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _leaves(keys: tuple[str, ...], details: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each message with the keys that lead to it; marshmallow nests lists and "_schema" between them."""
    if isinstance(details, dict):
        for key, value in details.items():
            yield from _leaves(keys if key == "_schema" else (*keys, key), value)
    elif isinstance(details, list) and all(isinstance(one, str) for one in details):
        yield keys, "; ".join(details)
    elif isinstance(details, list):
        yield keys, "; ".join(dict.fromkeys(text for one in details for _, text in _leaves((), one)))
    else:
        yield keys, str(details)


def _keys(path: object) -> tuple[str, ...]:
    return tuple(re.findall(r"[^.\[\]]+", str(path or "").replace("*", "")))


def _one_line(message: str) -> str:
    text = OTHER_TRIES.sub("", " ".join(message.split()))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
