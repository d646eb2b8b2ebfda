"""Lists what is in an image, in CycloneDX 1.6 as JSON: the same image gives the same text, to the byte.

The runtime's list is read from its layers, and so says what is there and not what was asked for: Python's packages by
their dist-info, the system's by dpkg. The model's list is an ML-BOM: each file by the digest that release.json names.
Sources: https://cyclonedx.org/docs/1.6/json/, https://cyclonedx-python-library.readthedocs.io (cyclonedx-python-lib).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from email.parser import BytesHeaderParser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from mlops.errors import ConfigError
from mlops.images import Subject
from mlops.oci import files_in
from modelpackage import read_release

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

DIST_INFO = re.compile(r"[^/]+\.dist-info/METADATA$")
DPKG = re.compile(r"^var/lib/dpkg/status(\.d/[^/]+)?$")  # one file, or in a distroless base one a package


class CycloneDx:
    """What cyclonedx-python-lib writes."""

    def runtime(self, layout: Path, subject: Subject) -> str:
        """Return the SBOM of the runtime's image. Raises ConfigError on layers that can't be read."""
        from cyclonedx.model.component import ComponentType

        found = {one for name, content in files_in(layout, _is_wanted) for one in _packages(name, content)}
        return _document(subject, ComponentType.CONTAINER, [_library(*one) for one in sorted(found)], {})

    def model(self, package: Path, subject: Subject) -> str:
        """Return the ML-BOM of a model package. Raises PackageError where release.json can't be read."""
        from cyclonedx.model.component import ComponentType

        release = read_release(package)
        told = {
            "git_commit": release.git_commit,
            "data_version": release.data_version,
            "checkpoint": release.checkpoint,
            **{f"variant.{name}": file for name, file in release.variants.items()},
        }
        files = [_file(name, digest) for name, digest in sorted(release.files.items())]
        return _document(subject, ComponentType.MACHINE_LEARNING_MODEL, files, told)


def open_inventory() -> CycloneDx:
    """Return what lists an image's content. Raises ConfigError where its library is not installed."""
    if find_spec("cyclonedx") is None:
        raise ConfigError("cyclonedx-python-lib is not installed: pip install -r environments/ci/images.txt")
    return CycloneDx()


def _is_wanted(name: str) -> bool:
    return bool(DIST_INFO.search(name) or DPKG.match(name))


def _packages(name: str, content: bytes) -> Iterator[tuple[str, str, str, str]]:
    """Yield kind, name, version and licence of the packages that a file tells of."""
    if DPKG.match(name):
        for paragraph in content.split(b"\n\n"):
            fields = BytesHeaderParser().parsebytes(paragraph)
            if fields["Package"] and "installed" in (fields["Status"] or "installed"):
                yield "deb", fields["Package"], fields["Version"], ""
    else:
        fields = BytesHeaderParser().parsebytes(content)
        yield "pypi", re.sub(r"[-_.]+", "-", fields["Name"]).lower(), fields["Version"], fields[
            "License-Expression"
        ] or ""


def _library(kind: str, name: str, version: str, licence: str) -> Component:
    from cyclonedx.factory.license import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL(kind, "debian" if kind == "deb" else None, name, version)
    licences = [LicenseFactory().make_from_string(licence)] if licence else []
    reference = purl.to_string()
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, licenses=licences, bom_ref=reference
    )


def _file(name: str, digest: str) -> Component:
    from cyclonedx.model import HashType
    from cyclonedx.model.component import Component, ComponentType

    kind = ComponentType.MACHINE_LEARNING_MODEL if name.endswith(".onnx") else ComponentType.FILE
    return Component(type=kind, name=name, bom_ref=f"file:{name}", hashes=[HashType.from_composite_str(digest)])


def _document(subject: Subject, kind: object, components: Iterable[Component], told: Mapping[str, str]) -> str:
    from cyclonedx.model import HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.output.json import JsonV1Dot6

    root = Component(
        type=kind,  # type: ignore[arg-type]
        name=subject.name,
        version=subject.version,
        bom_ref=f"{subject.name}@{subject.digest}",
        hashes=[HashType.from_composite_str(subject.digest)],
        properties=[Property(name=f"visionline:{name}", value=value) for name, value in told.items()],
    )
    bom = Bom(components=components, serial_number=uuid5(NAMESPACE_URL, subject.digest))
    bom.metadata.component, bom.metadata.timestamp = root, datetime.fromtimestamp(0, timezone.utc)
    bom.register_dependency(root, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
