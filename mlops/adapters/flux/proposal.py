"""A release by pull request: a branch named by its content, one pull request of it, and what has become of that.

Repeated runs find the same branch and the same pull request: its name holds what our files are and what they shall be.
What was merged once and is wanted again, as after a rollback, gets the next number, and so does what was withdrawn.

Of a folder one pull request waits at a time. Another one that is open asks for what is no longer wanted, as for a
version that was revoked since: it is closed, and its branch deleted, before anybody merges it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress

from mlops.adapters.flux.clone import Clone, Files, Head
from mlops.adapters.flux.git import Overtaken
from mlops.adapters.flux.pulls import Pull, Pulls
from mlops.errors import BusyError, TargetError
from mlops.rest import persistently

NAMED = 12  # hexadecimal digits of the content, and of the folder
ROUNDS = 100
DONE = ("merged", "withdrawn")


def propose(clone: Clone, pulls: Pulls, stage: str, change: Callable[[Files], Files], message: str) -> Head:
    """Return the head of the branch where it is as wanted already; else see that a pull request asks for it.

    Raises BusyError where the pull request waits to be merged, TargetError where somebody closed it. Those of the
    stage that ask for anything else are withdrawn.
    """
    head = clone.fetched()
    wanted = dict(change(head.files))
    commit = clone.made(head, wanted, message)
    if commit is None:
        return head
    branch, pull = _newest(pulls, _prefix(clone, stage) + _digest([head.files, wanted]))
    if pull is None:
        persistently(lambda: _push(clone, commit, branch, wanted))
        pull = pulls.open(branch, message.partition("\n")[0], message.partition("\n\n")[2])
    what, stale = f"{stage}: pull request {pull.number} ({pull.link})", ""
    try:
        withdraw(clone, pulls, stage, kept=branch)
    except TargetError as error:  # what is wanted now is asked for all the same
        stale = f"; {error}"
    if pull.state == "closed":
        raise TargetError(f"{what} was closed without being merged: reopen it, or revoke the version")
    raise BusyError(f"{what} waits: merge it, then run again{stale}")


def withdraw(clone: Clone, pulls: Pulls, stage: str, kept: str | None = None) -> None:
    """Close the open pull requests of the stage's folder, but that of the branch to be kept, and delete their branches.

    Raises TargetError, naming the pull request, where one can't be closed, or was merged meanwhile.
    """
    for pull in pulls.waiting(_prefix(clone, stage)):
        if pull.branch == kept:
            continue
        what = f"{stage}: pull request {pull.number} ({pull.link}), which nobody wants any more,"
        try:
            is_merged = pulls.close(pull).state == "merged"
        except TargetError as error:
            raise TargetError(f"{what} could not be closed: {error}: close it, then run again") from None
        if is_merged:
            raise TargetError(f"{what} was merged just now: run again")
        with suppress(TargetError, Overtaken):  # closed it is, and that is what counts
            clone.drop(pull.branch)


def _newest(pulls: Pulls, name: str) -> tuple[str, Pull | None]:
    """Return the branch that is neither merged nor withdrawn, and its pull request if it has one."""
    for number in range(1, ROUNDS):
        branch = name if number == 1 else f"{name}-{number}"
        pull = pulls.find(branch)
        if pull is None or pull.state not in DONE:
            return branch, pull
    raise TargetError(f"{name}: asked for {ROUNDS} times: delete old branches")


def _push(clone: Clone, commit: str, branch: str, wanted: Files) -> None:
    try:
        clone.git.push(commit, f"refs/heads/{branch}")
    except Overtaken:
        there = clone.at(f"refs/heads/{branch}")
        if dict(there.files) != dict(wanted):
            raise TargetError(f"branch {branch} is there already, with other content: delete it") from None


def _prefix(clone: Clone, stage: str) -> str:
    """Return how our branches begin: a repository may hold folders of other projects whose stages are named alike."""
    return f"visionline/{stage}/{_digest(clone.folder)}-"


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:NAMED]
