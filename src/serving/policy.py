"""policy.yaml: which versions of a model are served from a folder of packages, and how. Reading and choosing; no scan.

policy: highest     # highest (as where there is no file) | approved | pinned | explicit
count: 1            # highest, approved: so many versions; the highest of them has the traffic
stage: production   # approved: the stage whose tag in tags.json counts
versions: [2, 3]    # pinned: these
variant: int8       # as where it is left out, if the package has it; else its first by name
engine: onnxruntime

tags.json says which versions are approved, as the registry does: {"2": {"production": "approved"}}. A model of policy
explicit is loaded and unloaded by call only (serving.repository).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from serving.desired import Declared, DesiredModel
from serving.errors import ServingError

POLICIES = ("highest", "approved", "pinned", "explicit")
USUAL_VARIANT = "int8"


@dataclass(frozen=True)
class Policy:
    """What policy.yaml holds."""

    policy: str = "highest"
    count: int = 1
    stage: str = "production"
    versions: tuple[int, ...] = ()
    variant: str | None = None
    engine: str = "onnxruntime"


@dataclass(frozen=True)
class Package:
    """A whole package: its folder, its digest and its variants."""

    folder: str
    digest: str
    variants: tuple[str, ...]


def choose(policy: Policy, packages: Mapping[int, Package], tags: Mapping[int, Mapping[str, str]]) -> DesiredModel:
    """Return what is to be served of the packages, by version. The highest version that is chosen has all traffic."""
    chosen = sorted(_allowed(policy, packages, tags))
    if policy.policy in ("highest", "approved"):
        chosen = chosen[-policy.count :]
    deployments = {str(version): declared(packages[version], policy) for version in chosen}
    return DesiredModel(deployments, {str(version): 100 for version in chosen[-1:]})


def declared(package: Package, policy: Policy) -> Declared:
    """Return the deployment of a package by the policy's variant and engine."""
    usual = USUAL_VARIANT if USUAL_VARIANT in package.variants else package.variants[0]
    return Declared(package.folder, package.digest, policy.variant or usual, policy.engine)


def _allowed(policy: Policy, packages: Mapping[int, Package], tags: Mapping[int, Mapping[str, str]]) -> set[int]:
    if policy.policy == "pinned":
        return set(packages) & set(policy.versions)
    if policy.policy == "approved":
        return {version for version in packages if tags.get(version, {}).get(policy.stage) == "approved"}
    return set(packages)


def read_policy(path: Path) -> Policy:
    """Read policy.yaml; where there is none, that is the highest version. Raises ServingError naming the key."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Policy()
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ServingError(f"{path}: cannot be read ({' '.join(str(error).split())}): mend it") from None
    known = {field.name for field in fields(Policy)}
    if not isinstance(content, dict) or not set(content) <= known:
        raise ServingError(f"{path}: should be a mapping of {', '.join(sorted(known))}, is {content!r}")
    policy = Policy(**{**content, "versions": _versions(content.get("versions", []), path)})
    _check(policy, path)
    return policy


def read_tags(path: Path) -> dict[int, dict[str, str]]:
    """Read tags.json: the tags of each version, by stage. No file is no tags. Raises ServingError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {int(version): dict(tags) for version, tags in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        example = '{"2": {"production": "approved"}}'
        raise ServingError(f"{path}: is not like {example} ({' '.join(str(error).split())}): mend it") from None


def _versions(value: Any, path: Path) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(_is_count(version) for version in value):
        raise ServingError(f"{path}: versions should be a list of numbers, is {value!r}")
    return tuple(value)


def _check(policy: Policy, path: Path) -> None:
    faults = {
        f"policy should be one of {', '.join(POLICIES)}, is {policy.policy!r}": policy.policy not in POLICIES,
        f"count should be a number from 1, is {policy.count!r}": not _is_count(policy.count) or policy.count < 1,
        f"stage should be a text, is {policy.stage!r}": not isinstance(policy.stage, str),
        f"variant should be a text, is {policy.variant!r}": not isinstance(policy.variant, str | None),
        f"engine should be a text, is {policy.engine!r}": not isinstance(policy.engine, str),
        "versions should name those to serve": policy.policy == "pinned" and not policy.versions,
    }
    for fault, is_so in faults.items():
        if is_so:
            raise ServingError(f"{path}: {fault}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
