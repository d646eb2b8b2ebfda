"""Every name that more than one place must spell alike. It computes names; it looks nothing up."""

from __future__ import annotations

import hashlib
import re

STAGES = ("dev", "qa", "production")
APPROVED = "approved"
REVOKED = "revoked"
JOB_FILE = "mlops/jobs/training.yml"
EVALUATION_FILE = "evaluation.json"
GOLDEN_FILE = "golden.json"
INTAKE_FILE = "intake.json"  # in the package of a model that was trained elsewhere
MODEL_CARD_FILE = "MODEL_CARD.md"
TAG_DIGEST = "digest"
TAG_DATA_VERSION = "data_version"
TAG_GIT_COMMIT = "git_commit"
LONGEST_ENDPOINT_NAME = 32
MARK_DIGITS = 4
ENDPOINT_RULE = "write 3 to 32 letters, digits and hyphens, a letter first, no hyphen last"
IMAGE_KINDS = ("runtime", "model")
# What infra/ calls each resource. Azure allows storage accounts and key vaults 24 characters: `short` is the stage.
RESOURCE_NAMES = {
    "resource_group": "rg-{name}-{stage}",
    "network": "vnet-{name}-{stage}",
    "ci": "id-{name}-{stage}-ci",
    "jobs": "id-{name}-{stage}-jobs",
    "serving": "id-{name}-{stage}-serving",
    "infra": "id-{name}-{stage}-infra",
    "operations": "id-{name}-operations",  # one for all stages, as the next: dev makes both
    "plan": "id-{name}-plan",
    "logs": "log-{name}-{stage}",
    "insights": "appi-{name}-{stage}",
    "monitor_scope": "ampls-{name}-{stage}",
    "storage": "st{name}{short}{suffix}",
    "captures": "stc{name}{short}{suffix}",
    "key_vault": "kv-{name}{short}{suffix}",
    "images": "cr{name}{short}{suffix}",
    "workspace": "mlw-{name}-{stage}",
    "online_endpoint": "{name}-{short}-online-{suffix}",
    "batch_endpoint": "{name}-{short}-batch-{suffix}",
    "kubernetes": "aks-{name}-{stage}",
    "namespace": "{name}-{stage}",
    "sandbox": "ca-{name}-{stage}",
    "sandbox_environment": "cae-{name}-{stage}",
    "budget": "budget-{name}-{stage}",
}
# What all stages share.
SHARED_NAMES = {
    "resource_group": "rg-{name}-shared",
    "registry": "mlr-{name}",
    "images": "cr{name}shared{suffix}",
    "metrics": "amw-{name}",
    "dashboards": "amg-{name}",
    "logs": "log-{name}-shared",
}
_SHORT_STAGES = {"production": "prod"}


def revoke_reason_tag(stage: str) -> str:
    """Return the tag that says why a version was revoked in a stage."""
    return f"{stage}_revoked_because"


def rollback_tag(stage: str) -> str:
    """Return the tag that says whether a version's rollback in a stage is pending or done."""
    return f"{stage}_rollback"


def image_tag(kind: str) -> str:
    """Return the tag of a model version that says which image carries it: `repository@sha256:<hex>`."""
    return f"{kind}_image"


def is_tag_of(stage: str, key: str) -> bool:
    """Tell whether a tag is of a stage: the stage tag, and what is said beside it."""
    return key == stage or key.startswith(f"{stage}_")


def endpoint_name(model: str, stage: str, kind: str = "") -> str:
    """Return the name of a stage's endpoint where its file gives none: letters, digits and hyphens, at most 32.

    A longer model's name is cut and marked by a digest of the whole, so that no two models share an endpoint.
    """
    ending = "-".join(part for part in (stage, kind) if part)
    room = LONGEST_ENDPOINT_NAME - len(ending) - 1
    if len(model) > room:
        mark = hashlib.sha256(model.encode()).hexdigest()[:MARK_DIGITS]
        model = f"{model[: room - MARK_DIGITS - 1].rstrip('-')}-{mark}"
    return f"{model}-{ending}"


def is_endpoint_name(name: str) -> bool:
    """Tell whether Azure ML takes a name for an endpoint, by azure-ai-ml's EndpointConfigurations."""
    return (
        3 <= len(name) <= LONGEST_ENDPOINT_NAME and re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]*[a-zA-Z0-9]", name) is not None
    )


def stage_before(stage: str) -> str | None:
    """Return the rung below a stage, or None for the first. Raises ValueError on an unknown stage."""
    index = STAGES.index(stage)
    return STAGES[index - 1] if index else None


def stage_record(step: str, stage: str) -> str:
    """Return the name of a record that a step writes once a stage: deploy.production."""
    return f"{step}.{stage}"


def resource_name(kind: str, name: str, stage: str, suffix: str) -> str:
    """Return what infra/ calls a resource of a stage.

    `name` is 3 to 12 lower-case letters and digits, a letter first, `suffix` 3 to 5 of them. Raises ValueError on any
    other, KeyError on an unknown kind.
    """
    _check_parts(name, suffix)
    short = _SHORT_STAGES.get(stage, stage)
    return RESOURCE_NAMES[kind].format(name=name, stage=stage, short=short, suffix=suffix)


def shared_name(kind: str, name: str, suffix: str) -> str:
    """Return what infra/ calls a resource that all stages share. Raises as resource_name does."""
    _check_parts(name, suffix)
    return SHARED_NAMES[kind].format(name=name, suffix=suffix)


def _check_parts(name: str, suffix: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]{2,11}", name) or not re.fullmatch(r"[a-z0-9]{3,5}", suffix):
        raise ValueError(f"'{name}' and '{suffix}': use 3 to 12, and 3 to 5, lower-case letters and digits")
