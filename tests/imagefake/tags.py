"""The images that a version's tags name: where it was first packaged."""

from __future__ import annotations

from mlops.names import IMAGE_KINDS, image_tag
from mlops.records import ModelVersion


def images_of(version: ModelVersion) -> dict[str, str]:
    """Return the images by kind; empty where it was not packaged."""
    return {kind: version.tags[image_tag(kind)] for kind in IMAGE_KINDS if image_tag(kind) in version.tags}
