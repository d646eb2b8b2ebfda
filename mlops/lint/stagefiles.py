"""Whether the stage files load, and the numbers and times in them can be. Every wrong key is shown, not only the first.

load_stage stops at the first wrong key. So that key is taken out of a copy of its file and the copy is read again.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlops.config import Stage, load_stage
from mlops.delivery.scaling import stage_rival
from mlops.errors import ConfigError
from mlops.lint.document import Document, Keys, read_document, text_of
from mlops.lint.finding import Finding
from mlops.lint.stagevalues import Wrong, contradictions, job_inputs, wrong_values
from mlops.names import STAGES

FOLDER = "mlops/stages"
BASE = "base.yaml"
BASE_NAME = "base"
MISSING = "is missing"
UNKNOWN_KEY = re.compile(r"unknown key '([^']+)'")


def load_stages(root: Path) -> dict[str, Stage | None]:
    """Return the stages of a repository by name, None for one whose file does not load; nothing where it has none."""
    folder = root / FOLDER
    loaded = {name: _load(name, folder) for name in STAGES} if folder.is_dir() else {}
    return {name: stage if isinstance(stage, Stage) else None for name, stage in loaded.items()}


def findings(root: Path, stages: Mapping[str, Stage | None]) -> Iterator[Finding]:
    """Yield what is wrong in a repository's stage files, of which `stages` tells those that load."""
    folder = root / FOLDER
    paths = [path for path in folder.glob("*.yaml") if path.is_file()]
    read = {path.stem: read_document(path, _name(path), text_of(path)) for path in paths}
    found = {one for one in read.values() if isinstance(one, Finding)}
    yield from found
    if not found:
        yield from {one for name, stage in stages.items() if stage is None for one in _wrong_keys(name, folder)}
    for document in read.values():
        if isinstance(document, Document):
            yield from _values(document)
    documents = {name: one for name, one in read.items() if isinstance(one, Document)}
    inputs = job_inputs(root)
    for name, stage in stages.items():
        for keys, text in _contradictions(name, stage, inputs) if stage else ():
            yield _saying(name, keys, documents).finding(keys, text)


def _contradictions(name: str, stage: Stage, inputs: tuple[str, ...] | None) -> Iterator[Wrong]:
    yield from contradictions(stage, inputs)
    if rival := stage_rival(stage):
        yield ("kubernetes", "autoscaling"), f"{name}: kubernetes.autoscaling: {rival}"


def _saying(name: str, keys: Keys, read: Mapping[str, Document]) -> Document:
    """Return the file that says a stage's value: its own, or else the base."""
    inner: Any = read[name].content
    for key in keys:
        if not isinstance(inner, Mapping) or key not in inner:
            return read.get(BASE_NAME, read[name])
        inner = inner[key]
    return read[name]


def _load(name: str, folder: Path) -> Stage | ConfigError:
    try:
        return load_stage(name, folder)
    except ConfigError as error:
        return error


def _wrong_keys(name: str, folder: Path) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / "stages", ignore_dangling_symlinks=True))
        while isinstance(error := _load(name, copy), ConfigError):
            said = str(error).removeprefix(f"{copy / name}.yaml: ").replace(f"{copy}/", f"{FOLDER}/")
            place = _place(said, copy, name)
            original = _read(folder / place[0].name)
            line = original.line(place[1]) if original else 1
            yield Finding(_name(place[0]), line, said)
            is_ours = place[0].stem == name or UNKNOWN_KEY.search(said)
            if MISSING in said or not is_ours or not _take_out(*place):
                return


def _place(said: str, copy: Path, name: str) -> tuple[Path, Keys]:
    """Return the file, of a stage's own and the base, that has the key of which a message speaks, and the key."""
    best: tuple[Path, Keys] = (copy / f"{name}.yaml", ())
    for path in (copy / f"{name}.yaml", copy / BASE):
        document = _read(path)
        keys = _keys(said, document.content) if document else ()
        if len(keys) > len(best[1]):
            best = (path, keys)
    return best


def _keys(said: str, content: Mapping[str, Any]) -> Keys:
    """Return the keys that a message begins with, as far as a file has them."""
    unknown = UNKNOWN_KEY.search(said)
    head = said[: unknown.start()] if unknown else said
    names = [*re.findall(r"[^\s:.\[\]]+", head), *([unknown[1]] if unknown else [])]
    keys: list[str] = []
    inner: Any = content
    for name in names:
        if not isinstance(inner, Mapping) or name not in inner:
            break
        keys.append(name)
        inner = inner[name]
    return tuple(keys)


def _take_out(path: Path, keys: Keys) -> bool:
    """Take a key out of a file. Tell whether that was possible, and another one may show."""
    document = _read(path)
    if document is None or not keys:
        return False
    inner: Any = document.content
    for key in keys[:-1]:
        inner = inner[key]
    if not isinstance(inner, dict):
        return False
    del inner[keys[-1]]
    path.write_text(yaml.safe_dump(document.content), encoding="utf-8")
    return True


def _read(path: Path) -> Document | None:
    if not path.is_file():
        return None
    document = read_document(path, path.name, text_of(path))
    return document if isinstance(document, Document) else None


def _name(path: Path) -> str:
    return f"{FOLDER}/{path.name}"


def _values(document: Document) -> Iterator[Finding]:
    yield from (document.finding(keys, text) for keys, text in wrong_values(document.content))
