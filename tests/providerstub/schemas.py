"""The providers' schemas as Terraform asks for them: azurerm's by schema.json, azapi's written out here."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from providerstub.extract import SCHEMA
from providerstub.wire import entry, message, repeated

NESTINGS = {"list": 2, "set": 3, "struct": 1, "map": 4}
STRINGS = ["list", "string"]
# registry.terraform.io/providers/azure/azapi, version 2: what infra/terraform uses.
AZAPI_RESOURCE = {
    "attributes": {
        **{name: ["string", "required"] for name in ("type", "name")},
        **{name: ["string", "optional"] for name in ("parent_id", "location")},
        **{name: ["dynamic", "optional"] for name in ("body", "sensitive_body", "response_export_values")},
        **{name: ["bool", "optional"] for name in ("ignore_casing", "ignore_missing_property", "ignore_null_property")},
        "schema_validation_enabled": ["bool", "optional"],
        "tags": [["map", "string"], "optional"],
        "locks": [STRINGS, "optional"],
        "replace_triggers_refs": [STRINGS, "optional"],
        "output": ["dynamic", "computed"],
    },
    "blocks": {
        "identity": {
            "attributes": {
                "type": ["string", "required"],
                "identity_ids": [STRINGS, "optional"],
                "principal_id": ["string", "computed"],
                "tenant_id": ["string", "computed"],
            },
            "blocks": {},
            "nesting": "list",
            "single": True,
            "required": False,
        }
    },
}
AZAPI_UPDATE = {
    "attributes": {
        **{name: value for name, value in AZAPI_RESOURCE["attributes"].items() if name not in ("tags", "location")},
        "name": ["string", "optional"],
        "resource_id": ["string", "optional"],
    },
    "blocks": {},
}
AZAPI = {
    "provider": {"attributes": {}, "blocks": {}},
    "resource": {"azapi_resource": AZAPI_RESOURCE, "azapi_update_resource": AZAPI_UPDATE},
    "data": {},
}


@cache
def schema_of(provider: str) -> dict[str, Any]:
    """Return provider, resources and data sources of azurerm or azapi."""
    return dict(json.loads(SCHEMA.read_text(encoding="utf-8"))) if provider == "azurerm" else AZAPI


@cache
def answer(provider: str) -> bytes:
    """Return what GetProviderSchema answers."""
    schema = schema_of(provider)
    own = {**schema["provider"]}
    resources = [entry(name, _schema(one, True)) for name, one in schema["resource"].items()]
    data = [entry(name, _schema(one, True)) for name, one in schema["data"].items()]
    return message((1, _schema(own, False)), *repeated(2, resources), *repeated(3, data))


def with_id(block: dict[str, Any]) -> dict[str, Any]:
    """Return a resource's block with the id that each has."""
    return {**block, "attributes": {**block["attributes"], "id": ["string", "computed"]}}


def _schema(block: dict[str, Any], has_id: bool) -> bytes:
    return message((2, _block(with_id(block) if has_id else block)))


def _block(block: dict[str, Any]) -> bytes:
    attributes = [_attribute(name, *one) for name, one in sorted(block["attributes"].items())]
    blocks = [_nested(name, one) for name, one in sorted(block["blocks"].items())]
    return message(*repeated(2, attributes), *repeated(3, blocks))


def _attribute(name: str, kind: Any, role: str) -> bytes:
    is_computed = role == "computed" or name == "id"
    text = json.dumps(kind).encode()
    return message((1, name), (2, text), (4, role == "required"), (5, role == "optional"), (6, is_computed))


def _nested(name: str, one: dict[str, Any]) -> bytes:
    most = 1 if one["single"] and one["nesting"] != "struct" else 0
    least = 1 if one["required"] and one["nesting"] != "struct" else 0
    return message((1, name), (2, _block(one)), (3, NESTINGS[one["nesting"]]), (4, least), (5, most))
