"""The repository around a file: what its files are, which clusters the stages have, where environments stand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mlops.lint.document import Document, kind_in, read_document, text_of
from mlops.lint.finding import Finding

SUFFIXES = (".yml", ".yaml")
JOBS = "mlops/jobs"
# What is no source of the repository: version control and what was installed, anywhere; state and builds, at its top.
SKIPPED = {".git", "node_modules", "__pycache__", "site-packages"}
STATE = {".visionline", "runs", "build"}
INSTALLED = "pyvenv.cfg"


@dataclass(frozen=True)
class Surroundings:
    """A repository's Azure ML files by path, and what in it could not be read. `clusters`: None where no stage says."""

    root: Path
    documents: Mapping[Path, Document]
    unreadable: tuple[Finding, ...] = ()
    clusters: frozenset[str] | None = None
    kept: dict[Path, Document | None] = field(default_factory=dict, compare=False)

    @cached_property
    def environments(self) -> frozenset[str]:
        """Return the runtimes that the repository defines, in folders or in files."""
        folder = self.root / "environments"
        folders = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
        files = {str(one.content.get("name")) for one in self.documents.values() if one.kind == "environment"}
        return frozenset(f"visionline-{name}" for name in folders) | files

    @cached_property
    def computes(self) -> frozenset[str]:
        """Return the computes that the repository's own files define."""
        kinds = ("amlCompute", "computeInstance", "kubernetesCompute")
        return frozenset(str(one.content.get("name")) for one in self.documents.values() if one.kind in kinds)

    def document(self, path: Path) -> Document | None:
        """Return the Azure ML file at a path, None where none can be read there."""
        path = path.resolve()
        if path in self.documents:
            return self.documents[path]
        if path not in self.kept:
            self.kept[path] = _document(path)
        return self.kept[path]


def survey(root: Path, clusters: frozenset[str] | None) -> Surroundings:
    """Read each Azure ML file of a repository: each with such a $schema, and each under mlops/jobs."""
    documents: dict[Path, Document] = {}
    unreadable = []
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        text = text_of(path)
        if not kind_in(text) and not name.startswith(f"{JOBS}/"):
            continue
        read = read_document(path, name, text)
        if isinstance(read, Finding):
            unreadable.append(read)
        else:
            documents[path.resolve()] = read
    return Surroundings(root, documents, tuple(unreadable), clusters)


def _files(root: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(root):
        skipped = SKIPPED | STATE if Path(place) == root else SKIPPED
        folders[:] = sorted(one for one in folders if one not in skipped and not Path(place, one, INSTALLED).exists())
        named = (Path(place, name) for name in sorted(files) if name.endswith(SUFFIXES))
        yield from (path for path in named if path.is_file())  # and no link to one that is gone


def _document(path: Path) -> Document | None:
    if not path.is_file():
        return None
    read = read_document(path, path.name, text_of(path))
    return read if isinstance(read, Document) else None
