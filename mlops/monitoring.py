"""What of a stage is worth telling people: pure rules from what was seen to findings, each with the key of its cause.

The same cause gives the same key on each day, so that it is told once. Figures may change; a key never holds one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from mlops.ci import quiet
from mlops.issues import Issue
from mlops.ports import CheckLine
from mlops.preflight.permissions import STEPS
from mlops.records import RuleResult

PREFLIGHT, HEALTH, DRIFT, TRAININGS = AREAS = ("preflight", "health", "drift", "trainings")
RETIREMENT = "retirement"  # the one check whose warnings rot, too: it says what ends within half a year
# What preflight says of the machine that looks, and of what its identity may do, is no news of the stage: a monitor
# trains and deploys nothing, and has an identity that reads. Each training asks for these before it begins.
OF_WHO_LOOKS = (
    *("home", "disk", "port", "packages", "image login", "roles: registry", "roles: storage"),
    *(f"roles: {step}" for step in STEPS),
)
SUFFIX = "_psi"
LONGEST_PART = 60
LONGEST_TITLE = 140
LONGEST_DETAILS = 60_000  # GitHub takes 65,536 characters
_UNSAFE = re.compile(r"[^a-z0-9._-]+")  # Azure DevOps takes tags that differ in case for one


@dataclass(frozen=True)
class Finding:
    """One cause: its area, its key, a line that names it, and what was seen of it, a line each."""

    area: str
    key: str
    title: str
    details: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """One drift summary of a stream: when, in seconds since 1970, over how many frames, PSI by quantity."""

    stream: str
    time: float
    frames: int
    psi: Mapping[str, float]


def key_of(stage: str, area: str, cause: str) -> str:
    """Return the key of a cause: a word that labels, tags and addresses can hold, whatever a camera is called."""
    safe = _UNSAFE.sub("-", cause.lower())[:LONGEST_PART]
    told = safe if safe == cause else f"{safe}-{hashlib.sha256(cause.encode()).hexdigest()[:8]}"
    return f"visionline/{stage}/{area}/{told}"


def finding(stage: str, area: str, cause: str, title: str, details: Sequence[str]) -> Finding:
    """Return a finding about a stage."""
    line = quiet(" ".join(f"{stage}: {title}".split()))
    told = tuple(quiet(" ".join(detail.split())) for detail in details)
    return Finding(area, key_of(stage, area, cause), line[:LONGEST_TITLE], told)


def rotten(stage: str, lines: Iterable[CheckLine]) -> list[Finding]:
    """Return a finding for each check of preflight that fails, and for what will be retired; not of who looks."""
    wrong: dict[str, list[str]] = {}
    for line in (one for one in lines if one.check not in OF_WHO_LOOKS):
        if line.state == "failure" or (line.state == "warning" and line.check == RETIREMENT):
            wrong.setdefault(line.check, []).append(line.text)
    return [finding(stage, PREFLIGHT, check, f"preflight: {check}", texts) for check, texts in wrong.items()]


def unwell(stage: str, rules: Iterable[RuleResult]) -> list[Finding]:
    """Return a finding for each rule of the endpoint that does not hold, or could not be judged."""
    wrong = [rule for rule in rules if rule.outcome != "promote"]
    return [finding(stage, HEALTH, rule.rule, f"endpoint: {rule.rule}", (rule.reason,)) for rule in wrong]


def judge_errors(requests: int, errors: int, most: float) -> RuleResult:
    """Of the live requests since the deployment was started, not more than a share failed by the model's fault."""
    told = f"{errors} of {requests} live requests failed (limit {most:.1%})"
    return RuleResult("errors", "promote" if not requests or errors / requests <= most else "reject", told)


def drifted(stage: str, summaries: Sequence[Summary], hours: float, now: float, most: float) -> list[Finding]:
    """Return a finding for each stream whose median PSI of the last hours is above a limit, and one where all are mute.

    The median of many windows: one odd minute is no drift. What is no number counts as drift.
    """
    recent = [one for one in summaries if one.time > now - hours * 3600]
    if not recent:
        last = "none ever did" if not summaries else f"the last did {_hours(summaries, now):.0f} hours ago"
        return [finding(stage, DRIFT, "silent", "streams send no drift summaries", (f"in {hours:g} hours; {last}",))]
    streams: dict[str, list[Summary]] = {}
    for one in recent:
        streams.setdefault(one.stream, []).append(one)
    return [found for name in sorted(streams) for found in _drift_of(stage, name, streams[name], most)]


def issue_of(found: Finding, seen_by: str) -> Issue:
    """Return what people are told of a finding; `seen_by` is the run that saw it."""
    # As code: whatever a camera or a service calls itself, it can mention nobody and format nothing.
    details = "\n".join(f"    {line}" for line in found.details)[:LONGEST_DETAILS]
    footer = f"Seen by {seen_by}. It is changed while the cause lasts, and closed when it is gone."
    return Issue(found.key, found.title, f"{details}\n\n{footer}")


def gone(opened: Iterable[str], stage: str, areas: Iterable[str], found: Iterable[Finding]) -> list[str]:
    """Return the keys that are open, of the areas that were looked at whole, and were not found again."""
    still = {one.key for one in found}
    looked = tuple(f"visionline/{stage}/{area}/" for area in areas)
    return [key for key in opened if key.startswith(looked) and key not in still]


def _drift_of(stage: str, stream: str, seen: Sequence[Summary], most: float) -> Iterator[Finding]:
    psi: dict[str, list[float]] = {}
    for one in seen:
        for name, value in one.psi.items():
            psi.setdefault(name, []).append(value if value == value else float("inf"))
    far = {name: median(values) for name, values in sorted(psi.items()) if median(values) > most}
    if far:
        frames = sum(one.frames for one in seen)
        over = f"over {frames} frames in {len(seen)} summaries"
        details = [f"{name}: PSI {value:.2f} (limit {most:g}), {over}" for name, value in far.items()]
        yield finding(stage, DRIFT, stream, f"stream {stream} drifts from the training images", details)


def _hours(summaries: Iterable[Summary], now: float) -> float:
    return (now - max(one.time for one in summaries)) / 3600
