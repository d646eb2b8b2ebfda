"""What a run's records say together: which model to look at, what became of each, in which order things happened.

Pure functions over what collect read. They draw nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.demo.acts import life
from mlops.names import STAGES
from mlops.records import DeployRecord, RollbackRecord, Verdict
from mlops.report import words
from mlops.report.collect import ModelRun, Run

GOOD, BAD, TURNED, PLAIN = "good", "bad", "turned", "plain"
JOB_STEPS = ("prepare", "train", "export", "evaluate", "register")


@dataclass(frozen=True)
class Fate:
    """What became of a model, in a few words and whether that is good, bad, turned (taken back) or plain."""

    title: str
    words: str
    tone: str


@dataclass(frozen=True)
class Station:
    """One step in a model's life: seconds where they were measured, a note, a tone."""

    name: str
    seconds: float | None
    note: str
    tone: str = PLAIN


@dataclass(frozen=True)
class Span:
    """A stretch of the whole run, in seconds since its start, in a lane."""

    name: str
    lane: str
    start: float
    seconds: float


@dataclass(frozen=True)
class Judgement:
    """A verdict, and on what it was given."""

    title: str
    version: int | None
    verdict: Verdict


def rollback_of(run: Run) -> RollbackRecord | None:
    """Return the rollback of the run's last stage that had one."""
    found = {**run.own.rollbacks, **{s: r for model in run.models for s, r in model.rollbacks.items()}}
    return next((found[stage] for stage in reversed(STAGES) if stage in found), None)


def serving(run: Run) -> tuple[str, int] | None:
    """Return the last stage that was deployed to and the version that it serves since, None where nothing serves."""
    rollback, deployed = rollback_of(run), last_deployment(run)
    if rollback and (deployed is None or STAGES.index(rollback.stage) >= STAGES.index(deployed.stage)):
        return rollback.stage, rollback.served
    return (deployed.stage, deployed.version) if deployed and deployed.version is not None else None


def last_deployment(run: Run) -> DeployRecord | None:
    """Return the deployment to the furthest stage; of several, that of the model made last."""
    records = [record for one in _folders_of(run) for record in one.deployments.values()]
    return max(enumerate(records), key=lambda pair: (STAGES.index(pair[1].stage), pair[0]))[1] if records else None


def shown_model(run: Run) -> ModelRun | None:
    """Return the model whose evaluation the report shows.

    That is the last one that was released and has a champion to be compared with, else the last that was evaluated,
    else the last of all.
    """
    evaluated = [model for model in run.models if model.evaluation]
    compared = [model for model in evaluated if model.evaluation and model.evaluation.champion and was_released(model)]
    return next(reversed(compared or evaluated or run.models), None)


def was_released(model: ModelRun) -> bool:
    """Tell whether a model was registered and no stage took it back while it was released."""
    return model.version is not None and not any(_is_reverted(record) for record in model.deployments.values())


def called(model: ModelRun) -> str:
    """Return what to call a model: by its version, else by its run."""
    return f"Candidate of {model.name}" if model.version is None else f"Version {model.version}"


def fates(run: Run) -> list[Fate]:
    """Return what became of each model of a run, in order."""
    return [_fate(run, model) for model in run.models]


def headline(run: Run) -> Fate:
    """Return what the whole run ended with."""
    now, rollback = serving(run), rollback_of(run)
    if now and rollback:
        how = f"Rolled back from version {rollback.revoked} in {words.seconds(rollback.seconds)}"
        return Fate(f"Version {now[1]} serves {now[0]}", how, GOOD)
    if now:
        return Fate(f"Version {now[1]} serves {now[0]}", "", GOOD)
    if not run.models:
        return Fate(f"Run {run.name}", "No model was made here", PLAIN)
    last = run.models[-1]
    if last.version is None and last.registration:
        return Fate("The model was held back", _fate(run, last).words, BAD)
    return _fate(run, last)


def judgements(model: ModelRun) -> list[Judgement]:
    """Return the verdicts on a model in the order in which they were given."""
    given = []
    if model.registration:
        given.append(Judgement("registration", model.version, model.registration.verdict))
    for stage in STAGES:
        if stage in model.promotions:
            given.append(Judgement(f"promotion to {stage}", model.version, model.promotions[stage].verdict))
        if stage in model.deployments:
            given.append(Judgement(f"deployment to {stage}", model.version, model.deployments[stage].verdict))
    return given


def life_of(run: Run, model: ModelRun) -> list[Station]:
    """Return a model's way from data to production, and back where it was rolled back."""
    acts = run.demo.steps if run.demo else {}
    name = f"data {model.name}"
    first = [Station("data", acts.get(name), f"{model.data.version[:8]}…")] if model.data else []
    return [*first, *_job_stations(model), *_release_stations(model), *_rollback_stations(run, model)]


def spans(run: Run) -> list[Span]:
    """Return the demo's acts one after the other, each in the lane of its model; none where no demo was played."""
    if run.demo is None:
        return []
    order = {act.title: number for number, act in enumerate(life(run.name))}
    lanes = [model.name for model in run.models]
    laid, start = [], 0.0
    for name in sorted(run.demo.steps, key=lambda name: order.get(name, len(order))):
        seconds = run.demo.steps[name]
        laid.append(Span(name, next((lane for lane in lanes if lane in name.split()), ""), start, seconds))
        start += seconds
    return laid


def _fate(run: Run, model: ModelRun) -> Fate:
    now, rollback = serving(run), rollback_of(run)
    title = called(model)
    if model.version is None:
        verdict = model.registration.verdict if model.registration else None
        return Fate(title, f"{verdict.outcome}: {verdict.reason}", BAD) if verdict else Fate(title, "not judged", PLAIN)
    reverted = next((one for one in model.deployments.values() if _is_reverted(one)), None)
    if reverted:
        return Fate(title, f"failed in {reverted.stage}: {reverted.verdict.reason}", BAD)
    if rollback and rollback.revoked == model.version:
        return Fate(title, f"rolled back in {rollback.stage}: {rollback.reason}", TURNED)
    if now and now[1] == model.version:
        return Fate(title, f"serves {now[0]}", GOOD)
    return Fate(title, "approved" if not model.deployments else f"deployed to {list(model.deployments)[-1]}", PLAIN)


def _is_reverted(record: DeployRecord) -> bool:
    return record.outcome == "reverted"


def _folders_of(run: Run) -> Sequence[ModelRun]:
    return [*run.models, *([] if run.own in run.models else [run.own])]


def _job_stations(model: ModelRun) -> Iterator[Station]:
    steps = model.train.steps if model.train else {}
    known = [name for name in JOB_STEPS if name in steps]
    for name in [*known, *(name for name in steps if name not in known)]:
        status = steps[name].status
        tone = BAD if status == "failed" else PLAIN
        yield Station(name, steps[name].seconds, "" if status == "completed" else status, tone)


def _release_stations(model: ModelRun) -> Iterator[Station]:
    for stage in STAGES:
        if stage in model.deployments:
            record = model.deployments[stage]
            yield Station(stage, record.seconds, _traffic_words(record), BAD if _is_reverted(record) else GOOD)


def _traffic_words(record: DeployRecord) -> str:
    if _is_reverted(record):
        return "canary failed" if record.events else "failed before traffic"
    shares = [event.traffic.get(str(record.version), 0) for event in record.events]
    canary = len(shares) > 1 or any(share < 100 for share in shares)
    return f"canary {', '.join(map(str, shares))}{words.SPACE}%" if canary else record.outcome


def _rollback_stations(run: Run, model: ModelRun) -> Iterator[Station]:
    rollback = rollback_of(run)
    if rollback and rollback.revoked == model.version:
        yield Station("rollback", rollback.seconds, f"to version {rollback.served}", TURNED)
