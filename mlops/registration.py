"""Makes a package out of what export and evaluate wrote: copied, with its model card, sealed.

What is judged is the copy that is sealed, so nothing can change in between. It knows no registry and no stage.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops.errors import ConfigError
from mlops.judging import read_package, variant_tag
from mlops.loading import write_text
from mlops.modelcard import INTAKE_TEMPLATE, TEMPLATE, CardSource, model_card
from mlops.names import EVALUATION_FILE, GOLDEN_FILE, INTAKE_FILE, MODEL_CARD_FILE, TAG_DATA_VERSION, TAG_GIT_COMMIT
from modelpackage import digest_json, seal_package
from modelpackage.release import RELEASE_FILE

TAG_SOURCE = "source"
EVALUATED = (EVALUATION_FILE, GOLDEN_FILE)


@dataclass(frozen=True)
class Submission:
    """What is handed in: export's folder, evaluate's folder, where both come from, and where the result goes."""

    package: Path
    evaluation: Path
    data_version: str
    git_commit: str
    out: Path


@contextmanager
def assembled(submission: Submission) -> Iterator[Path]:
    """Yield a copy of what is handed in, unsealed. Raises ConfigError where a part of it can't be read."""
    draft = submission.out / ".draft"
    shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
    try:
        shutil.copytree(submission.package, draft, ignore=shutil.ignore_patterns(".*", RELEASE_FILE, MODEL_CARD_FILE))
        for name in EVALUATED:
            shutil.copy(submission.evaluation / name, draft / name)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be read ({error.strerror}): export and evaluate first") from None
    try:
        yield draft
    finally:
        shutil.rmtree(draft)


def source_digest(submission: Submission, model: str, draft: Path) -> str:
    """Return a digest of what was exported, and from which data: by it a model is found that is registered already.

    Its evaluation is no part of it: whoever is killed after registering evaluates again, against the version just made.
    """
    exported = {name: digest for name, digest in read_package(draft).digests.items() if name not in EVALUATED}
    return digest_json([model, submission.data_version, exported])


def seal(draft: Path, card: CardSource) -> None:
    """Add the model card and release.json. Raises ConfigError where the card can't be filled."""
    template = INTAKE_TEMPLATE if (draft / INTAKE_FILE).exists() else TEMPLATE
    write_text(draft / MODEL_CARD_FILE, model_card(card, template))
    seal_package(draft, card.model, card.git_commit, card.data_version, card.challenger.checkpoint)


def version_tags(source: str, card: CardSource) -> dict[str, str]:
    """Return what a version says of itself in the registry, beside its stage tags and its digest."""
    tags = {
        TAG_SOURCE: source,
        TAG_DATA_VERSION: card.data_version,
        TAG_GIT_COMMIT: card.git_commit,
        "checkpoint": card.challenger.checkpoint,
        "test_set": card.evaluation.test_set.digest,
    }
    for name, report in card.challenger.variants.items():
        tags |= {variant_tag(name): report.sha256, f"accuracy_{name}": str(report.accuracy)}
    return tags
