"""A version's two images: found, copied, or built; with what is in them, signed. It doesn't know the tools.

The model's image holds the sealed package and nothing else; the runtime's holds everything but the model: so a new
model costs a site its own bytes, and new code costs the code. What another registry holds is copied by digest and never
built again, so production runs the very bytes that QA tested. Killed at any moment and run again, it ends the same way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.context import Context
from mlops.errors import ConfigError, RegistryError
from mlops.images import Subject, digest_of, repository_of
from mlops.loading import write_text
from mlops.names import IMAGE_KINDS, image_tag
from mlops.oci import blobs_of, drop_annotations, layers_of, layout_digest, pulled_bytes, write_document, write_image
from mlops.recipes import base_images, recipe_key, runtime_recipe
from mlops.records import ModelVersion, PackageRecord, images_of
from modelpackage import digest_bytes

CYCLONEDX = "application/vnd.cyclonedx+json"
ARCHITECTURES = ("amd64", "arm64")
VERSION_LABEL = "org.opencontainers.image.version"
TITLE_LABEL = "org.opencontainers.image.title"


@dataclass(frozen=True)
class Options:
    """What to build of: `bases` in place of the Dockerfile's own, by build argument, and for which architectures."""

    bases: Mapping[str, str]
    architectures: tuple[str, ...] = ARCHITECTURES


def package_version(context: Context, version: ModelVersion, options: Options) -> PackageRecord:
    """Bring a version's images into the stage's registry, tag the version with them, and return the record.

    Raises ConfigError where the stage names no registry, RegistryError, JobError of a build, DeployError where an
    image from the stage before is not signed as that stage asks.
    """
    stage = context.stage
    if not stage.images.registry:
        raise ConfigError(
            f"mlops/stages/{stage.name}.yaml: images.registry: is empty: name one, as team.azurecr.io/team"
        )
    _ = (context.signer, context.inventory)  # what these lack is to be said before minutes of building
    images = {kind: _bring(context, version, kind, options) for kind in IMAGE_KINDS}
    sboms = {kind: _sbom(context, version, kind, image) for kind, image in images.items()}
    signed = [context.signer.sign(image, sboms[kind]) for kind, image in images.items()]
    for kind, image in images.items():
        if version.tags.get(image_tag(kind)) != image:
            context.registry.set_tag(stage.model, version.version, image_tag(kind), image)
    paths = {kind: str(path) for kind, path in sboms.items()}
    sizes = {kind: _bytes(context, image) for kind, image in images.items()}
    return PackageRecord(stage.name, version.version, version.digest, images, paths, sizes, all(signed))


def _bring(context: Context, version: ModelVersion, kind: str, options: Options) -> str:
    """Return where an image lies in the stage's registry, once it lies there."""
    repository, known = _repository(context, kind), images_of(version).get(kind)
    if known is None:
        return _make(context, version, kind, options)
    image = f"{repository}@{digest_of(known)}"
    if context.images.manifest(image) is not None:
        return image
    if repository_of(known) != repository:
        _copy(context, known, repository)
        return image
    made = _make(context, version, kind, options)
    if made != image:
        raise RegistryError(
            f"{image}: is gone, and what is built today is {made}: restore it, or release a new version"
        )
    return image


def _make(context: Context, version: ModelVersion, kind: str, options: Options) -> str:
    return _make_model(context, version) if kind == "model" else _make_runtime(context, options)


def _copy(context: Context, known: str, repository: str) -> None:
    context.report(f"{context.stage.name}: copying {known}")
    context.source_signer.verify(known)
    digest = digest_of(known)
    context.images.copy(known, f"{repository}:{_short(digest)}")
    listed = _sbom_reference(known)
    if context.images.manifest(listed) is not None:
        context.images.copy(listed, _sbom_reference(f"{repository}@{digest}"))


def _make_model(context: Context, version: ModelVersion) -> str:
    repository = _repository(context, "model")
    labels = {TITLE_LABEL: version.model, VERSION_LABEL: version.digest}
    with tempfile.TemporaryDirectory() as scratch:
        layout = Path(scratch)
        digest = write_image(context.package(version.version), ARCHITECTURES, labels, layout)
        if context.images.manifest(f"{repository}@{digest}") is None:
            context.images.push(layout, f"{repository}:v{version.version}")
    return f"{repository}@{digest}"


def _make_runtime(context: Context, options: Options) -> str:
    repository = _repository(context, "runtime")
    with tempfile.TemporaryDirectory() as scratch:
        bases = {name: _pinned(context, image) for name, image in {**base_images(), **options.bases}.items()}
        recipe = runtime_recipe(Path(scratch) / "context", bases, options.architectures)
        reference = f"{repository}:{recipe_key(recipe)}"
        found = context.images.manifest(reference)
        if found is not None:
            return f"{repository}@{digest_bytes(found)}"
        context.report(f"{context.stage.name}: building the runtime for {', '.join(options.architectures)}")
        layout = Path(scratch) / "layout"
        context.builder.build(recipe, layout)
        digest = drop_annotations(layout)
        context.images.push(layout, reference)
        return f"{repository}@{digest}"


def _pinned(context: Context, image: str) -> str:
    """Return a base by digest: the key then tells a base that was mended from the one before."""
    if "@" in image:
        return image
    manifest = context.images.manifest(image)
    if manifest is None:
        raise RegistryError(f"{image}: is not in its registry: name another base by --base and --builder")
    return f"{repository_of(image)}@{digest_bytes(manifest)}"


def _sbom(context: Context, version: ModelVersion, kind: str, image: str) -> Path:
    """Return the file that lists what is in an image, as it lies beside the image; made where none does."""
    path, reference = context.run / f"{kind}.cdx.json", _sbom_reference(image)
    with tempfile.TemporaryDirectory() as scratch:
        layout = Path(scratch) / "layout"
        if context.images.manifest(reference) is not None:
            context.images.pull(reference, layout)
            text = _document(layout)
        else:
            text = _listed(context, version, kind, image)
            write_document(text.encode(), CYCLONEDX, layout)
            context.images.push(layout, reference)
    write_text(path, text)
    return path


def _listed(context: Context, version: ModelVersion, kind: str, image: str) -> str:
    digest = digest_of(image)
    if kind == "model":
        subject = Subject(version.model, str(version.version), digest)
        return context.inventory.model(context.package(version.version), subject)
    with tempfile.TemporaryDirectory() as scratch:
        context.images.pull(image, Path(scratch))
        return context.inventory.runtime(Path(scratch), Subject("visionline-runtime", _short(digest), digest))


def _bytes(context: Context, image: str) -> int:
    def read(digest: str) -> bytes:
        found = context.images.manifest(f"{repository_of(image)}@{digest}")
        if found is None:
            raise RegistryError(f"{repository_of(image)}@{digest}: is gone: run the step again")
        return found

    return pulled_bytes(read(digest_of(image)), read)


def _document(layout: Path) -> str:
    read = blobs_of(layout)
    (layer,) = layers_of(read(layout_digest(layout)), read)
    return read(layer["digest"]).decode()


def _repository(context: Context, kind: str) -> str:
    return f"{context.stage.images.registry}/{context.stage.model if kind == 'model' else kind}"


def _sbom_reference(image: str) -> str:
    return f"{repository_of(image)}:{digest_of(image).replace(':', '-')}.sbom"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]
