"""Whether a pull request touches a folder: what its merge changes of the branch that it goes to, and nothing older."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlops.errors import ConfigError
from mlops.touched import touches

WHO = ("-c", "user.name=a developer", "-c", "user.email=developer@example.com")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, *paths: str) -> None:
    """Commit a change of each path."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (folder / path).open("a", encoding="utf-8") as file:
            file.write("more\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=Change")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose main has a file of infra/, and a branch from there."""
    folder = tmp_path / "camera"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "infra/egress.yaml", "src/a.py")
    git(folder, "switch", "--quiet", "--create", "change")
    return folder


def merge(repository: Path) -> None:
    """Make the commit that a code host checks out for a pull request of the branch."""
    git(repository, "switch", "--quiet", "--detach", "main")
    git(repository, "merge", "--quiet", "--no-ff", "--message=Merge", "change")


@pytest.mark.parametrize("paths, expected", [(["src/a.py"], False), (["src/a.py", "infra/b.tf"], True)])
def test_what_the_pull_request_changes_counts(repository: Path, paths: list[str], expected: bool) -> None:
    commit(repository, *paths)
    commit(repository, "src/later.py")
    merge(repository)
    assert touches("infra", repository) is expected


def test_what_its_branch_misses_of_main_does_not_count(repository: Path) -> None:
    commit(repository, "src/b.py")
    git(repository, "switch", "--quiet", "main")
    commit(repository, "infra/new.tf")
    merge(repository)
    assert touches("infra", repository) is False


def test_a_folder_of_a_like_name_does_not_count(repository: Path) -> None:
    commit(repository, "infrared/a.py", "docs/infra/a.md")
    merge(repository)
    assert touches("infra", repository) is False


def test_a_file_that_goes_counts(repository: Path) -> None:
    (repository / "infra" / "egress.yaml").unlink()
    commit(repository)
    merge(repository)
    assert touches("infra", repository) is True


def test_a_first_commit_changes_all_that_is_there(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "infra/a.tf")
    assert touches("infra", tmp_path) is True and touches("src", tmp_path) is False


def test_a_checkout_of_one_commit_cannot_tell_and_says_so(repository: Path, tmp_path: Path) -> None:
    commit(repository, "src/b.py")
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "shallow")
    with pytest.raises(ConfigError, match="check out with a depth of 2"):
        touches("infra", tmp_path / "shallow")


def test_outside_a_repository_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check out"):
        touches("infra", tmp_path)
