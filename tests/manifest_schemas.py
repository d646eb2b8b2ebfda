"""What the cluster's own schemas say of an object: Kubernetes' by kubernetes-validate, others' by tests/schemas.

A key that no schema knows is an error in both: a cluster would drop it without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES = "1.33"  # the oldest that the manifests are for
# Groups of Kubernetes itself; whatever else a manifest holds must have its schema in tests/schemas.
OWN_GROUPS = ("", "apps", "autoscaling", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io")
FLUX = "kustomize.toolkit.fluxcd.io"

Object = Mapping[str, Any]


def objections(one: Object) -> list[str]:
    """Return what is wrong in an object, and where. Raises FileNotFoundError where its kind has no schema."""
    version, kind = str(one["apiVersion"]), str(one["kind"])
    group = version.rpartition("/")[0]
    if group in OWN_GROUPS:
        return _by_kubernetes(json.dumps(one, sort_keys=True))
    found = _validator(f"Flux{kind}" if group == FLUX else kind).iter_errors(one)
    return [f"{error.json_path}: {error.message}" for error in found]


@cache
def _by_kubernetes(text: str) -> list[str]:
    try:
        kubernetes_validate.validate(json.loads(text), KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{error.path}: {error.message}"]
    return []


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))
