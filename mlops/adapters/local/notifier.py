"""Notifier for `report: none`: a training's end is told on its own output, and nowhere else."""

from __future__ import annotations

from mlops.config import Stage
from mlops.ports import Notice, Secrets
from mlops.records import Origin


class SilentNotifier:
    """Tells nobody."""

    def report(self, notice: Notice, origin: Origin, secrets: Secrets) -> str | None:
        """Return no address: there is none."""
        return None


def open_notifier(stage: Stage) -> SilentNotifier:
    """Return the notifier of a stage that reports nowhere."""
    return SilentNotifier()
