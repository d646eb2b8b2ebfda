"""A sealed package opens only while every byte is the one that was sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from modelpackage import (
    PackageError,
    digest_file,
    digest_json,
    open_package,
    package_digest,
    read_release,
    seal_package,
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "more").mkdir(parents=True)
    for name in ("model_fp32.onnx", "model_int8.onnx", "labels.json", "more/notes.txt"):
        (folder / name).write_text(name)
    seal_package(folder, "fashion", "c0ffee", "0123", "sha256:42")
    return folder


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_an_untouched_package_opens_with_its_digest(package: Path) -> None:
    release = open_package(package, package_digest(package))
    assert (release.model, release.git_commit, release.data_version, release.checkpoint) == (
        "fashion",
        "c0ffee",
        "0123",
        "sha256:42",
    )
    assert release.variants == {"fp32": "model_fp32.onnx", "int8": "model_int8.onnx"}
    assert set(release.files) == {"model_fp32.onnx", "model_int8.onnx", "labels.json", "more/notes.txt"}
    assert release == read_release(package)


def test_digests_are_sha256_as_any_tool_computes_them(package: Path) -> None:
    assert digest_file(package / "labels.json") == sha256(b"labels.json")
    assert package_digest(package) == sha256((package / "release.json").read_bytes())
    assert digest_json({"b": 1, "a": [2]}) == sha256(b'{"a":[2],"b":1}')


def test_the_same_content_is_sealed_to_the_same_digest(package: Path) -> None:
    before = package_digest(package)
    seal_package(package, "fashion", "c0ffee", "0123", "sha256:42")
    assert package_digest(package) == before
    seal_package(package, "fashion", "another commit", "0123", "sha256:42")
    assert package_digest(package) != before


def _swap(folder: Path) -> None:
    (folder / "model_fp32.onnx").rename(folder / "kept")
    (folder / "model_int8.onnx").rename(folder / "model_fp32.onnx")
    (folder / "kept").rename(folder / "model_int8.onnx")


SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("a cut file", lambda p: (p / "labels.json").write_text("lab"), "labels.json: is sha256"),
    ("a file of the same length", lambda p: (p / "labels.json").write_text("LABELS.json"), "labels.json: is sha256"),
    ("an absent file", lambda p: (p / "model_int8.onnx").unlink(), "model_int8.onnx: named by release.json but absent"),
    ("an added file", lambda p: (p / "model_fp16.onnx").write_text("x"), "model_fp16.onnx: not named by release.json"),
    ("an added file below", lambda p: (p / "more/x").write_text("x"), "more/x: not named"),
    ("swapped variants", _swap, "model_fp32.onnx: is sha256"),
    (
        "no release",
        lambda p: (p / "release.json").unlink(),
        "release.json: cannot be read .*not a sealed model package",
    ),
    ("half a release", lambda p: (p / "release.json").write_text('{"schema"'), "release.json: malformed"),
    ("an unknown key", lambda p: _edit(p, signed="me"), "release.json: malformed .*signed"),
    ("another schema", lambda p: _edit(p, schema=2), "release.json: needs schema 1"),
    ("a variant that is no file", lambda p: _edit(p, variants={"int8": "x.onnx"}), "each variant among the files"),
]


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "release.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(("spoil", "words"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_a_spoilt_package_is_refused_and_the_file_named(
    spoil: Callable[[Path], object], words: str, package: Path
) -> None:
    spoil(package)
    with pytest.raises(PackageError, match=words) as caught:
        open_package(package)
    assert "\n" not in str(caught.value)


def test_a_package_sealed_anew_is_not_the_one_expected(package: Path) -> None:
    expected = package_digest(package)
    (package / "labels.json").write_text("other labels")
    seal_package(package, "fashion", "c0ffee", "0123", "sha256:42")
    open_package(package)
    with pytest.raises(PackageError, match=f"release.json: is sha256:.*, expected {expected}"):
        open_package(package, expected)


def test_a_folder_without_a_variant_is_not_sealed(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("[]")
    with pytest.raises(PackageError, match="no model_<variant>.onnx to seal"):
        seal_package(tmp_path, "fashion", "c0ffee", "0123", "sha256:42")
    assert not (tmp_path / "release.json").exists()


def test_what_a_killed_seal_left_does_not_spoil_the_next(package: Path) -> None:
    (package / ".release.json.4242").write_text("half")
    seal_package(package, "fashion", "c0ffee", "0123", "sha256:42")
    open_package(package, package_digest(package))
