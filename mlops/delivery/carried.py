"""Which images carry a version at a stage: the digest travels with the version, the host is the stage's own registry.

A version's tags name each image where it was first packaged, and all stages that share a registry of models read the
same tags. So of a tag a stage takes the digest alone, and looks for it in the registry that its own file names. What
runs a version is the edge runtime, or Triton where the overlay of the stage's cluster names its image.
"""

from __future__ import annotations

from mlops.config import Stage
from mlops.delivery.trees import is_tritons
from mlops.images import digest_of
from mlops.names import IMAGE_KINDS, image_tag
from mlops.preflight.kubeconfig import TARGETS
from mlops.records import ModelVersion

TRITON = "triton"


def made_as(stage: Stage, kind: str) -> str:
    """Return what is built as an image of a kind (runtime, model) for a stage: runtime, triton or model.

    Raises ConfigError where the stage's overlay is none of infra/kubernetes/overlays.
    """
    if kind != "runtime" or stage.target not in TARGETS:
        return kind
    return TRITON if is_tritons(stage) else kind


def tag_of(stage: Stage, kind: str) -> str:
    """Return the tag by which a version says which image carries it at a stage. Raises ConfigError as made_as does."""
    return image_tag(made_as(stage, kind))


def repository(stage: Stage, kind: str) -> str:
    """Return where images of a kind lie in the stage's registry. Raises ConfigError as made_as does."""
    return f"{stage.images.registry}/{stage.model if kind == 'model' else made_as(stage, kind)}"


def carried(stage: Stage, version: ModelVersion) -> dict[str, str]:
    """Return the images that carry a version at a stage, by kind, those alone that it was packaged with.

    Of a stage that names no registry they lie where the tags say. Raises ConfigError as made_as does.
    """
    known = {kind: version.tags.get(tag_of(stage, kind)) for kind in IMAGE_KINDS}
    return {
        kind: f"{repository(stage, kind)}@{digest_of(image)}" if stage.images.registry else image
        for kind, image in known.items()
        if image
    }
