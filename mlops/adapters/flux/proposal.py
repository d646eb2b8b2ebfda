"""A release by pull request: a branch named by its content, one pull request of it, and what has become of that.

Repeated runs find the same branch and the same pull request: its name holds what our files are and what they shall be.
What was merged once and is wanted again, as after a rollback, gets the next number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from mlops.adapters.flux.clone import Clone, Files, Head
from mlops.adapters.flux.git import Overtaken
from mlops.adapters.flux.pulls import Pull, Pulls
from mlops.errors import BusyError, TargetError
from mlops.rest import persistently

NAMED = 12  # hexadecimal digits of the content
ROUNDS = 100


def propose(clone: Clone, pulls: Pulls, stage: str, change: Callable[[Files], Files], message: str) -> Head:
    """Return the head of the branch where it is as wanted already; else see that a pull request asks for it.

    Raises BusyError where the pull request waits to be merged, TargetError where somebody closed it.
    """
    head = clone.fetched()
    wanted = dict(change(head.files))
    commit = clone.made(head, wanted, message)
    if commit is None:
        return head
    branch, pull = _newest(pulls, f"visionline/{stage}/{_content(head, wanted)}")
    if pull is None:
        persistently(lambda: _push(clone, commit, branch, wanted))
        pull = pulls.open(branch, message.partition("\n")[0], message.partition("\n\n")[2])
    what = f"{stage}: pull request {pull.number} ({pull.link})"
    if pull.state == "closed":
        raise TargetError(f"{what} was closed without being merged: reopen it, or revoke the version")
    raise BusyError(f"{what} waits: merge it, then run again")


def _newest(pulls: Pulls, name: str) -> tuple[str, Pull | None]:
    """Return the branch that is not merged yet, and its pull request if it has one."""
    for number in range(1, ROUNDS):
        branch = name if number == 1 else f"{name}-{number}"
        pull = pulls.find(branch)
        if pull is None or pull.state != "merged":
            return branch, pull
    raise TargetError(f"{name}: merged {ROUNDS} times: delete old branches")


def _push(clone: Clone, commit: str, branch: str, wanted: Files) -> None:
    try:
        clone.git.push(commit, f"refs/heads/{branch}")
    except Overtaken:
        there = clone.at(f"refs/heads/{branch}")
        if dict(there.files) != dict(wanted):
            raise TargetError(f"branch {branch} is there already, with other content: delete it") from None


def _content(head: Head, wanted: Files) -> str:
    text = json.dumps([head.files, dict(wanted)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:NAMED]
