"""The port by which a monitor tells people: one open issue or work item a cause, changed and not repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mlops.ports import Secrets
from mlops.records import Origin

MARK = "visionline-monitor"  # the label or tag that all of them bear


@dataclass(frozen=True)
class Issue:
    """What is wrong: `key` names the cause in small letters, digits and `/._-`; `body` is Markdown."""

    key: str
    title: str
    body: str


class Tracker(Protocol):
    """A code host's issues or work items. Only those that bear MARK are looked at, and each method may be repeated."""

    def opened(self, origin: Origin, secrets: Secrets) -> tuple[str, ...]:
        """Return the keys of those that are open. Raises StepError where they can't be read."""

    def show(self, issue: Issue, origin: Origin, secrets: Secrets) -> str | None:
        """Open one for the cause, or change the one that is open, and return its page. Raises StepError."""

    def close(self, key: str, why: str, origin: Origin, secrets: Secrets) -> None:
        """Close what is open for a cause, saying why; nothing where nothing is. Raises StepError."""
