"""Engines that were built on this kind of GPU, by all that an engine depends on. What is of another kind is refused.

CACHE/<key>/engine.json says of what GPU architecture, driver, TensorRT, ONNX file and precision the engine is, by what
it was judged, how it did, and the digest of model.plan; the key is the digest of all but the last two. A folder that
was copied, renamed or damaged no longer fits what it says, and counts as absent: no engine is ever run on another GPU
than it was built on. What no pod has started with for UNUSED_SECONDS, as after a new driver or model, goes before the
next build.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from modelpackage import digest_file, digest_json
from serving.files import write_json

PLAN = "model.plan"
ENGINE = "engine.json"
UNUSED_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Key:
    """All that an engine and the verdict on it depend on.

    `shapes` are those that it was built for, smallest, best and largest; `gate` is the digest of what judged it.
    """

    gpu: str
    architecture: str
    driver: str
    tensorrt: str
    onnx: str
    precision: str
    shapes: tuple[str, ...]
    gate: str

    @property
    def digest(self) -> str:
        """Return the key's name: 64 hex digits."""
        return digest_json(asdict(self)).removeprefix("sha256:")


@dataclass(frozen=True)
class Judged:
    """The verdict on a build: why the engine is not used (None: it is), its figures, and its file's digest."""

    reason: str | None
    difference: float | None = None
    seconds: float | None = None
    onnxruntime_seconds: float | None = None
    plan: str | None = None


def find(cache: Path, key: Key) -> Judged | None:
    """Return the verdict on the key's build, None where there is none, or what is there is not of this key.

    Its last use is noted, as the time of engine.json's last change.
    """
    folder = cache / key.digest
    try:
        said = json.loads((folder / ENGINE).read_bytes())
        judged = Judged(**said["judged"])
        of_this_key = said["key"] == {**asdict(key), "shapes": list(key.shapes)}
        whole = judged.reason is not None or digest_file(folder / PLAN) == judged.plan
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not (of_this_key and whole):
        return None
    os.utime(folder / ENGINE)
    return judged


def drop_unused(cache: Path) -> None:
    """Drop the engines that nobody has used for long, and what a pod that was killed in a build left.

    To be called by who holds the cache: nobody else builds then.
    """
    for folder in (one for one in cache.iterdir() if one.is_dir()):
        try:
            is_used = time.time() - (folder / ENGINE).stat().st_mtime < UNUSED_SECONDS
        except OSError:
            is_used = False
        if not is_used:
            shutil.rmtree(folder, ignore_errors=True)


def keep(cache: Path, key: Key, plan: Path | None, judged: Judged) -> Path:
    """Put the verdict on a build, and its engine where it is used, under its key, and return the folder.

    Raises OSError where it can't be written, as where the volume is full.
    """
    folder = cache / key.digest
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if plan is not None:
        shutil.copyfile(plan, folder / PLAN)
    write_json(folder / ENGINE, {"key": asdict(key), "judged": asdict(judged)})  # last: without it there is nothing
    return folder


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Hold the cache, so that pods that start at once on one node build once. Raises OSError where it can't be held."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
