"""release.json, the promotion record: git commit -> data version -> checkpoint -> each variant, all by SHA-256.

A package is sealed once, at registration, and opened through `open_package` at every load. It knows nothing of
registries: the digest to expect comes from whoever asks (the registry's tag, a deployment's manifest).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from modelpackage.digest import digest_bytes, digest_file

RELEASE_FILE = "release.json"


class PackageError(Exception):
    """A model package that must not be used: what is wrong with it, and where."""


@dataclass(frozen=True)
class Release:
    """The content of release.json: `variants` maps a name (fp32, int8) to a file, `files` each file to its digest."""

    model: str
    git_commit: str
    data_version: str
    checkpoint: str
    variants: dict[str, str]
    files: dict[str, str]
    schema: int = 1


def seal_package(folder: Path, model: str, git_commit: str, data_version: str, checkpoint: str) -> Release:
    """Write release.json over every other file of the folder; variants are the files named model_<variant>.onnx.

    Raises PackageError where the folder holds no variant.
    """
    names = _file_names(folder)
    variants = {Path(n).stem.removeprefix("model_"): n for n in names if n.startswith("model_") and n.endswith(".onnx")}
    if not variants:
        raise PackageError(f"{folder}: no model_<variant>.onnx to seal: run the export first")
    files = {name: digest_file(folder / name) for name in names}
    release = Release(model, git_commit, data_version, checkpoint, variants, files)
    temporary = folder / f".{RELEASE_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(release), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(folder / RELEASE_FILE)
    return release


def package_digest(folder: Path) -> str:
    """Return the digest that names the whole package: that of release.json, which names every other file."""
    return digest_bytes(_release_bytes(folder))


def read_release(folder: Path) -> Release:
    """Read release.json without checking the files it names. Raises PackageError where it is absent or malformed."""
    return _parse(_release_bytes(folder), folder / RELEASE_FILE)


def open_package(folder: Path, expected_digest: str | None = None) -> Release:
    """Check each file of the package against release.json, and release.json against the expected digest.

    Raises PackageError, naming the file, on anything absent, changed or added since the package was sealed.
    """
    content = _release_bytes(folder)
    if expected_digest and digest_bytes(content) != expected_digest:
        actual = digest_bytes(content)
        raise PackageError(f"{folder / RELEASE_FILE}: is {actual}, expected {expected_digest}: fetch it again")
    release = _parse(content, folder / RELEASE_FILE)
    present = set(_file_names(folder))
    for name in sorted(present | set(release.files)):
        _check_file(folder, name, release.files.get(name), name in present)
    return release


def is_intact(folder: Path, digest: str) -> bool:
    """Tell whether a folder holds the package of this digest, each file as it was sealed."""
    try:
        open_package(folder, digest)
    except PackageError:
        return False
    return True


def _check_file(folder: Path, name: str, expected: str | None, present: bool) -> None:
    if not present:
        raise PackageError(f"{folder / name}: named by {RELEASE_FILE} but absent: fetch the package again")
    if expected is None:
        raise PackageError(f"{folder / name}: not named by {RELEASE_FILE}: remove it, or seal a new package")
    actual = digest_file(folder / name)
    if actual != expected:
        raise PackageError(f"{folder / name}: is {actual}, {RELEASE_FILE} says {expected}: fetch the package again")


def _file_names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in files)
    return sorted(name for name in names if name != RELEASE_FILE and not name.startswith(f".{RELEASE_FILE}."))


def _release_bytes(folder: Path) -> bytes:
    try:
        return (folder / RELEASE_FILE).read_bytes()
    except OSError as error:
        reason = f"cannot be read ({error.strerror}): not a sealed model package"
        raise PackageError(f"{folder / RELEASE_FILE}: {reason}") from None


def _parse(content: bytes, path: Path) -> Release:
    try:
        mapping: dict[str, Any] = json.loads(content)
        release = Release(**mapping)
    except (ValueError, TypeError) as error:
        raise PackageError(f"{path}: malformed ({error}): seal the package again") from None
    if release.schema != 1 or not set(release.variants.values()) <= set(release.files):
        known = ", ".join(field.name for field in fields(Release))
        raise PackageError(f"{path}: needs schema 1 with {known}, each variant among the files: seal the package again")
    return release
