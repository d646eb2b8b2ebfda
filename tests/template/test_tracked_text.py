"""Nothing that belongs to one machine or to one person stands in the repository: no path of theirs, no secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
from sources import files, texts

LARGEST_FILE = 1024 * 1024
MACHINE = re.compile(r"(?<![\w.~/-])/(?:work|tmp/x|root|home/[a-z]\w*|Users/[A-Za-z]\w*)(?![\w.-])")
SECRETS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})"),
    "Azure storage key": re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}"),
    "Azure client secret": re.compile(r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{34}\b"),
    "JSON web token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}"),
    "SAS signature": re.compile(r"[?&]sig=[A-Za-z0-9%+/]{30,}"),
    "written-out password": re.compile(
        r"""(?i)\b\w*(?:password|passwd|secret|api_?key|access_?token)\w*["']?\s*[:=]\s*["'][^"'\s${}<>]{8,}["']"""
    ),
}


def machine_paths(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each path that exists on one machine only."""
    for name, text in named:
        yield from (f"{name}: {match[0]}" for match in MACHINE.finditer(text))


def secrets(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each place that looks like a secret, without repeating it."""
    for name, text in named:
        for kind, pattern in SECRETS.items():
            lines = (text.count("\n", 0, match.start()) + 1 for match in pattern.finditer(text))
            yield from (f"{name}:{line}: looks like a {kind}" for line in lines)


def test_no_file_names_a_path_of_one_machine() -> None:
    assert list(machine_paths(texts())) == []


def test_no_file_holds_a_secret() -> None:
    assert list(secrets(texts())) == []


def test_no_large_file_and_no_generated_one_is_tracked() -> None:
    generated = {".onnx", ".pt", ".npz", ".mp4", ".db", ".whl", ".pyc", ".log"}
    assert [str(path) for path in files() if path.suffix in generated or path.stat().st_size > LARGEST_FILE] == []


@pytest.mark.parametrize("path", ["work/main", "tmp/x/a", "home/anna/model", "root", "Users/anna"])
def test_a_machine_path_is_found(path: str) -> None:
    assert list(machine_paths([("a.py", f'open("/{path}")')]))


@pytest.mark.parametrize("path", [".github/workflows", "a/work/b", "/workspace", "~/work", "/tmp/other"])
def test_another_path_is_left_alone(path: str) -> None:
    assert list(machine_paths([("a.md", f"see {path}")])) == []


@pytest.mark.parametrize(
    "parts",
    [
        ("-----BEGIN RSA ", "PRIVATE KEY-----"),
        ("AKIA", "ABCDEFGHIJKLMNOP"),
        ("ghp_", "a" * 36),
        ("AccountKey", "=" + "a" * 64),
        ("abc8Q", "~" + "b" * 34),
        ("eyJhbGciOiJIUzI1.", "eyJzdWIiOiIxMjM0"),
        ("https://a/b?sv=1&sig", "=" + "a" * 43),
        ("DB_PASS", "WORD = 'correct-horse'"),
        ('"api_', 'key": "0123456789"'),
    ],
)
def test_a_secret_is_found(parts: tuple[str, str]) -> None:
    assert len(list(secrets([("a.yaml", "".join(parts))]))) == 1
