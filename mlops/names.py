"""Every name that more than one place must spell alike. It computes names; it looks nothing up."""

from __future__ import annotations

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
IMAGE_KINDS = ("runtime", "model")


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
    """Return the name of a stage's endpoint where its file gives none: letters, digits and hyphens, at most 32."""
    return "-".join(part for part in (model[: 32 - len(stage) - len(kind) - 2].rstrip("-"), stage, kind) if part)


def stage_before(stage: str) -> str | None:
    """Return the rung below a stage, or None for the first. Raises ValueError on an unknown stage."""
    index = STAGES.index(stage)
    return STAGES[index - 1] if index else None


def stage_record(step: str, stage: str) -> str:
    """Return the name of a record that a step writes once a stage: deploy.production."""
    return f"{step}.{stage}"
