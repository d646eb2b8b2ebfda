"""Follows a folder of model packages: what lies there, by each model's policy, becomes what desired.json declares.

FOLDER/<model>/<version>/ is a package (modelpackage.release), FOLDER/<model>/policy.yaml and tags.json say which
versions are served (serving.policy); FOLDER/policy.yaml stands for the models that have none of their own. A package
is taken up once it is whole: release.json is there and each file is as it says. From then on it counts until its
release.json goes or changes, so that whatever happens to the other files unloads nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from modelpackage import PackageError, open_package, package_digest
from serving.declare import Models, declare
from serving.desired import DesiredModel
from serving.errors import ServingError, one_line
from serving.policy import Package, Policy, choose, read_policy, read_tags

LOOK_SECONDS = 1.0

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Wanted:
    """What a folder asks for: models to declare, and names of models of which what is declared stays as it is."""

    models: Mapping[str, DesiredModel]
    kept: frozenset[str]


def follow(folder: Path, directory: Path, stop: Event) -> None:
    """Declare in DIRECTORY/desired.json what the folder asks for, until told to stop. For a thread of its own."""
    watch, problem = Watch(folder.resolve()), ""
    while not stop.is_set():
        try:
            wanted = watch.look()
            declare(directory, lambda models: merge(models, wanted, folder.resolve()))
            problem = ""
        except Exception as error:  # whatever lies in the folder must not end the following; the next look tries again
            new = str(error) if isinstance(error, ServingError) else one_line(error)
            problem = _log(new, problem)
        stop.wait(LOOK_SECONDS)


def merge(declared: Models, wanted: Wanted, folder: Path) -> dict[str, DesiredModel]:
    """Return the models to declare: those from elsewhere and those kept as they are, the folder's as it asks."""
    others = {name: model for name, model in declared.items() if name in wanted.kept or not is_of(model, folder)}
    return {**others, **wanted.models}


def is_of(model: DesiredModel, folder: Path) -> bool:
    """Tell whether a model's packages lie in the folder."""
    return bool(model.deployments) and all(
        Path(one.package).is_relative_to(folder) for one in model.deployments.values()
    )


class Watch:
    """What is known of a folder's packages from look to look, so that each is checked once and not at each look."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds a folder a model."""
        self._folder = folder
        self._whole: dict[Path, Package] = {}
        self._refused: dict[Path, Fingerprint] = {}
        self._problems: dict[str, str] = {}

    def look(self) -> Wanted:
        """Return what the folder asks for now. A model that can't be read stays as it is. Raises OSError."""
        models, kept = {}, set()
        for folder in sorted(path for path in self._folder.iterdir() if path.is_dir() and path.name[0] != "."):
            try:
                wanted = self._wanted(folder)
                self._problems.pop(folder.name, None)
            except Exception as error:  # whatever lies there is no reason to stop following the others
                wanted = None
                reason = str(error) if isinstance(error, ServingError) else f"{folder}: {one_line(error)}"
                self._problems[folder.name] = _log(reason, self._problems.get(folder.name, ""))
            if wanted is None:
                kept.add(folder.name)
            elif wanted.deployments:
                models[folder.name] = wanted
        return Wanted(models, frozenset(kept))

    def _wanted(self, folder: Path) -> DesiredModel | None:
        """Return what a model's folder asks for; None where it leaves that to calls."""
        policy, tags = policy_of(self._folder, folder.name), read_tags(folder / "tags.json")
        return None if policy.policy == "explicit" else choose(policy, self.packages(folder.name), tags)

    def packages(self, model: str) -> dict[int, Package]:
        """Return the whole packages of a model, by version."""
        folders = (path for path in (self._folder / model).iterdir() if path.is_dir() and path.name.isdecimal())
        found = {int(path.name): self._package(path) for path in folders}
        return {version: package for version, package in found.items() if package is not None}

    def _package(self, folder: Path) -> Package | None:
        try:
            digest = package_digest(folder)
            known = self._whole.get(folder)
            if known is None or known.digest != digest:
                known = self._check(folder, digest)
        except PackageError:
            known = None  # no release.json, yet or any more
        if known is None:
            self._whole.pop(folder, None)
        return known

    def _check(self, folder: Path, digest: str) -> Package | None:
        state = _fingerprint(folder)
        if self._refused.get(folder) == state:
            return None
        try:
            release = open_package(folder, digest)
        except PackageError as error:
            self._refused[folder] = state
            _log(f"{error}: it is not taken up before")
            return None
        package = self._whole[folder] = Package(str(folder), digest, tuple(sorted(release.variants)))
        return package


def policy_of(folder: Path, model: str) -> Policy:
    """Return the policy of a model: its own, or else the folder's. Raises ServingError."""
    own = folder / model / "policy.yaml"
    return read_policy(own if own.exists() else folder / "policy.yaml")


def _fingerprint(folder: Path) -> Fingerprint:
    known = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return tuple((str(path), stat.st_size, stat.st_ctime_ns) for path, stat in known)


def _log(line: str, before: str = "") -> str:
    if line != before:
        print(line, file=sys.stderr, flush=True)
    return line
