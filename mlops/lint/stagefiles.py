"""Whether the stage files load, and the numbers and times in them can be. Every wrong key is shown, not only the first.

load_stage stops at the first wrong key. So that key is taken out of a copy of its file and the copy is read again.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from mlops.config import Stage, load_stage
from mlops.delivery.scaling import stage_rival
from mlops.errors import ConfigError
from mlops.jobfile.triggers import check_cron, check_time_zone
from mlops.lint.document import Document, Keys, read_document, text_of
from mlops.lint.finding import Finding, refusals
from mlops.lint.resources import is_shm_size, too_small
from mlops.names import STAGES

FOLDER = "mlops/stages"
BASE = "base.yaml"
BASE_NAME = "base"
LEAST = {
    "azureml.clusters.*.min_nodes": 0,
    "azureml.clusters.*.max_nodes": 1,
    "azureml.clusters.*.idle_seconds": 1,
    "azureml.training.nodes": 1,
    "azureml.training.processes_per_node": 1,
    "azureml.online.instances": 1,
    "azureml.batch.nodes": 1,
    "azureml.batch.mini_batch_size": 1,
    "azureml.batch.max_failed": -1,
    "local.workers": 1,
}
TIMES = {"azureml.retraining.cron": check_cron, "azureml.retraining.time_zone": check_time_zone}
SHM_SIZE = "azureml.training.shm_size"
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
    for name, stage in stages.items():
        if stage and (rival := stage_rival(stage)):
            yield _scaling(name, {file: one for file, one in read.items() if isinstance(one, Document)}, rival)


def _scaling(name: str, read: Mapping[str, Document], rival: str) -> Finding:
    """Return what is wrong with a stage's autoscaling, in the file that says it: its own, or else the base."""
    own = read[name].content.get("kubernetes")
    says_it = BASE_NAME not in read or isinstance(own, Mapping) and "autoscaling" in own
    return read[name if says_it else BASE_NAME].finding(
        ("kubernetes", "autoscaling"), f"{name}: kubernetes.autoscaling: {rival}"
    )


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
    for keys, value in _leaves((), document.content):
        dotted = ".".join(keys)
        least = next((least for pattern, least in LEAST.items() if fnmatchcase(dotted, pattern)), None)
        if least is not None and too_small(value, least):
            yield document.finding(keys, f"{dotted}: is {value}: write {least} or more")
        if dotted in TIMES and value is not None:
            where = dotted.rpartition(".")[0]
            yield from (document.finding(keys, one) for one in refusals(TIMES[dotted], str(value), where))
        if dotted == SHM_SIZE and not is_shm_size(value):
            yield document.finding(keys, f"{dotted}: '{value}' is no size: write a number with b, k, m or g, as 8g")


def _leaves(keys: Keys, content: Mapping[str, Any]) -> Iterator[tuple[Keys, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves((*keys, key), value)
        else:
            yield (*keys, key), value
