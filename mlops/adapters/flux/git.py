"""The `git` command on a bare clone in a temporary folder: fetch a branch's head, read, commit, push.

There is no checkout: what is not ours in a repository is never written, filtered or linked on this machine. A commit is
made from its parent and the files that change. A push is never forced. What the repository means it doesn't know.

Source: git-scm.com/docs: git-fetch, git-fast-import, git-push (--porcelain), git-ls-tree, git-cat-file.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlops.errors import TargetError
from mlops.rest import Unavailable

TIMEOUT_SECONDS = 120.0
LONGEST_REASON = 300
WHO = "visionline <visionline@localhost>"
WORK = "refs/work"
NOT_THERE = "couldn't find remote ref"
OVERTAKEN = (
    *("fetch first", "non-fast-forward", "stale info", "cannot lock ref", "failed to update ref"),
    *("already exists", "incorrect old value", "remote ref updated"),
)
PASSING = (
    *("Could not resolve", "onnection", "RPC failed", "early EOF", "hung up", "unexpected disconnect", "timed out"),
    *("error: 408", "error: 429", "error: 500", "error: 502", "error: 503", "error: 504", "Empty reply", "reset by"),
    "to connect",
)
ADVICE = {
    "Authentication failed": "the token is not taken: renew it",
    "could not read Username": "there is no token, or it is not taken: set GITOPS_TOKEN",
    "error: 403": "the token may not do that: it needs to write the repository's contents",
    "not found": "the repository is not there, or the token does not reach it: see flux.repository",
    "Permission denied": "the key is not taken",
}


class Overtaken(Exception):
    """A push came second: the ref is not what it was when it was fetched. Fetch, and try again on top."""


@dataclass(frozen=True)
class Git:
    """A bare repository in `folder` whose remote is `url`. `secret` is what no message may show."""

    folder: Path
    url: str
    variables: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)

    def create(self) -> None:
        """Make the empty repository."""
        self._expect("init", "--quiet", "--bare", "--template=", ".")

    def fetch(self, ref: str, depth: int = 1) -> str | None:
        """Return the commit that a ref of the remote is at, its files at hand; None where the ref is not there.

        Raises Unavailable where another try may help, TargetError where it won't.
        """
        done = self._run("fetch", "--quiet", "--no-tags", f"--depth={depth}", self.url, f"+{ref}:{WORK}/fetched")
        if done.returncode and NOT_THERE in _text(done.stderr):
            return None
        self._raise_for(done, f"fetching {ref}")
        return self.resolve(f"{WORK}/fetched")

    def is_empty(self) -> bool:
        """Tell whether the remote has no branch at all."""
        return not self._expect("ls-remote", "--heads", self.url)

    def resolve(self, name: str) -> str:
        """Return the id of what a name means, as <commit>^{tree}."""
        return _text(self._expect("rev-parse", "--verify", "--quiet", name)).strip()

    def is_ancestor(self, commit: str, other: str) -> bool:
        """Tell whether a commit is another or among those before it, as far back as was fetched."""
        return self._run("merge-base", "--is-ancestor", commit, other).returncode == 0

    def message(self, commit: str) -> str:
        """Return a commit's message."""
        return _text(self._expect("show", "--no-patch", "--format=%B", commit)).strip()

    def files(self, commit: str, folder: str) -> dict[str, str]:
        """Return the text of each file below a folder, by its path within; the folder itself, if a file, as ``""``."""
        entries = list(_entries(self._expect("ls-tree", "-r", "-z", commit, "--", folder)))
        texts = self._texts([id_ for _, id_ in entries])
        return {
            path.removeprefix(folder).removeprefix("/"): text for (path, _), text in zip(entries, texts, strict=True)
        }

    def commit(self, parent: str | None, message: str, files: Mapping[str, str], gone: Collection[str] = ()) -> str:
        """Make a commit on top of a parent (None: none) that writes files and takes some away; return its id."""
        head = f"commit {WORK}/made\ncommitter {WHO} {int(time.time())} +0000\n"
        stream = [head.encode(), _data(message), f"from {parent}\n".encode() if parent else b""]
        stream += [f"D {path}\n".encode() for path in sorted(gone)]
        for path, text in sorted(files.items()):
            stream += [f"M 100644 inline {path}\n".encode(), _data(text)]
        self._expect("fast-import", "--quiet", "--force", "--done", given=b"".join([*stream, b"done\n"]))
        return self.resolve(f"{WORK}/made")

    def push(self, commit: str, ref: str, is_dry: bool = False) -> None:
        """Move a ref of the remote forward to a commit, or make it there; a dry run only asks whether it is let in.

        Raises Overtaken where the ref has moved since, TargetError with the remote's words where it is refused, and
        Unavailable where nobody knows whether it was done.
        """
        self._push(*(["--dry-run"] if is_dry else []), f"{commit}:{ref}")

    def delete(self, ref: str, expected: str) -> None:
        """Take a ref of the remote away, if it still is where it is expected to be. Raises as `push` does."""
        self._push(f"--force-with-lease={ref}:{expected}", f":{ref}")

    def _push(self, *words: str) -> None:
        options, refs = words[:-1], words[-1:]
        done = self._run("push", "--porcelain", *options, self.url, *refs)
        refused = next((line for line in _text(done.stdout).splitlines() if line.startswith("!")), "")
        if any(word in refused or word in _text(done.stderr) for word in OVERTAKEN):
            raise Overtaken(refused)
        if refused:
            reason = refused.rpartition("\t")[2].replace("[remote rejected] ", "")
            said = " ".join(line for line in _text(done.stderr).splitlines() if line.startswith("remote:"))
            raise TargetError(self._shown(f"the push to {refs[0].partition(':')[2]} is refused: {reason} {said}"))
        self._raise_for(done, f"pushing {refs[0].partition(':')[2]}")

    def _texts(self, ids: Collection[str]) -> list[str]:
        answer = self._expect("cat-file", "--batch", given="".join(f"{one}\n" for one in ids).encode()) if ids else b""
        return list(_contents(answer))

    def _expect(self, *words: str, given: bytes = b"") -> bytes:
        done = self._run(*words, given=given)
        self._raise_for(done, f"git {words[0]}")
        return done.stdout

    def _run(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *words],
                cwd=self.folder,
                env=dict(self.variables),
                input=given,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise TargetError("the command `git` is not there: install git") from None
        except subprocess.TimeoutExpired:
            raise Unavailable(f"git {words[0]}: no answer for {TIMEOUT_SECONDS:.0f} s") from None

    def _raise_for(self, done: subprocess.CompletedProcess[bytes], what: str) -> None:
        if not done.returncode:
            return
        said = _text(done.stderr)
        advice = next((text for sign, text in ADVICE.items() if sign in said), "")
        lines = [line.removeprefix("fatal: ") for line in said.splitlines() if line.strip()]
        message = self._shown(f"{what}: {' | '.join(lines[-3:])}{f': {advice}' if advice else ''}")
        is_passing = not advice and any(sign in said for sign in PASSING)
        raise Unavailable(message) if is_passing else TargetError(message)

    def _shown(self, text: str) -> str:
        hidden = text.replace(self.secret, "[hidden]") if self.secret else text
        return " ".join(hidden.split())[:LONGEST_REASON]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%s\n" % (len(content), content)


def _entries(listed: bytes) -> Iterator[tuple[str, str]]:
    """Yield path and id of each file; what is no file, as a link or a submodule, is not ours."""
    for entry in listed.split(b"\0"):
        kind, _, path = entry.partition(b"\t")
        if kind.startswith(b"100"):
            yield _text(path), _text(kind.split()[2])


def _contents(answer: bytes) -> Iterator[str]:
    while answer:
        head, _, rest = answer.partition(b"\n")
        size = int(head.split()[2])
        yield _text(rest[:size])
        answer = rest[size + 1 :]
