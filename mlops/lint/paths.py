"""What a file names that should be there: files beside it, the repository's environments, fixed versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops.lint.document import Keys
from mlops.lint.finding import Finding
from mlops.lint.parts import Part, as_mapping
from mlops.lint.references import asset, local_path
from mlops.lint.surroundings import Surroundings

# Keys whose value is a path where it is text and names nothing elsewhere; roles where they mean something else: none.
PATHS: tuple[Keys, ...] = (
    ("code",),
    ("model",),
    ("component",),
    ("trial",),
    ("conda_file",),
    ("build", "path"),
    ("create_job",),
)
PATHS += (("job",), ("code_configuration", "code"), ("model", "path"), ("task", "code"))
PATHS += (("environment", "conda_file"), ("environment", "build", "path"))
# Assets that are made of a local path: theirs alone is called just that.
ASSETS = ("data", "model")
OURS = "visionline-"
WITHIN = (("code_configuration", "code", "scoring_script"), ("build", "path", "dockerfile_path"))
REFERENCES = ("environment", "component", "model", "path", "create_job", "job")


def findings(part: Part, around: Surroundings) -> Iterator[Finding]:
    """Yield each path, environment and version that is not there or not fixed."""
    for keys in (*PATHS, *((("path",),) if part.role in ASSETS else ())):
        yield from _path(part, keys)
    for outer, folder, inner in WITHIN:
        yield from _within(part, outer, folder, inner)
    yield from _environment(part, around)
    yield from _labels(part)


def _path(part: Part, keys: Keys) -> Iterator[Finding]:
    path = _beside(part, _value(part, keys))
    if path is not None and not path.exists():
        text = f"{part.where(*keys)}: '{_value(part, keys)}' is not there: name what stands beside this file"
        yield part.finding(keys, text)


def _within(part: Part, outer: str, folder: str, inner: str) -> Iterator[Finding]:
    place, name = _beside(part, _value(part, (outer, folder))), _value(part, (outer, inner))
    if isinstance(name, str) and place is not None and place.is_dir() and not (place / name).is_file():
        text = (
            f"{part.where(outer, inner)}: '{name}' is not in {folder} '{_value(part, (outer, folder))}': put it there"
        )
        yield part.finding((outer, inner), text)


def _environment(part: Part, around: Surroundings) -> Iterator[Finding]:
    value = part.content.get("environment")
    if not isinstance(value, str):
        return
    named = asset(value)
    if named and named.name.startswith(OURS) and named.name not in around.environments:
        known = ", ".join(sorted(around.environments)) or "none"
        text = f"environment: '{named.name}' has no folder under environments/: known are {known}"
        yield part.finding(("environment",), f"{part.where()}.{text}".lstrip("."))
    path = _beside(part, value)
    if path is not None and not path.exists():
        text = f"{part.where('environment')}: '{value}' is not there: write azureml:NAME:VERSION or file:PATH"
        yield part.finding(("environment",), text)


def _labels(part: Part) -> Iterator[Finding]:
    for key in REFERENCES:
        named = asset(part.content.get(key))
        if named and not named.version:
            said = f"'{named.name}@{named.label}' is another version every time" if named.label else "names no version"
            yield part.finding((key,), f"{part.where(key)}: {said}: name one, as azureml:{named.name}:1")


def _value(part: Part, keys: Keys) -> Any:
    value: Any = part.content
    for key in keys:
        value = as_mapping(value).get(key)
    return value


def _beside(part: Part, value: Any) -> Path | None:
    path = local_path(value) if isinstance(value, str) else None
    return part.document.path.parent / path if path else None
