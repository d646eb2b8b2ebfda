"""DataStore on this machine: <home>/data/<name>/<version>/, where the version is a digest of the files' content.

A manifest beside the folder, <version>.json, names each file's digest, so that a damaged file can be named. Hidden
files (what a killed download leaves) are no part of a version. It does not know what the files mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.storage import locked, place_folder
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.loading import read_json, write_json
from mlops.records import DataRecord
from modelpackage import digest_file, digest_json

VERSION_DIGITS = 16


@dataclass(frozen=True)
class Manifest:
    """The files of one version, by their path within it, and their digests."""

    files: dict[str, str]

    @property
    def version(self) -> str:
        """Return the name that the content has on any machine."""
        return digest_json(self.files).removeprefix("sha256:")[:VERSION_DIGITS]


@dataclass(frozen=True)
class LocalDataStore:
    """The data store whose state is in `folder`."""

    folder: Path

    def publish(self, name: str, folder: Path) -> DataRecord:
        """Store the folder's files as a version named by their content. The same bytes are stored once.

        A stored version that was damaged is put right. Raises ConfigError where there is nothing to publish.
        """
        manifest = Manifest(_digests(folder))
        if not manifest.files:
            raise ConfigError(f"{folder}: holds no files to publish: run the step that writes them first")
        version, path = manifest.version, self._path(name, manifest.version)
        with locked(self.folder / ".lock"):
            write_json(self._manifest_path(name, version), manifest)
            if not path.is_dir() or _damage(path, manifest):
                place_folder(folder, path, lambda copy: _expect_same(copy, folder, manifest))
        return DataRecord(name, version, str(path))

    def fetch(self, name: str, version: str) -> DataRecord:
        """Return a published version, its files checked. Raises ConfigError where it is unknown or damaged."""
        path = self._path(name, version)
        if not path.is_dir() or not self._manifest_path(name, version).exists():
            raise ConfigError(f"{path}: no such data version: run `python -m mlops data` to publish it")
        manifest = read_json(Manifest, self._manifest_path(name, version))
        damage = _damage(path, manifest)
        if damage or manifest.version != version:
            raise ConfigError(
                f"{path}: {damage or 'the manifest was changed'}: run `python -m mlops data` to put it right"
            )
        return DataRecord(name, version, str(path))

    def _path(self, name: str, version: str) -> Path:
        return self.folder / name / version

    def _manifest_path(self, name: str, version: str) -> Path:
        return self.folder / name / f"{version}.json"


def open_data_store(stage: Stage) -> LocalDataStore:
    """Return the data store of the stage's home."""
    return LocalDataStore(stage.home / "data")


def _digests(folder: Path) -> dict[str, str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    visible = (name for name in names if not any(part.startswith(".") for part in name.split("/")))
    return {name: digest_file(folder / name) for name in sorted(visible)}


def _damage(folder: Path, manifest: Manifest) -> str | None:
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


def _expect_same(copy: Path, source: Path, manifest: Manifest) -> None:
    damage = _damage(copy, manifest)
    if damage:
        raise ConfigError(f"{source}: changed while it was published ({damage}): publish it again")
