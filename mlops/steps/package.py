"""Build, list, sign and push the two images that carry a version, or copy those that QA tested, by digest."""

from __future__ import annotations

import argparse

from mlops.context import Context
from mlops.errors import ConfigError, RegistryError
from mlops.names import stage_record
from mlops.packaging import ARCHITECTURES, Options, package_version
from mlops.preflight.kubeconfig import TARGETS
from mlops.records import ModelVersion, Outcome, PackageRecord, highest_approved, write_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which version, for which architectures, and on which base."""
    parser.add_argument("--version", type=int, help="default: the stage's highest approved one")
    known = ",".join(ARCHITECTURES)
    parser.add_argument("--architectures", default=known, metavar="A,B", help=f"of the runtime; default: {known}")
    parser.add_argument("--base", metavar="IMAGE", help="what the runtime stands on; default: its Dockerfile's BASE")
    parser.add_argument(
        "--builder", metavar="IMAGE", help="what installs its packages; default: the Dockerfile's BUILDER"
    )


def run(context: Context, options: argparse.Namespace) -> int:
    """Package, and say what a site pulls. A stage that names no registry and runs no images has nothing to package."""
    stage = context.stage
    if not stage.images.registry and stage.target not in TARGETS:
        context.report(f"{stage.name}: target {stage.target} runs no images, and images.registry names none: done")
        return Outcome.PROMOTE
    bases = {"BASE": options.base, "BUILDER": options.builder}
    chosen = Options({name: image for name, image in bases.items() if image}, _architectures(options.architectures))
    record = package(context, options.version, chosen)
    for kind, image in record.images.items():
        context.report(f"{record.stage}: {kind} {image}, {record.bytes[kind] / 1e6:.2f} MB")
    return Outcome.PROMOTE


def package(context: Context, version: int | None, options: Options) -> PackageRecord:
    """Return and record a version's images.

    Raises RegistryError where there is no such version, and what packaging.package_version raises.
    """
    record = package_version(context, _wanted(context, version), options)
    write_record(context.run, stage_record("package", context.stage.name), record)
    return record


def _wanted(context: Context, number: int | None) -> ModelVersion:
    stage = context.stage
    versions = context.registry.versions(stage.model)
    wanted = highest_approved(versions, stage.name) if number is None else versions.get(number)
    if wanted is None:
        lacks = (
            f"no version of {stage.model} is approved" if number is None else f"{stage.model} has no version {number}"
        )
        raise RegistryError(f"{stage.name}: {lacks}: promote one first")
    return wanted


def _architectures(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    if not named or not set(named) <= set(ARCHITECTURES):
        raise ConfigError(f"--architectures {text}: should be of {', '.join(ARCHITECTURES)}, with commas between")
    return named
