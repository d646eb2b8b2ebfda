"""Registry on this machine: MLflow's model registry over sqlite, and the packages in folders named by their digest.

<home>/mlflow.db holds versions and tags, <home>/models/<model>/<digest>/ the sealed packages. `mlflow ui
--backend-store-uri sqlite:///<home>/mlflow.db` shows it. It knows no stages: a stage tag is a tag like any other.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.storage import locked, place_folder
from mlops.config import Stage
from mlops.errors import RegistryError
from mlops.names import TAG_DIGEST
from mlops.ports import Registry
from mlops.records import ModelVersion
from modelpackage import PackageError, is_intact, open_package, package_digest

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

TAG_ARCHIVED = "archived"  # MLflow's registry only knows how to delete


@dataclass(frozen=True)
class LocalRegistry:
    """The registry whose state is in `home`."""

    home: Path

    def register(self, model: str, package: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Store a sealed package as the next version. The same package again gives the version that it has.

        Raises RegistryError where the package is damaged; then nothing is stored.
        """
        with locked(self._lock), _in_one_line():
            digest = package_digest(package)
            self._store(model, package, digest)
            known = [one for one in self.versions(model).values() if one.digest == digest]
            return known[0] if known else self._create(model, digest, {**tags, TAG_DIGEST: digest})

    def versions(self, model: str) -> dict[int, ModelVersion]:
        """Return all versions of a model that are not archived, lowest first; empty where the model is unknown."""
        with _in_one_line():
            entries = [entry for entry in self._search(f"name='{model}'") if TAG_ARCHIVED not in entry.tags]
            found = [_model_version(entry) for entry in entries]
        return {one.version: one for one in sorted(found, key=lambda one: one.version)}

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version. Raises RegistryError where the version is unknown."""
        self._known(model, version)
        with locked(self._lock), _in_one_line():
            self._client.set_model_version_tag(model, str(version), key, value)

    def remove_tag(self, model: str, version: int, key: str) -> None:
        """Remove one tag of a version, if it has it. Raises RegistryError where the version is unknown."""
        if key in self._known(model, version).tags:
            with locked(self._lock), _in_one_line():
                self._client.delete_model_version_tag(model, str(version), key)

    def archive(self, model: str, version: int) -> None:
        """Hide a version from `versions`; its package stays. Raises RegistryError where the version is unknown."""
        self.set_tag(model, version, TAG_ARCHIVED, "true")

    def copy_to(self, model: str, version: int, other: Registry) -> None:
        """Make a version known to another registry, under its number; nothing where that is this one."""
        if other != self:
            known = self._known(model, version)
            other.receive(known, self._folder(model, known.digest))

    def receive(self, version: ModelVersion, package: Path) -> None:
        """Store a package under the number that it has elsewhere. Raises RegistryError where MLflow numbers it anew."""
        number = self.register(version.model, package, version.tags).version
        if number != version.version:
            raise RegistryError(
                f"{version.model} {version.version} is version {number} in {self.home}: MLflow numbers by itself: use "
                "one home for all stages"
            )

    def download(self, model: str, version: int, folder: Path) -> Path:
        """Put the package of a version at `folder`, checked against the version's digest, whole or not at all.

        A folder that holds it already is left as it is. Raises RegistryError where the version is unknown or damaged.
        """
        digest = self._known(model, version).digest
        with locked(self._lock), _in_one_line():
            if not is_intact(folder, digest):
                place_folder(self._folder(model, digest), folder, lambda copy: open_package(copy, digest))
        return folder

    @property
    def _lock(self) -> Path:
        return self.home / "registry.lock"

    @cached_property
    def _client(self) -> MlflowClient:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
        from mlflow.tracking import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # A lock of its own: two processes that make the tables at once fail, and `register` holds the other one.
        with locked(self.home / "registry.first.lock"):
            uri = f"sqlite:///{self.home / 'mlflow.db'}"
            return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def _known(self, model: str, version: int) -> ModelVersion:
        versions = self.versions(model)
        if version not in versions:
            raise RegistryError(f"{model} has no version {version}: see `python -m mlops status`")
        return versions[version]

    def _search(self, filter_string: str) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._client.search_model_versions(filter_string, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _store(self, model: str, package: Path, digest: str) -> None:
        folder = self._folder(model, digest)
        if not is_intact(folder, digest):
            place_folder(package, folder, lambda copy: open_package(copy, digest))

    def _create(self, model: str, digest: str, tags: dict[str, str]) -> ModelVersion:
        if not self._client.search_registered_models(f"name='{model}'"):
            self._client.create_registered_model(model)
        return _model_version(self._client.create_model_version(model, str(self._folder(model, digest)), tags=tags))

    def _folder(self, model: str, digest: str) -> Path:
        return self.home / "models" / model / digest.removeprefix("sha256:")


def open_registry(stage: Stage) -> LocalRegistry:
    """Return the registry of the stage's home."""
    return LocalRegistry(stage.home)


def _model_version(entry: Any) -> ModelVersion:
    return ModelVersion(entry.name, int(entry.version), entry.tags.get(TAG_DIGEST, ""), dict(entry.tags))


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Turn what MLflow, sqlite and the file system raise into RegistryError."""
    try:
        yield
    except (PackageError, OSError) as error:
        raise RegistryError(str(error)) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("mlflow", "sqlalchemy", "sqlite3", "alembic"):
            raise
        raise RegistryError(f"registry: {' '.join(str(error).split())}: see `python -m mlops status`") from None
