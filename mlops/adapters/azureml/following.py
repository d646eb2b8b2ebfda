"""Tells how a job goes on: each step's changes, and what the steps write while they write it.

A step that writes faster than anybody looks is cut short: what is left out is counted, and stands in Azure ML studio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mlops.adapters.azureml.history import Child, History

AT_ONCE = 20
WRITES = ("Running", "Finalizing")


@dataclass(frozen=True)
class Follower:
    """What was told of a job so far: each step's status, and how many of its lines."""

    history: History
    job: str
    report: Callable[[str], None]
    statuses: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)

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

    def last_line(self, child: Child) -> str | None:
        """Return the last line that a step was heard to write."""
        lines = self.lines.get(child.run)
        return lines[-1] if lines else None

    def _tell_lines(self, child: Child) -> None:
        lines = self.history.lines(child.run)
        new = lines[len(self.lines.get(child.run, [])) :]
        if len(new) > AT_ONCE:
            self.report(f"{child.name} | [{len(new) - AT_ONCE} lines are left out]")
        for line in new[-AT_ONCE:]:
            self.report(f"{child.name} | {line}")
        self.lines[child.run] = lines
