"""What Azure's published ARM schemas allow: checks the body of a PUT to management.azure.com, where they are there.

Two of their errors are known, and left out: codes' `hash_version` goes as an integer, and `flavors.*.data` is wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from azurefake.message import Request

FOLDER = Path(
    os.environ.get("VISIONLINE_ARM_SCHEMAS", Path(__file__).resolve().parents[3] / "shared" / "azure" / "arm-schemas")
)
COMMON = "https://schema.management.azure.com/schemas/common/definitions.json"
EXPRESSION = {"definitions": {"expression": {"type": "string", "pattern": "^\\[.*\\]$"}}}
PROVIDER = "/providers/microsoft.machinelearningservices/"


def violations(request: Request) -> list[str]:
    """Return what is wrong with the body of a PUT: nothing where no schema is there for its type and version."""
    start = request.path.lower().find(PROVIDER)
    if start < 0:
        return []
    parts = request.path[start + len(PROVIDER) :].split("/")
    version = request.query.get("api-version", "")
    schema = _schema(version, "_".join(parts[::2]).lower())
    if schema is None:
        return []
    kind = "/".join(["Microsoft.MachineLearningServices", *parts[::2]])
    resource = {**_without_known_errors(request.json or {}), "name": parts[-1], "type": kind, "apiVersion": version}
    return [f"PUT {request.path} ({version}): {found}" for found in _found(schema, resource)]


@cache
def _document(version: str) -> dict[str, Any] | None:
    file = FOLDER / f"{version}.json"
    return _opened(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _opened(document: dict[str, Any]) -> dict[str, Any]:
    # A base type, as Compute, is published as closed to all that the types made from it add.
    for definition in document["definitions"].values():
        for part in definition.get("allOf", ()):
            part.pop("additionalProperties", None)
    return document


@cache
def _schema(version: str, kind: str) -> Any:
    from jsonschema import Draft4Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT4

    document = _document(version)
    definitions = (document or {}).get("resourceDefinitions", {})
    name = next((one for one in definitions if one.lower() == kind), None)
    if document is None or name is None:
        return None
    common = Registry().with_resource(COMMON, DRAFT4.create_resource(EXPRESSION))
    schema = {"$ref": f"#/resourceDefinitions/{name}", **document}
    return Draft4Validator(schema, registry=common)


def _found(validator: Any, resource: dict[str, Any]) -> Iterable[str]:
    from jsonschema.exceptions import best_match

    worst = best_match(validator.iter_errors(resource))
    if worst is not None:
        place = ".".join(str(part) for part in worst.absolute_path)
        yield f"{place}: {worst.message[:300]}"


def _without_known_errors(body: dict[str, Any]) -> dict[str, Any]:
    properties = dict(body.get("properties") or {})
    properties.pop("flavors", None)
    if isinstance((properties.get("properties") or {}).get("hash_version"), int):
        properties["properties"] = {**properties["properties"], "hash_version": "1"}
    return {**body, "properties": properties}
