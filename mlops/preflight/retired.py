"""What of a stage is retired, or will be within half a year: sizes, bases of images, versions of APIs and clusters.

The dates are in retirements.yaml, each with its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlops.config import REPOSITORY, Stage
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning
from mlops.preflight.quota import demands_of

TABLE = Path(__file__).with_name("retirements.yaml")
SOON = timedelta(days=180)
FROM = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)", re.MULTILINE | re.IGNORECASE)
ARGUMENT = re.compile(r"^ARG\s+(\w+)=(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class End:
    """When something ends."""

    name: str
    pattern: str
    date: date


@cache
def table() -> dict[str, Any]:
    """Return the file as it stands: lists of ends, and API versions by type."""
    return dict(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def ends(kind: str) -> list[End]:
    """Return the ends of a kind: sizes, images or kubernetes."""
    return [End(**one) for one in table()[kind]]


def bases(dockerfiles: Mapping[str, str]) -> dict[str, str]:
    """Return the images that Dockerfiles build on, by `file: image`; one that an ARG names is the ARG's default."""
    found = ((name, image) for name, text in dockerfiles.items() for image in _images(text))
    return {f"{name}: {image}": image for name, image in found}


def own_lines(stage: Stage) -> Iterator[CheckLine]:
    """Yield what of the stage's sizes and of this repository's images has ended, or will soon, as of today."""
    files = (REPOSITORY / "environments").glob("*/Dockerfile")
    texts = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in sorted(files)}
    yield from lines(stage, texts, date.today())


def lines(stage: Stage, dockerfiles: Mapping[str, str], today: date) -> Iterator[CheckLine]:
    """Yield what ends of the stage's sizes and of the images' bases, or that nothing does."""
    sizes = {f"{one.what}: {one.size}": one.size for one in demands_of(stage)}
    found = [*_ending(sizes, ends("sizes"), today), *_ending(bases(dockerfiles), ends("images"), today)]
    yield from found
    if not found:
        yield ok("retirement", f"no size and no image ends within {SOON.days} days (table of {table()['checked']})")


def cluster_lines(version: str, today: date) -> Iterator[CheckLine]:
    """Yield a warning where a cluster's version, as v1.35.2, has ended or will soon: vendors may support it longer."""
    for line in _ending({"cluster": version}, ends("kubernetes"), today):
        yield warning("retirement", f"{line.text}, unless its vendor still supports it")


def api_lines(resource_types: Iterable[Mapping[str, Any]]) -> Iterator[CheckLine]:
    """Yield the API versions that we send and Azure no longer offers, by what it says of its resource types."""
    offered = {str(one["resourceType"]).lower(): set(one.get("apiVersions") or ()) for one in resource_types}
    gone = [
        f"{kind} {version}"
        for kind, versions in table()["api_versions"].items()
        for version in map(str, versions)
        if offered.get(kind.lower()) and version not in offered[kind.lower()]
    ]
    if gone:
        yield failure("API versions", f"no longer offered: {', '.join(gone)}: upgrade azure-ai-ml in environments/ci")
    else:
        yield ok("API versions", "those that we send are offered")


def _images(dockerfile: str) -> Iterator[str]:
    defaults = dict(ARGUMENT.findall(dockerfile))
    for image in FROM.findall(dockerfile):
        yield re.sub(r"\$\{?(\w+)\}?", lambda named: defaults.get(named[1], named[0]), image)


def _ending(names: Mapping[str, str], known: list[End], today: date) -> Iterator[CheckLine]:
    for where, name in names.items():
        for end in (one for one in known if re.fullmatch(one.pattern, name, re.IGNORECASE)):
            if end.date <= today:
                yield failure("retirement", f"{where}: {end.name} ended on {end.date}: choose another")
            elif end.date - today <= SOON:
                yield warning("retirement", f"{where}: {end.name} ends on {end.date}: choose another before")
