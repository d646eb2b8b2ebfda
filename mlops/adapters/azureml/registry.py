"""Registry on Azure ML: model versions of a workspace, or of a registry that stages share, with tags.

A version's digest is one of its properties, which Azure ML never lets change; what may change are its tags. Azure ML
has no write that fails when somebody else was faster, so each write is read back. It knows no stages.

Sources: learn.microsoft.com, "Work with models" and "Share models across workspaces with registries".
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops.adapters.azureml.failures import explained, status_of
from mlops.adapters.azureml.uploads import over_leftovers
from mlops.adapters.azureml.workspace import client_of, registry_client_of
from mlops.config import Stage
from mlops.errors import RegistryError
from mlops.names import TAG_DIGEST
from mlops.ports import Registry
from mlops.records import ModelVersion
from mlops.storage import place_folder
from modelpackage import PackageError, is_intact, open_package, package_digest
from modelpackage.release import RELEASE_FILE

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

ATTEMPTS = 5
# Azure ML writes all tags of a version at once, whatever was read before. So a writer looks again after longer than
# another one takes from its reading to its writing, and writes anew what that one did not know of.
SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class AzureRegistry:
    """The versions behind a client; `place` says where: a workspace's or a shared registry's name, for equality."""

    open_client: Callable[[], MLClient] = field(compare=False)
    place: tuple[str, ...]
    is_shared: bool = False

    def register(self, model: str, package: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Store a sealed package as the next version. The same package again gives the version that it has.

        Raises RegistryError where the package is damaged or Azure refuses; then no version is made.
        """
        digest, taken = _intact_digest(package), set[int]()
        for _ in range(ATTEMPTS):
            versions = self.versions(model)
            known = next((one for one in versions.values() if one.digest == digest), None)
            if known is not None:
                return known
            number = max(taken, default=0) + 1 if taken - set(versions) else self._next_number(model, versions)
            if not self._create(ModelVersion(model, number, digest, {**tags, TAG_DIGEST: digest}), package):
                taken.add(number)  # by somebody who was faster, or by a version that is archived and not listed
        raise RegistryError(f"{model}: others register at the same time, {ATTEMPTS} times over: run the step again")

    def receive(self, version: ModelVersion, package: Path) -> None:
        """Store a package under the number and with the tags that it has elsewhere.

        Raises RegistryError, also where that number is an archived version's here.
        """
        if not self._has(version) and not self._create(version, package) and not self._has(version):
            raise self._archived(version)

    def versions(self, model: str) -> dict[int, ModelVersion]:
        """Return all versions of a model that are not archived, lowest first; empty where the model is unknown.

        One that is no number was registered by other means than these steps, and is passed over.
        """
        found = (_model_version(entry) for entry in self._listed(model))
        return {one.version: one for one in sorted(found, key=lambda one: one.version)}

    def set_tag(self, model: str, version: int, key: str, value: str) -> None:
        """Set one tag of a version. Raises RegistryError where it is unknown, or others write without an end."""
        self._change_tags(model, version, lambda tags: {**tags, key: value})

    def remove_tag(self, model: str, version: int, key: str) -> None:
        """Remove one tag of a version, if it has it. Raises RegistryError where the version is unknown."""
        self._change_tags(model, version, lambda tags: {name: tags[name] for name in tags if name != key})

    def archive(self, model: str, version: int) -> None:
        """Hide a version from `versions`; its package stays. Raises RegistryError where it is unknown."""
        self._known(model, version)
        with explained(f"{model} {version}", RegistryError):
            self.open_client().models.archive(name=model, version=str(version))

    def download(self, model: str, version: int, folder: Path) -> Path:
        """Put the package of a version at `folder`, checked against the version's digest, whole or not at all.

        A folder that holds it already is left as it is. Raises RegistryError where it is unknown or damaged.
        """
        digest = self._known(model, version).digest
        if is_intact(folder, digest):
            return folder
        with tempfile.TemporaryDirectory() as scratch, explained(f"{model} {version}", RegistryError):
            self.open_client().models.download(name=model, version=str(version), download_path=scratch)
            try:
                place_folder(_package_in(Path(scratch)), folder, lambda copy: open_package(copy, digest))
            except (PackageError, OSError) as error:
                raise RegistryError(f"{model} {version} in {self.place[-1]}: {error}") from None
        return folder

    def copy_to(self, model: str, version: int, other: Registry) -> None:
        """Make a version known to another registry under the same number. Raises RegistryError."""
        if other == self:
            return
        known = self._known(model, version)
        if isinstance(other, AzureRegistry) and other.is_shared and not self.is_shared:
            self._share(known, other)
            return
        with tempfile.TemporaryDirectory() as scratch:
            other.receive(known, self.download(model, version, Path(scratch) / "package"))

    def _listed(self, model: str, **view: Any) -> list[Any]:
        from azure.core.exceptions import HttpResponseError

        with explained(f"models of {self.place[-1]}", RegistryError):
            try:
                return [one for one in self.open_client().models.list(name=model, **view) if _is_number(one.version)]
            except HttpResponseError as error:
                # Of a shared registry the SDK does not raise its ResourceNotFoundError.
                if status_of(error) != 404:
                    raise
                self._must_exist()  # else a mistyped workspace would be one without models
        return []

    def _must_exist(self) -> None:
        client = self.open_client()
        if not self.is_shared:  # the client of a registry asks for it itself, before anything else
            client.workspaces.get(client.workspace_name)

    def _share(self, known: ModelVersion, other: AzureRegistry) -> None:
        if not other._has(known) and not self._send(known, other.place[-1]) and not other._has(known):
            raise other._archived(known)
        # Sharing leaves the tags behind; those that the copy has got meanwhile are its own.
        other._change_tags(known.model, known.version, lambda tags: {**known.tags, **tags})

    def _send(self, known: ModelVersion, registry: str) -> bool:
        """Share a version with a registry; False where its number is taken there."""
        number = str(known.version)
        with explained(f"sharing {known.model} {number} with {registry}", RegistryError):
            return _unless_taken(
                lambda: self.open_client().models.share(
                    name=known.model,
                    version=number,
                    registry_name=registry,
                    share_with_name=known.model,
                    share_with_version=number,
                )
            )

    def _archived(self, version: ModelVersion) -> RegistryError:
        where = f"{version.model} {version.version} in {self.place[-1]}"
        return RegistryError(f"{where} is archived: restore it there (`az ml model restore`), then run again")

    def _has(self, version: ModelVersion) -> bool:
        there = self.versions(version.model).get(version.version)
        if there is None:
            return False
        if there.digest != version.digest and not (self.is_shared and not there.digest and self._holds(version)):
            where = f"{version.model} {version.version} is another model in {self.place[-1]}"
            raise RegistryError(f"{where} (digest {there.digest}): name another registry in the stage file")
        return True

    def _holds(self, version: ModelVersion) -> bool:
        """Tell whether the files of a number that has no digest are a version's: its sharing ended before its tags."""
        with tempfile.TemporaryDirectory() as scratch, explained(f"{version.model} {version.version}", RegistryError):
            number = str(version.version)
            self.open_client().models.download(name=version.model, version=number, download_path=scratch)
            return any(is_intact(found.parent, version.digest) for found in Path(scratch).rglob(RELEASE_FILE))

    def _create(self, version: ModelVersion, package: Path) -> bool:
        """Put a version; False where its number is taken."""
        from azure.ai.ml.entities import Model

        entity = Model(
            name=version.model,
            version=str(version.version),
            path=str(package),
            type="custom_model",
            tags=dict(version.tags),
            properties={TAG_DIGEST: version.digest},
        )
        with explained(f"registering {version.model} {version.version}", RegistryError):
            return _unless_taken(lambda: over_leftovers(lambda: self.open_client().models.create_or_update(entity)))

    def _next_number(self, model: str, versions: Mapping[int, ModelVersion]) -> int:
        # Archived versions keep their numbers, and are not among those that are listed.
        from azure.ai.ml.constants import ListViewType

        hidden = self._listed(model, list_view_type=ListViewType.ARCHIVED_ONLY)
        number = max((*versions, *(int(entry.version) for entry in hidden)), default=0) + 1
        while self.is_shared and self._is_there(model, number):  # there the SDK lists no archived ones
            number += 1
        return number

    def _is_there(self, model: str, number: int) -> bool:
        from azure.core.exceptions import HttpResponseError

        with explained(f"{model} {number}", RegistryError):
            try:
                self.open_client().models.get(name=model, version=str(number))
            except HttpResponseError as error:
                if status_of(error) != 404:
                    raise
                return False
        return True

    def _change_tags(self, model: str, version: int, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
        for _ in range(ATTEMPTS):
            tags = self._known(model, version).tags
            if change(tags) == tags:
                return
            with explained(f"tags of {model} {version}", RegistryError):
                entity = self.open_client().models.get(name=model, version=str(version))
                entity.tags = change(dict(entity.tags))
                self.open_client().models.create_or_update(entity)
            time.sleep(SETTLE_SECONDS)
        if change(self._known(model, version).tags) != self._known(model, version).tags:
            raise RegistryError(f"{model} {version}: others change its tags at the same time: run the step again")

    def _known(self, model: str, version: int) -> ModelVersion:
        versions = self.versions(model)
        if version not in versions:
            raise RegistryError(f"{model} has no version {version} in {self.place[-1]}: see `python -m mlops status`")
        return versions[version]


def open_registry(stage: Stage) -> AzureRegistry:
    """Return the registry that holds the stage's versions: the shared one where the stage file names it."""
    if stage.azureml.registry:
        return AzureRegistry(lambda: registry_client_of(stage), (stage.azureml.registry,), is_shared=True)
    azure = stage.azureml
    return AzureRegistry(lambda: client_of(stage), (azure.subscription, azure.resource_group, azure.workspace))


def _model_version(entry: Any) -> ModelVersion:
    tags = dict(entry.tags or {})
    # Where sharing leaves the properties behind, the tag that we set says it; the files are held to either.
    digest = (entry.properties or {}).get(TAG_DIGEST) or tags.get(TAG_DIGEST, "")
    return ModelVersion(entry.name, int(entry.version), digest, tags)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdecimal()


def _unless_taken(make: Callable[[], Any]) -> bool:
    """Make a version; False where its number is taken."""
    try:
        make()
    except Exception as error:
        # The SDK says so itself where it sees the number in use, Azure where somebody was faster.
        if status_of(error) != 409 and "already exists" not in str(error):
            raise
        return False
    return True


def _intact_digest(package: Path) -> str:
    try:
        digest = package_digest(package)
        open_package(package, digest)
    except PackageError as error:
        raise RegistryError(str(error)) from None
    return digest


def _package_in(folder: Path) -> Path:
    found = next(iter(sorted(folder.rglob(RELEASE_FILE))), None)
    if found is None:
        raise RegistryError(f"{folder.name}: what was downloaded holds no {RELEASE_FILE}: it is no model package")
    return found.parent
