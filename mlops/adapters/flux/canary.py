"""What Flagger makes of a new version, read from its Canary. Pure: it asks nobody.

Flagger keeps two sets of pods: the canary's, which has the committed version while that is analysed, and the primary's,
which takes it over when the analysis has gone well. So `canaryWeight` is the new version's percent until then.

Source: docs.flagger.app/usage/how-it-works (Canary status).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops.adapters.flux.flow import condition

GROUP, VERSION = "flagger.app", "v1beta1"
GOING = ("Initializing", "Waiting", "Progressing", "WaitingPromotion", "Promoting", "Finalising")
DONE = ("Initialized", "Succeeded")


@dataclass(frozen=True)
class Analysis:
    """How far Flagger is: going, done or failed; the new version's percent, and Flagger's own words."""

    state: str
    percent: int
    text: str


def analysis(canary: Mapping[str, Any]) -> Analysis:
    """Return how far a Canary is. One that Flagger has not looked at since it was changed is going, at 0 percent."""
    status = canary.get("status", {})
    phase = str(status.get("phase", ""))
    said = " ".join(str(condition(canary, "Promoted").get("message", "")).split())
    text = f"canary {canary['metadata']['name']}: {phase or 'not looked at yet'}{f': {said}' if said else ''}"
    if phase == "Failed":
        return Analysis("failed", 0, text)
    if phase in DONE:
        return Analysis("done", 100, text)
    # While it promotes, both sets of pods have the new version.
    percent = 100 if phase in ("Promoting", "Finalising") else int(status.get("canaryWeight", 0))
    return Analysis("going", percent, text)
