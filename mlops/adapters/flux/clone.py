"""One folder of a GitOps repository's branch: read it, and commit to it on top of whoever else writes there.

The files that are ours are those that LIST, in the folder, names: all others in the repository stay as they are, byte
for byte. A commit that comes second is made again on top of the first, up to PUSHES times; one whose fate is unknown,
for the connection broke, is looked for before it is made again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.adapters.flux.access import checked_address, environment, token_of
from mlops.adapters.flux.git import Git, Overtaken
from mlops.config import Stage
from mlops.errors import ConfigError, TargetError
from mlops.rest import persistently

PUSHES = 6
FRESH_SECONDS = 2.0
LIST = ".visionline"
HISTORY = 50  # commits that are looked through for one that Flux has applied

Files = Mapping[str, str]


@dataclass(frozen=True)
class Head:
    """A branch as it was fetched: its commit (None: the repository is empty) and our files below our folder.

    `is_new` says that the commit was made just now, by us.
    """

    commit: str | None
    files: dict[str, str]
    is_new: bool = False


class Clone:
    """The branch and the folder of a stage. It lives in a temporary folder, which goes with it."""

    def __init__(self, stage: Stage) -> None:
        """Nothing is asked of the repository yet. Raises ConfigError where the stage's keys can't be right."""
        where = f"mlops/stages/{stage.name}.yaml"
        self.branch, self.folder = stage.flux.branch, _checked_path(stage.flux.path, where)
        url, token = checked_address(stage.flux.repository, where), token_of(stage.flux.host)
        self._scratch = tempfile.TemporaryDirectory(prefix="visionline-flux-")
        self.git = Git(Path(self._scratch.name), url, environment(url, token), token)
        self.git.create()
        self._seen: tuple[float, Head] | None = None

    def head(self) -> Head:
        """Return the branch as it is now, or was FRESH_SECONDS ago. Raises TargetError where it can't be fetched."""
        if self._seen is None or time.monotonic() - self._seen[0] > FRESH_SECONDS:
            return self.fetched()
        return self._seen[1]

    def fetched(self) -> Head:
        """Return the branch as it is now."""
        commit = persistently(self._fetch)
        return self._keep(self._head(commit))

    def at(self, ref: str) -> Head:
        """Return our files as another ref of the repository has them; none where it is not there."""
        return self._head(persistently(lambda: self.git.fetch(ref)))

    def change(self, change: Callable[[Files], Files], message: str, check: Callable[[], None]) -> Head:
        """Commit what `change` makes of our files and push it; nothing where they are that already.

        `check` is called before each push. Raises TargetError where the push is refused, or always comes second.
        """
        for _ in range(PUSHES):
            try:
                return persistently(lambda: self._change(change, message, check))
            except Overtaken:
                continue
        raise TargetError(f"{self.branch}: others pushed first, {PUSHES} times: run the step again")

    def made(self, head: Head, files: Files, message: str) -> str | None:
        """Return a commit on top of a head in which these are our files; None where they are already."""
        if dict(head.files) == dict(files):
            return None
        self._expect_free(head, files)
        within = {f"{self.folder}/{path}": text for path, text in files.items()}
        within[f"{self.folder}/{LIST}"] = "".join(f"{path}\n" for path in sorted(files))
        gone = {f"{self.folder}/{path}" for path in set(head.files) - set(files)}
        return self.git.commit(head.commit, message, within, gone)

    def drop(self, branch: str) -> None:
        """Delete a branch of the repository, if it is there. Raises TargetError, and Overtaken where it just moved."""
        ref = f"refs/heads/{branch}"

        def delete() -> None:
            commit = self.git.fetch(ref)
            if commit is not None:
                self.git.delete(ref, commit)

        persistently(delete)

    def contains(self, applied: str, commit: str) -> bool:
        """Tell whether a commit of the branch is another one or follows it. Raises TargetError."""
        if applied == commit:
            return True
        persistently(lambda: self.git.fetch(self._ref, HISTORY))
        return self.git.is_ancestor(commit, applied)

    def _change(self, change: Callable[[Files], Files], message: str, check: Callable[[], None]) -> Head:
        head = self.fetched()
        files = dict(change(head.files))
        commit = self.made(head, files, message)
        if commit is None:
            return head
        check()
        self.git.push(commit, self._ref)
        return self._keep(Head(commit, files, is_new=True))

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def _fetch(self) -> str | None:
        commit = self.git.fetch(self._ref)
        if commit is None and not self.git.is_empty():
            raise ConfigError(f"flux.branch: the repository has no branch '{self.branch}': make it, or name another")
        return commit

    def _head(self, commit: str | None) -> Head:
        return Head(commit, self._ours(commit) if commit else {})

    def _keep(self, head: Head) -> Head:
        self._seen = (time.monotonic(), head)
        return head

    def _ours(self, commit: str) -> dict[str, str]:
        there = self.git.files(commit, self.folder)
        return {path: there[path] for path in there.get(LIST, "").splitlines() if path in there}

    def _expect_free(self, head: Head, files: Files) -> None:
        there = self.git.files(head.commit, self.folder) if head.commit else {}
        others = sorted(set(there) & {"", *files} - set(head.files))
        if others:
            raise ConfigError(
                f"flux.path: {self.folder}/{others[0]} is there already, and not ours: name a folder of its own"
            )


def _checked_path(path: str, where: str) -> str:
    clean = path.removeprefix("./").strip("/")
    parts = clean.split("/")
    if not clean or any(part in ("", ".", "..", ".git") for part in parts) or not clean.isprintable() or '"' in clean:
        raise ConfigError(f"{where}: flux.path: '{path}' should be a folder of its own, as clusters/production")
    return clean
