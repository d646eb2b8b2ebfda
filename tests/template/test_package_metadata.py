"""setup.cfg tells the truth: the version is the changelog's newest, each package is listed, each file exists."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from sources import ROOT, files

HEADING = re.compile(r"^## \[?(\d+\.\d+\.\d+)\]?(?: - \d{4}-\d{2}-\d{2})?$", re.MULTILINE)


def newest_version(changelog: str) -> str:
    """Return the first version that a heading names. Raises ValueError where none does or the order is wrong."""
    versions = HEADING.findall(changelog)
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    if not versions or numbers != sorted(numbers, reverse=True):
        raise ValueError(f"CHANGELOG.md: should name versions, newest first: {versions}")
    return str(versions[0])


def packages_of(paths: Iterable[Path]) -> set[str]:
    """Return the dotted names of all packages of mlops and src, as their __init__.py files say."""
    folders = (path.parent for path in paths if path.name == "__init__.py" and path.parts[0] in ("mlops", "src"))
    return {folder.as_posix().removeprefix("src/").replace("/", ".") for folder in folders}


def named_files(setup: configparser.ConfigParser) -> list[str]:
    """Return the files that setup.cfg names."""
    extras = setup["options.extras_require"].values()
    values = [setup["metadata"]["long_description"], *extras]
    return [setup["metadata"]["license_files"], *(value.removeprefix("file:").strip() for value in values)]


@pytest.fixture
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    return parser


def test_the_version_is_the_changelogs_newest(setup: configparser.ConfigParser) -> None:
    assert newest_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) == setup["metadata"]["version"]


def test_all_packages_are_listed_and_each_listed_one_exists(setup: configparser.ConfigParser) -> None:
    assert set(setup["options"]["packages"].split()) == packages_of(files())


def test_each_file_that_is_named_exists(setup: configparser.ConfigParser) -> None:
    assert [name for name in named_files(setup) if not (ROOT / name).is_file()] == []


def test_each_environment_is_an_extra(setup: configparser.ConfigParser) -> None:
    environments = {path.parent.name for path in (ROOT / "environments").glob("*/requirements.txt")}
    options = {path.stem for path in (ROOT / "environments/serve/options").glob("*.txt")}
    assert set(setup["options.extras_require"]) == environments | options


def test_the_licence_is_the_one_that_is_named(setup: configparser.ConfigParser) -> None:
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{setup['metadata']['license']} License")


@pytest.mark.parametrize(
    "text", ["# Changelog\n\n## Unreleased\n", "## 0.9.0 - 2026-01-01\n\n## 0.10.0 - 2026-02-01\n", ""]
)
def test_a_changelog_without_versions_or_in_text_order_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="newest first"):
        newest_version(text)


def test_the_newest_version_is_found() -> None:
    assert newest_version("## [Unreleased]\n\n## [0.10.0] - 2026-02-01\n\n## [0.9.0] - 2026-01-01\n") == "0.10.0"


def test_an_unlisted_package_is_found() -> None:
    assert packages_of([Path("mlops/__init__.py"), Path("src/a/b/__init__.py"), Path("tests/__init__.py")]) == {
        "mlops",
        "a.b",
    }
