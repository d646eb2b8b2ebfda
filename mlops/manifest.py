"""What a folder holds: the digest of each of its files, and one version that the same bytes have on any machine.

Hidden files, as a killed download leaves them, are no part of it. It does not know what the files mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.errors import ConfigError
from modelpackage import digest_file, digest_json

VERSION_DIGITS = 16


@dataclass(frozen=True)
class Manifest:
    """The files of one version, by their path within it, and their digests."""

    files: dict[str, str]

    @property
    def digest(self) -> str:
        """Return `sha256:<hex>` of all names and contents together."""
        return digest_json(self.files)

    @property
    def version(self) -> str:
        """Return the name that the content has on any machine."""
        return self.digest.removeprefix("sha256:")[:VERSION_DIGITS]


def manifest_of(folder: Path) -> Manifest:
    """Return what a folder holds. Raises ConfigError where that is nothing."""
    manifest = Manifest(_digests(folder))
    if not manifest.files:
        raise ConfigError(f"{folder}: holds no files to publish: run the step that writes them first")
    return manifest


def damage(folder: Path, manifest: Manifest) -> str | None:
    """Return what is wrong with the first file that is not as the manifest says, or None."""
    present = _digests(folder)
    for name in sorted({*present, *manifest.files}):
        if name not in present:
            return f"{name} is missing"
        if name not in manifest.files:
            return f"{name} does not belong here"
        if present[name] != manifest.files[name]:
            return f"{name} is {present[name]}, published as {manifest.files[name]}"
    return None


def expect_same(copy: Path, source: Path, manifest: Manifest) -> None:
    """Raise ConfigError where the copy of a source folder is not what its manifest says."""
    found = damage(copy, manifest)
    if found:
        raise ConfigError(f"{source}: changed while it was published ({found}): publish it again")


def _digests(folder: Path) -> dict[str, str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    visible = (name for name in names if not any(part.startswith(".") for part in name.split("/")))
    return {name: digest_file(folder / name) for name in sorted(visible)}
