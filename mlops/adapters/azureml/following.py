"""Tells how a job goes on: each step's changes, and what the steps write while they write it.

A step that writes faster than anybody looks is cut short: what is left out is counted, and stands in Azure ML studio.
A log that can't be read, as in a storage account that lets only its own network in, is said once and ends no wait.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mlops.adapters.azureml.history import Child, Failure, History
from mlops.errors import StepError

AT_ONCE = 20
# Of a distributed step that failed.
PROCESSES, OF_EACH = 8, 10
WRITES = ("Running", "Finalizing")


@dataclass(frozen=True)
class Follower:
    """What was told of a job so far: each step's status, and how many of its lines."""

    history: History
    job: str
    report: Callable[[str], None]
    statuses: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)

    def look(self) -> list[Child]:
        """Tell what is new, and return the steps as they stand. Raises StepError where Azure does not answer well."""
        children = self.history.children(self.job)
        for child in children:
            before = self.statuses.get(child.name)
            is_news = before != child.status
            if child.status in WRITES or is_news and (before in WRITES or child.status == "Failed"):
                self._tell_lines(child)
            if is_news:
                self.statuses[child.name] = child.status
                self.report(f"{child.name}: {child.status.lower()}")
        return children

    def why(self, child: Child) -> str:
        """Return in one line why a step failed; of a step of several processes tell each one's last lines first.

        Which process failed first is known where Azure names its log: then that one alone is told.
        """
        try:
            failure = self.history.failure(child.run)
        except StepError as error:
            return f"why can't be asked: {error}"
        said = self._said(child, failure)
        if failure.unread:
            return "; ".join(filter(None, (said.rstrip(".: "), f"its log can't be read: {failure.unread}")))
        return said or "it wrote nothing"

    def why_whole(self) -> str:
        """Return what Azure says of why the job ended, where no step of it failed; empty where it says nothing."""
        try:
            return self.history.reason(self.job)
        except StepError as error:
            return f"why can't be asked: {error}"

    def _said(self, child: Child, failure: Failure) -> str:
        told = {rank: lines for rank, lines in failure.lines.items() if lines}
        if not failure.is_distributed:
            return next((lines[-1] for lines in told.values()), failure.reason)
        left_out = len(told) - PROCESSES
        for rank in sorted(told)[:PROCESSES]:
            for line in told[rank][-OF_EACH:]:
                self.report(f"{child.name}, process {rank} | {line}")
        ends = [f"process {rank}: {told[rank][-1]}" for rank in sorted(told)[:PROCESSES]]
        ends += [f"[{left_out} processes are left out]"] if left_out > 0 else []
        return "; ".join(ends) or failure.reason

    def _tell_lines(self, child: Child) -> None:
        try:
            lines = self.history.lines(child.run)
        except StepError as error:
            if child.run not in self.unread:
                self.report(f"{child.name}: its log can't be read: {error}")
            self.unread.add(child.run)
            return
        new = lines[len(self.lines.get(child.run, [])) :]
        if len(new) > AT_ONCE:
            self.report(f"{child.name} | [{len(new) - AT_ONCE} lines are left out]")
        for line in new[-AT_ONCE:]:
            self.report(f"{child.name} | {line}")
        self.lines[child.run] = lines
