"""DataStore on this machine: <home>/data/<name>/<version>/, where the version is a digest of the files' content.

A manifest beside the folder, <version>.json, names each file's digest, so that a damaged file can be named. Hidden
files (what a killed download leaves) are no part of a version. It does not know what the files mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.loading import read_json, write_json
from mlops.manifest import Manifest, damage, expect_same, manifest_of
from mlops.records import DataRecord
from mlops.storage import locked, place_folder


@dataclass(frozen=True)
class LocalDataStore:
    """The data store whose state is in `folder`."""

    folder: Path

    def publish(self, name: str, folder: Path) -> DataRecord:
        """Store the folder's files as a version named by their content. The same bytes are stored once.

        A stored version that was damaged is put right. Raises ConfigError where there is nothing to publish.
        """
        manifest = manifest_of(folder)
        version, path = manifest.version, self._path(name, manifest.version)
        with locked(self.folder / ".lock"):
            write_json(self._manifest_path(name, version), manifest)
            if not path.is_dir() or damage(path, manifest):
                place_folder(folder, path, lambda copy: expect_same(copy, folder, manifest))
        return DataRecord(name, version, str(path))

    def fetch(self, name: str, version: str) -> DataRecord:
        """Return a published version, its files checked. Raises ConfigError where it is unknown or damaged."""
        path = self._path(name, version)
        if not path.is_dir() or not self._manifest_path(name, version).exists():
            raise ConfigError(f"{path}: no such data version: run `python -m mlops data` to publish it")
        manifest = read_json(Manifest, self._manifest_path(name, version))
        found = damage(path, manifest)
        if found or manifest.version != version:
            raise ConfigError(
                f"{path}: {found or 'the manifest was changed'}: run `python -m mlops data` to put it right"
            )
        return DataRecord(name, version, str(path))

    def _path(self, name: str, version: str) -> Path:
        return self.folder / name / version

    def _manifest_path(self, name: str, version: str) -> Path:
        return self.folder / name / f"{version}.json"


def open_data_store(stage: Stage) -> LocalDataStore:
    """Return the data store of the stage's home."""
    return LocalDataStore(stage.home / "data")
