"""Proves a rollback without changing anything: looks whether each thing is there that the real one would need.

A line per check, as preflight gives them: the package of the version that would serve, fetched anew from the registry
and checked against its digest; its images, by digest, for each architecture, signed as the stage asks; and the target.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops.case import variant_file
from mlops.context import Context
from mlops.delivery.carried import carried
from mlops.errors import RegistryError
from mlops.images import digest_of, repository_of
from mlops.names import IMAGE_KINDS
from mlops.ports import UNSEEN, CheckLine
from mlops.preflight.kubeconfig import TARGETS as RUNS_IMAGES
from mlops.preflight.line import failure, guarded, ok, warning
from mlops.records import ModelVersion
from modelpackage import digest_bytes


@dataclass(frozen=True)
class DrillRecord:
    """A rollback that was rehearsed: what would be revoked, what would serve, what was found, and whether it works."""

    stage: str
    revoked: int
    served: int
    lines: tuple[CheckLine, ...]
    works: bool
    seconds: float


def lines(context: Context, leaving: int, served: ModelVersion) -> Iterator[CheckLine]:
    """Yield what stands in the way of leaving a version for the one that would be served."""
    yield from guarded("package", _package(context, served), is_needed=True)
    yield from guarded("images", _images(context, served), is_needed=True)
    yield from guarded("target", _target(context, leaving), is_needed=True)


def _package(context: Context, served: ModelVersion) -> Iterator[CheckLine]:
    variant = variant_file(context.stage.release.variant)
    with tempfile.TemporaryDirectory() as scratch:
        folder = context.registry.download(served.model, served.version, Path(scratch) / "package")
        if not (folder / variant).exists():
            yield failure("package", f"version {served.version} has no {variant}: mend release.variant of the stage")
            return
    yield ok("package", f"version {served.version} was fetched and is {served.digest}")


def _images(context: Context, served: ModelVersion) -> Iterator[CheckLine]:
    images = carried(context.stage, served)
    missing = [kind for kind in IMAGE_KINDS if kind not in images]
    if missing and context.stage.target in RUNS_IMAGES:
        lacks = " and ".join(missing)
        yield failure("images", f"version {served.version} has no {lacks} image: run `package --version` for it")
    for kind, image in images.items():
        _check_image(context, image)
        yield ok("images", f"{kind}: {image}")


def _check_image(context: Context, image: str) -> None:
    """Raise StepError where an image, or its part for an architecture, is gone, is another, or is not trusted."""
    manifest = context.images.manifest(image)
    if manifest is None or digest_bytes(manifest) != digest_of(image):
        raise RegistryError(f"{image}: {'is gone' if manifest is None else 'is another image'}: restore it")
    for part in json.loads(manifest).get("manifests", ()):
        if context.images.manifest(f"{repository_of(image)}@{part['digest']}") is None:
            raise RegistryError(f"{image}: its part {part['digest']} is gone: restore it")
    context.signer.verify(image)


def _target(context: Context, leaving: int) -> Iterator[CheckLine]:
    status = context.target.status()
    unseen = [one for one in status.deployments.values() if one.state == UNSEEN]
    if not status.deployments and status.traffic.get(leaving):
        # An endpoint of this machine, which ended with it or was stopped.
        yield warning("target", f"does not run, but is declared to serve version {leaving}: a rollback starts it")
    elif not status.deployments:
        yield failure("target", f"nothing answers: run `deploy --stage {context.stage.name}`")
    elif unseen:
        yield failure("target", f"can't be looked at: {unseen[0].reason}")
    elif not status.traffic.get(leaving):
        now = ", ".join(map(str, status.traffic)) or "nothing"
        yield warning("target", f"answers, but serves {now} instead of version {leaving}: run `deploy` first")
    else:
        yield ok("target", f"answers, and gives version {leaving} {status.traffic[leaving]} % of the traffic")
