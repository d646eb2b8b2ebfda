"""Whether a pull request touches a folder, told by git: what its merge commit changes of the branch that it goes to.

Both code hosts check that commit out for a pull request. It needs a checkout of two commits, as the merge's first
parent is what is compared with.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from mlops.errors import ConfigError

NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git's name of the tree that holds no file


def touches(folder: str, repository: Path) -> bool:
    """Tell whether the checked-out commit changes anything below a folder; a first commit changes all.

    Raises ConfigError where git can't tell: outside a repository, or where the parent was not fetched.
    """
    if _git(repository, "rev-parse", "--verify", "--quiet", "HEAD^1").returncode == 0:
        before = "HEAD^1"
    elif _is_first(repository):
        before = NOTHING
    else:
        raise ConfigError(f"{repository}: the commit before is not there: check out with a depth of 2")
    ended = _git(repository, "diff", "--quiet", before, "HEAD", "--", folder)
    if ended.returncode not in (0, 1):
        raise ConfigError(f"{repository}: git can't compare {before} with HEAD: {ended.stderr.strip()}")
    return bool(ended.returncode)


def _is_first(repository: Path) -> bool:
    """Tell whether the commit itself names no parent, be it fetched or not."""
    ended = _git(repository, "cat-file", "commit", "HEAD")
    return ended.returncode == 0 and "\nparent " not in ended.stdout.partition("\n\n")[0]


def _git(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=False)
