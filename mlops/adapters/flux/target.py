"""The target of a stage that Flux releases to: by commits alone, or with Flagger, which moves the traffic."""

from __future__ import annotations

from mlops.adapters.flux.clone import Clone
from mlops.adapters.flux.cluster import Cluster
from mlops.adapters.flux.commits import FluxTarget
from mlops.adapters.flux.flagged import FlaggedTarget
from mlops.adapters.flux.primary import Sight
from mlops.config import Stage


def open_target(stage: Stage) -> FluxTarget | FlaggedTarget:
    """Return the folder of a stage. Nothing is asked of the repository yet. Raises ConfigError on keys that are off."""
    flux = FluxTarget(stage, Clone(stage), Cluster(stage) if stage.flux.wait else None)
    if not stage.flux.flagger:
        return flux
    return FlaggedTarget(flux, Sight(stage) if stage.flux.wait else None)
