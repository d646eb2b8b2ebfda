"""A version's two images: found, copied, or built; with what is in them, signed. It doesn't know the tools.

The model's image holds the sealed package and nothing else; the runtime's, or Triton's, holds everything but the model:
so a new model costs a site its own bytes, and new code costs the code. What another registry holds is copied by digest
and never built again, so production runs the very bytes that QA tested. The tag of a version keeps the place where an
image was first packaged, of which all stages take the digest. Killed at any moment and run again, it ends the same way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.config import load_stage
from mlops.context import Context
from mlops.delivery.carried import made_as, repository, tag_of
from mlops.errors import ConfigError, RegistryError
from mlops.images import Subject, digest_of, repository_of
from mlops.loading import write_text
from mlops.names import IMAGE_KINDS, stage_before
from mlops.oci import blobs_of, drop_notes, layers_of, layout_digest, pulled_bytes, write_document, write_image
from mlops.recipes import base_images, recipe_key, runtime_recipe
from mlops.records import ModelVersion, PackageRecord
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
        if tag_of(stage, kind) not in version.tags:
            context.registry.set_tag(stage.model, version.version, tag_of(stage, kind), image)
    paths = {kind: str(path) for kind, path in sboms.items()}
    sizes = {kind: _bytes(context, image) for kind, image in images.items()}
    return PackageRecord(stage.name, version.version, version.digest, images, paths, sizes, all(signed))


def _bring(context: Context, version: ModelVersion, kind: str, options: Options) -> str:
    """Return where an image lies in the stage's registry, once it lies there."""
    known = version.tags.get(tag_of(context.stage, kind))
    if known is None:
        return _make(context, version, kind, options)
    image = f"{repository(context.stage, kind)}@{digest_of(known)}"
    if context.images.manifest(image) is not None:
        return image
    for place in _places(context, kind, known):
        if context.images.manifest(place) is not None:
            _copy(context, place, repository_of(image))
            return image
    made = _make(context, version, kind, options)
    if made != image:
        raise RegistryError(
            f"{image}: is gone, and what is built today is {made}: restore it, or release a new version"
        )
    return image


def _places(context: Context, kind: str, known: str) -> Iterator[str]:
    """Yield where else an image may lie: at the stage before, which tested and signed it, or where it was made."""
    own, before = repository(context.stage, kind), stage_before(context.stage.name)
    tested = load_stage(before).images.registry if before else ""
    name = own.removeprefix(context.stage.images.registry)
    places = [f"{tested}{name}@{digest_of(known)}", known] if tested else [known]
    yield from (one for one in dict.fromkeys(places) if repository_of(one) != own)


def _make(context: Context, version: ModelVersion, kind: str, options: Options) -> str:
    return _make_model(context, version) if kind == "model" else _make_runtime(context, options)


def _copy(context: Context, known: str, target: str) -> None:
    context.report(f"{context.stage.name}: copying {known}")
    context.source_signer.verify(known)
    digest = digest_of(known)
    context.images.copy(known, f"{target}:{_short(digest)}")
    listed = _sbom_reference(known)
    if context.images.manifest(listed) is not None:
        context.images.copy(listed, _sbom_reference(f"{target}@{digest}"))


def _make_model(context: Context, version: ModelVersion) -> str:
    target = repository(context.stage, "model")
    labels = {TITLE_LABEL: version.model, VERSION_LABEL: version.digest}
    with tempfile.TemporaryDirectory() as scratch:
        layout = Path(scratch)
        digest = write_image(context.package(version.version), ARCHITECTURES, labels, layout)
        if context.images.manifest(f"{target}@{digest}") is None:
            context.images.push(layout, f"{target}:v{version.version}")
    return f"{target}@{digest}"


def _make_runtime(context: Context, options: Options) -> str:
    target, made = repository(context.stage, "runtime"), made_as(context.stage, "runtime")
    with tempfile.TemporaryDirectory() as scratch:
        bases = {name: _pinned(context, image) for name, image in {**base_images(made), **options.bases}.items()}
        recipe = runtime_recipe(Path(scratch) / "context", bases, options.architectures, made)
        reference = f"{target}:{recipe_key(recipe)}"
        found = context.images.manifest(reference)
        if found is not None:
            return f"{target}@{digest_bytes(found)}"
        context.report(f"{context.stage.name}: building {made} for {', '.join(options.architectures)}")
        layout = Path(scratch) / "layout"
        context.builder.build(recipe, layout)
        digest = drop_notes(layout)
        context.images.push(layout, reference)
        return f"{target}@{digest}"


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
    name = f"visionline-{made_as(context.stage, kind)}"
    with tempfile.TemporaryDirectory() as scratch:
        context.images.pull(image, Path(scratch))
        return context.inventory.runtime(Path(scratch), Subject(name, _short(digest), digest))


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


def _sbom_reference(image: str) -> str:
    return f"{repository_of(image)}:{digest_of(image).replace(':', '-')}.sbom"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:16]
