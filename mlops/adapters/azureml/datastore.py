"""DataStore on Azure ML: data assets (uri_folder) in the workspace's default datastore, named by their content.

The version is the digest that the same files have in the local store; the whole digest is in the asset's tags. The
SDK uploads first and makes the asset last, so an upload that was cut off leaves no asset. It knows no stages.

Source: learn.microsoft.com, "Create data assets".
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.adapters.azureml.failures import explained
from mlops.adapters.azureml.uploads import over_leftovers
from mlops.adapters.azureml.workspace import client_of
from mlops.config import Stage
from mlops.errors import ConfigError
from mlops.manifest import VERSION_DIGITS, Manifest, expect_same, manifest_of
from mlops.names import TAG_DIGEST
from mlops.records import DataRecord
from mlops.storage import place_folder

if TYPE_CHECKING:
    from azure.ai.ml.entities import Data

TAG_FILES = "files"


@dataclass(frozen=True)
class AzureDataStore:
    """The data assets of a stage's workspace."""

    stage: Stage

    def publish(self, name: str, folder: Path) -> DataRecord:
        """Store the folder's files as a version named by their content. The same bytes are uploaded once.

        Raises ConfigError where there is nothing to publish or the version holds something else, StepError where
        Azure refuses; then no version is made, and another call goes on.
        """
        manifest = manifest_of(folder)
        version = manifest.version
        found = self._found(name, version)
        if found is None:
            self._upload(name, manifest, folder)
        else:
            _expect_digest(found, manifest.digest)
        return _record(name, version)

    def fetch(self, name: str, version: str) -> DataRecord:
        """Return a published version. Raises ConfigError where it is unknown or was not published by its content."""
        found = self._found(name, version)
        if found is None:
            place = self.stage.azureml.workspace
            raise ConfigError(
                f"{name} {version}: no such data version in {place}: run `python -m mlops data` to publish it"
            )
        _expect_version(found)
        return _record(name, version)

    def _found(self, name: str, version: str) -> Data | None:
        from azure.core.exceptions import ResourceNotFoundError

        with explained(f"data {name} {version}"):
            try:
                return client_of(self.stage).data.get(name=name, version=version)
            except ResourceNotFoundError:
                return None

    def _upload(self, name: str, manifest: Manifest, folder: Path) -> None:
        from azure.ai.ml.entities import Data

        tags = {TAG_DIGEST: manifest.digest, TAG_FILES: str(len(manifest.files))}
        # The SDK would upload hidden files, leave out what a .gitignore among the data names, and not see a change.
        with tempfile.TemporaryDirectory() as scratch, explained(f"uploading data {name} {manifest.version}"):
            copy = Path(scratch) / name
            place_folder(folder, copy, lambda placed: expect_same(placed, folder, manifest))
            asset = Data(name=name, version=manifest.version, path=str(copy), type="uri_folder", tags=tags)
            over_leftovers(lambda: client_of(self.stage).data.create_or_update(asset))


def open_data_store(stage: Stage) -> AzureDataStore:
    """Return the data store of the stage's workspace."""
    return AzureDataStore(stage)


def _record(name: str, version: str) -> DataRecord:
    return DataRecord(name, version, f"azureml:{name}:{version}")


def _expect_version(found: Data) -> None:
    tagged = (found.tags or {}).get(TAG_DIGEST, "")
    if tagged.removeprefix("sha256:")[:VERSION_DIGITS] != found.version:
        raise ConfigError(
            f"{found.name} {found.version}: its tag {TAG_DIGEST} is {tagged or 'absent'}, so it is not known what it "
            "holds: publish the data under another name (data.name in the stage file)"
        )


def _expect_digest(found: Data, digest: str) -> None:
    _expect_version(found)
    if (found.tags or {}).get(TAG_DIGEST) != digest:
        raise ConfigError(f"{found.name} {found.version}: holds other files: publish the data under another name")
