"""What a stage that Flux releases to needs, as lines: a repository that takes commits, a cluster with Flux."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from mlops.config import Stage
from mlops.ports import CheckLine
from mlops.preflight.line import failure, ok, warning

FLUX = ("kustomize.toolkit.fluxcd.io", "source.toolkit.fluxcd.io")
FLAGGER = "flagger.app"


def branch_line(stage: Stage, commit: str | None) -> CheckLine:
    """Return where the repository's branch is; `commit` None: the repository is empty."""
    place = f"{stage.flux.branch} of {stage.flux.repository}"
    return ok("gitops", f"{place} is at {commit[:12]}" if commit else f"{place} is empty: the first release makes it")


def api_lines(stage: Stage, groups: Collection[str]) -> Iterator[CheckLine]:
    """Yield whether the cluster has what is waited for: Flux, and Flagger where that moves the traffic."""
    missing = [group for group in FLUX if group not in groups]
    if missing:
        yield failure("flux", f"the cluster has no {', '.join(missing)}: install Flux, or set flux.wait: false")
    else:
        yield ok("flux", f"{' and '.join(FLUX)} are there")
    if stage.flux.flagger and FLAGGER in groups:
        yield ok("flagger", f"{FLAGGER} is there")
    elif stage.flux.flagger:
        yield failure("flagger", f"{FLAGGER} is not there: install Flagger, or set flux.flagger: false")


def rights_line(missing: Sequence[str], asked: int) -> CheckLine:
    """Return whether this user may see what Flux does; `missing` as `list pods`."""
    if missing:
        text = f"this user may not {', '.join(missing)}: bind a role that may, or set flux.wait: false"
        return failure("flux rights", text)
    return ok("flux rights", f"all {asked} that waiting for Flux needs")


def replicas_lines(stage: Stage) -> Iterator[CheckLine]:
    """Yield a warning where the stage file names replicas that Flagger sets by itself."""
    kubernetes = stage.kubernetes
    if stage.flux.flagger and kubernetes.autoscaling == "none" and kubernetes.replicas > 1:
        text = f"kubernetes.replicas is {kubernetes.replicas}, but Flagger keeps one pod where nothing scales"
        yield warning("flagger replicas", f"{text}: write kubernetes.autoscaling: hpa or keda")
