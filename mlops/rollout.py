"""Deploy is a reconcile: desired is the stage's highest approved version, actual is what the target serves.

Start the new deployment beside the old, verify it, where the stage wants it on copies of live requests too, move
traffic by the stage's steps, verify at each, remove the old. A version that fails gives the traffic back, is revoked,
and is removed, in this order: so whoever is killed in between leaves an endpoint that serves, and a rerun that ends the
work. One that could not be judged, as where the connection to it was lost, goes the same way but is not revoked: a
rerun tries it again. One that serves alone, and fails as the stage file has it by now, serves until another approved
one does. The caller holds the target's lock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mlops.context import Context
from mlops.delivery.carried import carried
from mlops.errors import BusyError, DeployError, RegistryError, TargetError
from mlops.goldenfiles import best_only, predict_files
from mlops.judging import read_labels
from mlops.mirroring import Mirror
from mlops.names import APPROVED, REVOKED, revoke_reason_tag
from mlops.ports import DECLARED, UNSEEN, Deployment, DeploymentStatus, EndpointStatus
from mlops.probe import predict, probe_in_turn, read_golden
from mlops.proposing import Proposer
from mlops.records import DeployRecord, ModelVersion, TrafficEvent, Verdict, highest_approved, stage_tag
from mlops.traffic import is_settled, split, steps_to, version_before
from mlops.verification import (
    judge_counted,
    judge_digest,
    judge_golden,
    judge_latency,
    judge_live,
    judge_probes,
    judge_seen,
    verdict_of,
)

POLL_SECONDS = 0.1  # at least; of a long bake there are POLLS looks, for each may be several calls of a cloud
POLLS = 20


@dataclass(frozen=True)
class Move:
    """One rollout: to which version, from which, and whether that one may have traffic again."""

    desired: ModelVersion
    before: int | None
    before_is_approved: bool
    serves_alone: bool = False

    @property
    def fallback(self) -> int | None:
        """Return the version that serves where the desired one is not to."""
        return self.desired.version if self.serves_alone else self.before

    @property
    def rival(self) -> int | None:
        """Return the version that the desired one is compared with: one that is to be left is no measure."""
        return self.before if self.before_is_approved else None

    @property
    def is_escape(self) -> bool:
        """Tell whether the version before must be left at once, as in a rollback, and may not have traffic again."""
        return self.before is not None and not self.before_is_approved


def reconcile(context: Context) -> DeployRecord:
    """Make the stage's endpoint serve the stage's highest approved version, and say what happened.

    Raises RegistryError where no version is approved, TargetError where the target does not do what it is told.
    """
    record = _reconciled(context)
    if isinstance(context.target, Proposer):
        context.target.withdraw()
    return record


def _reconciled(context: Context) -> DeployRecord:
    started, stage = time.time(), context.stage
    versions = context.registry.versions(stage.model)
    desired = highest_approved(versions, stage.name)
    if desired is None:
        raise RegistryError(f"{stage.name}: no version of {stage.model} is approved: promote one first")
    status = context.target.status()
    approved = [number for number, one in versions.items() if stage_tag(one, stage.name) == APPROVED]
    beside = [number for number, one in status.deployments.items() if number in approved and one.state == "ready"]
    before = version_before(status.traffic, desired.version, beside)
    events: list[TrafficEvent] = []
    served = status.deployments.get(desired.version)
    if served and served.is_current and is_settled(status.traffic, list(status.deployments), desired.version):
        seen = judge_seen(served, desired.digest)
        unchanged = Verdict(seen.outcome, f"version {desired.version} has all the traffic already: {seen.reason}")
        return _record(context, "unchanged", Move(desired, None, False), events, unchanged, started)
    serves_alone = before is None and bool(status.traffic.get(desired.version))
    move = Move(desired, before, before in approved, serves_alone)
    verdict = _roll_out(context, move, events)
    outcome = "served" if verdict.outcome == "promote" else "reverted"
    record = _record(context, outcome, move, events, verdict, started)
    return _given_way(context, record) if serves_alone and verdict.outcome == "reject" else record


def _given_way(context: Context, failed: DeployRecord) -> DeployRecord:
    """Let the highest of the other approved versions take over from one that is revoked and still serves."""
    after = _reconciled(context)
    return replace(failed, version=after.version, events=failed.events + after.events)


def inspect(context: Context, version: ModelVersion, rival: int | None, live_from: tuple[int, int] | None) -> Verdict:
    """Judge one deployment as it is now, beside its rival unless that has failed.

    `live_from`: its live requests and errors when its traffic moved; None where they are not waited for.
    """
    stage, status = context.stage, context.target.status()
    deployment = _deployed(context, status, version.version)
    if deployment.state in (DECLARED, UNSEEN):
        return verdict_of((judge_seen(deployment, version.digest),))
    package, limits = context.package(version.version), stage.release.verify
    golden = read_golden(package)
    if not deployment.is_online:
        scored = predict_files(context.scorer, context.data, _wanted(context, version), golden)
        rule = judge_golden(best_only(golden), stage.release.variant, scored, limits.max_score_difference)
        return verdict_of((judge_digest(deployment, version.digest), rule))
    beside = [one for number, one in status.deployments.items() if number == rival]
    others = [one for one in beside if one.is_online and one.state != "failed"]
    probes = probe_in_turn([deployment, *others], golden, limits.requests)
    actual = predict(deployment, golden, read_labels(package))
    return verdict_of(
        (
            judge_digest(deployment, version.digest),
            judge_golden(golden, stage.release.variant, actual, limits.max_score_difference),
            judge_probes(probes[0], limits),
            judge_latency(probes[0], probes[1] if others else None, limits),
            judge_counted(deployment, live_from, limits),
        )
    )


def _roll_out(context: Context, move: Move, events: list[TrafficEvent]) -> Verdict:
    try:
        verdict = _move_traffic(context, move, events)
    except DeployError as error:  # of what served until now, what the stage file has changed is as likely to blame
        verdict = Verdict("error" if move.serves_alone else "reject", str(error))
    if verdict.outcome == "promote":
        _remove_others(context, move.desired.version)
    elif move.serves_alone:
        _leave(context, move.desired.version, verdict)
    else:
        _put_back(context, move, verdict, events)
    return verdict


def _move_traffic(context: Context, move: Move, events: list[TrafficEvent]) -> Verdict:
    stage, version = context.stage, move.desired.version
    context.report(f"{stage.name}: starting version {version} beside {move.before or 'nothing'}")
    wanted = _wanted(context, move.desired)
    for image in wanted.images.values():
        context.signer.verify(image)
    context.target.deploy(wanted)
    verdict = inspect(context, move.desired, move.rival, _live_from(context, move))
    status = context.target.status()
    if not _deployed(context, status, version).is_online:
        return _move_at_once(context, version, verdict, events)
    if verdict.outcome == "promote" and move.before_is_approved and not status.traffic.get(version):
        verdict = _mirrored(context, move, status) or verdict
    for percent in steps_to(version, status.traffic, move.before_is_approved, stage.release.traffic_steps):
        if verdict.outcome != "promote":
            return verdict
        live_from = _live_from(context, move)
        _set_traffic(context, split(move.before, version, percent), f"{percent} % to version {version}", events)
        if live_from and move.before_is_approved:  # else there is nothing to go back to, so nobody watches and waits
            _bake(context, version, live_from)
        verdict = inspect(context, move.desired, move.rival, live_from)
    return verdict


def _mirrored(context: Context, move: Move, status: EndpointStatus) -> Verdict | None:
    """Judge a version as a canary is, on copies of live requests; None where the target or the stage has none."""
    version = move.desired.version
    percent = context.target.mirror(version) if isinstance(context.target, Mirror) else 0
    if not percent:
        return None
    context.report(f"{context.stage.name}: copies of {percent} % of the live requests to version {version}")
    live_from = _live_counts(status, version)
    _bake(context, version, live_from)
    return inspect(context, move.desired, move.rival, live_from)


def _move_at_once(context: Context, version: int, verdict: Verdict, events: list[TrafficEvent]) -> Verdict:
    """Give a version everything at once, where nothing would tell how it does on a part.

    One job goes to one version; and where nobody looks, a step tells nothing.
    """
    if verdict.outcome == "promote":
        is_unseen = _deployed(context, context.target.status(), version).state == DECLARED
        reason = f"100 % to version {version}, and nobody looks" if is_unseen else f"all jobs to version {version}"
        _set_traffic(context, {version: 100}, reason, events)
    return verdict


def _wanted(context: Context, version: ModelVersion) -> Deployment:
    stage, package = context.stage, context.package(version.version)
    number, variant = version.version, stage.release.variant
    return Deployment(stage.model, number, version.digest, package, variant, carried(stage, version))


def _set_traffic(context: Context, traffic: dict[int, int], reason: str, events: list[TrafficEvent]) -> None:
    context.target.set_traffic(traffic)
    events.append(TrafficEvent(time.time(), {str(version): percent for version, percent in traffic.items()}, reason))
    context.report(f"{context.stage.name}: {reason}")


def _bake(context: Context, version: int, live_from: tuple[int, int]) -> None:
    """Let live traffic reach the version for as long as the stage says, or until a live request failed."""
    limits = context.stage.release.verify
    pause = max(POLL_SECONDS, limits.bake_seconds / POLLS)
    deadline = time.monotonic() + limits.bake_seconds
    while (left := deadline - time.monotonic()) > 0:
        requests, errors = _live_counts(context.target.status(), version)
        if judge_live(requests - live_from[0], errors - live_from[1], limits).outcome != "promote":
            return
        time.sleep(min(pause, left))


def _deployed(context: Context, status: EndpointStatus, version: int) -> DeploymentStatus:
    """Return what a version's deployment is. Raises TargetError where somebody took it away meanwhile."""
    deployment, stage = status.deployments.get(version), context.stage.name
    if deployment is None:
        raise TargetError(f"{stage}: version {version} is not deployed: run `deploy --stage {stage}`")
    return deployment


def _live_from(context: Context, move: Move) -> tuple[int, int] | None:
    """Return what the desired version has counted so far; None where its live requests are not waited for."""
    return None if move.is_escape else _live_counts(context.target.status(), move.desired.version)


def _live_counts(status: EndpointStatus, version: int) -> tuple[int, int]:
    deployment = status.deployments.get(version)
    return (deployment.requests, deployment.errors) if deployment else (0, 0)


def _remove_others(context: Context, version: int) -> None:
    for other in sorted(set(context.target.status().deployments) - {version}):
        context.target.remove(other)
        context.report(f"{context.stage.name}: removed version {other}")


def _put_back(context: Context, move: Move, verdict: Verdict, events: list[TrafficEvent]) -> None:
    stage, version, before = context.stage, move.desired.version, move.before
    is_bad = verdict.outcome == "reject"
    if move.is_escape:
        first = "promote a version that works, then " if is_bad else ""
        raise TargetError(
            f"{stage.name}: version {version} failed ({verdict.reason}) and version {before}, which still serves, is "
            f"revoked: {first}run `deploy --stage {stage.name}`"
        )
    if context.target.status().traffic.get(version):
        back = {} if before is None else {before: 100}
        try:
            _set_traffic(context, back, f"traffic back to {before or 'nothing'}: {verdict.reason}", events)
        except BusyError:  # a pull request waits for people: until they agree, no rerun may go on with a bad version
            if is_bad:
                _revoke(context, version, verdict)
            raise
    if is_bad:
        _revoke(context, version, verdict)
    if version in context.target.status().deployments:
        context.target.remove(version)
    what = "is revoked" if is_bad else "is removed and stays approved"
    context.report(f"{stage.name}: version {version} {what}: {verdict.reason}")


def _leave(context: Context, version: int, verdict: Verdict) -> None:
    """Let a version that serves alone serve on, revoked where it is bad and another one is approved to take over."""
    stage = context.stage
    if verdict.outcome != "reject":
        return context.report(f"{stage.name}: version {version} keeps traffic and approval: {verdict.reason}")
    versions = context.registry.versions(stage.model)
    if highest_approved({n: one for n, one in versions.items() if n != version}, stage.name) is None:
        raise TargetError(
            f"{stage.name}: version {version} failed ({verdict.reason}) and serves on, for no other one is approved: "
            f"take back what was changed, or promote a version that works, and run `deploy --stage {stage.name}`"
        )
    _revoke(context, version, verdict)


def _revoke(context: Context, version: int, verdict: Verdict) -> None:
    stage = context.stage
    context.registry.set_tag(stage.model, version, revoke_reason_tag(stage.name), verdict.reason)
    context.registry.set_tag(stage.model, version, stage.name, REVOKED)


def _record(
    context: Context, outcome: str, move: Move, events: list[TrafficEvent], verdict: Verdict, started: float
) -> DeployRecord:
    served = move.fallback if outcome == "reverted" else move.desired.version
    digest = move.desired.digest if outcome != "reverted" else None
    seconds = time.time() - started
    return DeployRecord(context.stage.name, outcome, served, move.before, digest, tuple(events), verdict, seconds)
