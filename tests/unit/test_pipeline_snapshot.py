"""Which files are a step's code, and when it counts as changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.snapshot import take_snapshot
from mlops.errors import ConfigError


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    for name in ("a.py", "deep/b.py", "deep/a.py", "serving/c.py", "deep/serving/d.py", "__pycache__/a.pyc", "x.log"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def kept(code: Path, *ignored: str) -> set[str]:
    (code / ".amlignore").write_text("\n".join(ignored))
    return set(take_snapshot(code).files) - {".amlignore"}


ALL = {"a.py", "deep/b.py", "deep/a.py", "serving/c.py", "deep/serving/d.py", "x.log"}
LINES = [
    (("# a comment", ""), ALL),
    (("serving/",), ALL - {"serving/c.py", "deep/serving/d.py"}),
    (("/serving/",), ALL - {"serving/c.py"}),
    (("deep/serving",), ALL - {"deep/serving/d.py"}),
    (("a.py",), ALL - {"a.py", "deep/a.py"}),
    (("/a.py",), ALL - {"a.py"}),
    (("a.py/",), ALL),
    (("*.log",), ALL - {"x.log"}),
    (("?.log",), ALL - {"x.log"}),
    (("x*log",), ALL - {"x.log"}),
    (("*.py", "!b.py"), {"deep/b.py", "x.log"}),
    (("/*", "!/deep/", "/deep/*", "!/deep/serving/"), {"deep/serving/d.py"}),
]


@pytest.mark.parametrize("lines, expected", LINES, ids=[" ".join(lines) for lines, _ in LINES])
def test_ignore_lines_mean_what_gitignore_says(code: Path, lines: tuple[str, ...], expected: set[str]) -> None:
    assert kept(code, *lines) - {".amlignore"} == expected


@pytest.mark.parametrize("line", ["**/a.py", "[ab].py", "\\!a.py"])
def test_a_line_that_is_not_understood_is_refused_with_its_place(code: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"\.amlignore: line 2: .* none of .* is understood"):
        kept(code, "x.log", line)


def test_only_files_that_count_change_the_digest(code: Path) -> None:
    kept(code, "serving/")
    before = take_snapshot(code).digest
    (code / "serving" / "c.py").write_text("changed")
    (code / "__pycache__" / "b.pyc").write_text("new")
    assert take_snapshot(code).digest == before
    (code / "deep" / "b.py").write_text("changed")
    assert take_snapshot(code).digest != before


def test_a_renamed_file_changes_the_digest(code: Path) -> None:
    before = take_snapshot(code).digest
    (code / "a.py").rename(code / "z.py")
    assert take_snapshot(code).digest != before


def test_what_is_written_is_what_was_read(code: Path, tmp_path: Path) -> None:
    snapshot = take_snapshot(code)
    (code / "a.py").write_text("edited meanwhile")
    snapshot.write(tmp_path / "copy")
    assert take_snapshot(tmp_path / "copy") == snapshot
