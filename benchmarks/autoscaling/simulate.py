"""Lets a rule scale the fleets of all sites through a trace, second by second, and counts what that loses and costs.

A replica that is wanted starts, is ready after the start time, and goes at once when it is too many, those that still
start first. It costs from its start. Arrivals are random (Poisson) around the trace's rate, from a fixed seed, the same
for every rule.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from benchmarks.autoscaling.arrays import Array
from benchmarks.autoscaling.rules import Rule, Signals, hpa_steps
from benchmarks.autoscaling.traces import HOUR, Trace
from benchmarks.autoscaling.waiting import AGE_BIN, AGE_BINS, Second, pass_second, percentile

BEGIN_UTILIZATION = 0.7
SERIES_SECONDS = 15
LATE_SECONDS = 0.5


@dataclass(frozen=True)
class Replica:
    """One replica: frames a second, seconds from its creation until it is ready."""

    speed: float
    start: int


@dataclass(frozen=True)
class Outcome:
    """What a rule did with a trace; frames are of all sites, `ages` their histogram by AGE_BIN.

    `first_site` is the replicas of the first site every SERIES_SECONDS.
    """

    frames: float
    scored: float
    lost: float
    waiting: float
    replica_hours: float
    ages: Array
    first_site: tuple[float, ...]

    @property
    def lost_share(self) -> float:
        """Return the share of the frames that were lost."""
        return self.lost / self.frames if self.frames else 0.0

    @property
    def late(self) -> float:
        """Return how many results came too late to act on."""
        return float(self.ages[round(LATE_SECONDS / AGE_BIN) :].sum())

    @property
    def p99_age(self) -> float:
        """Return the age in seconds that 99 of 100 results did not exceed."""
        return percentile(self.ages, 0.99)


@dataclass
class Fleet:
    """The replicas of each site: all, those that are ready, and those that start, by the second they are due."""

    replicas: Array
    ready: Array
    starting: deque[Array]

    @classmethod
    def of(cls, replicas: Array, start: int) -> Fleet:
        """Return a fleet whose replicas are all ready; a new one takes `start` seconds, one at the least."""
        return cls(replicas, replicas, deque([np.zeros_like(replicas)] * max(start, 1)))

    def pass_second(self) -> None:
        """Let those that are due become ready."""
        self.ready = self.ready + self.starting.popleft()
        self.starting.append(np.zeros_like(self.ready))

    def scale(self, wanted: Array) -> None:
        """Start what is missing, end what is too much: the youngest first."""
        if (wanted == self.replicas).all():
            return
        surplus = np.maximum(self.replicas - wanted, 0)
        self.starting[-1] = self.starting[-1] + np.maximum(wanted - self.replicas, 0)
        self.replicas = wanted
        for index in reversed(range(len(self.starting))):
            ended = np.minimum(self.starting[index], surplus)
            self.starting[index] = self.starting[index] - ended
            surplus = surplus - ended
        self.ready = self.ready - surplus


@dataclass
class Memory:
    """What a controller remembers: its last answers, and the seconds for which its polls found no frame at a site."""

    answers: Array
    idle: Array
    asked: int = 0

    def remember(self, answer: Array) -> Array:
        """Take in an answer, and return the highest of those remembered."""
        self.answers[self.asked % len(self.answers)] = answer
        self.asked += 1
        highest: Array = self.answers.max(0)
        return highest


@dataclass
class Totals:
    """Sums of a run, and the replicas of the first site every SERIES_SECONDS."""

    frames: float = 0.0
    scored: float = 0.0
    lost: float = 0.0
    replica_seconds: float = 0.0
    ages: Array = field(default_factory=lambda: np.zeros(AGE_BINS))
    first_site: list[float] = field(default_factory=list)

    def add(self, second: int, arrived: float, passed: Second, fleet: Fleet) -> None:
        """Count one second."""
        self.frames += arrived
        self.scored += float(passed.scored.sum())
        self.lost += float(passed.lost.sum())
        self.replica_seconds += float(fleet.replicas.sum())
        self.ages += passed.ages
        if second % SERIES_SECONDS == 0:
            self.first_site.append(float(fleet.replicas[0]))


def decide(rule: Rule, signals: Signals, memory: Memory, second: int) -> Array:
    """Return how many replicas each site shall have from now on; the memory takes the answer in."""
    answer = np.clip(rule.wanted(signals), np.maximum(rule.least, 1), rule.most)
    highest = memory.remember(answer)
    more = hpa_steps(signals.replicas, answer) if rule.is_stepped else answer
    wanted = np.where(answer > signals.replicas, more, np.minimum(signals.replicas, highest))
    if rule.polling is None:
        return wanted
    if second % rule.polling >= rule.period:
        return np.where(signals.replicas == 0, 0.0, wanted)
    memory.idle = np.where(signals.pending > 0, 0.0, memory.idle + rule.polling)
    # An HPA does nothing at zero: from there and back KEDA itself goes, when it polls.
    awake = np.where(signals.replicas == 0, 1.0, wanted)
    asleep = (memory.idle >= rule.cooldown) | ((signals.replicas == 0) & (memory.idle > 0))
    return np.where(asleep, 0.0, awake)


def simulate(trace: Trace, rule: Rule, replica: Replica, seed: int = 0) -> Outcome:
    """Return what a rule makes of a trace."""
    rng, sites = np.random.default_rng(seed), len(trace.streams)
    fleet = Fleet.of(begin(trace, rule, replica), replica.start)
    memory = Memory(np.tile(fleet.ready, (max(rule.down // rule.period, 1), 1)), np.zeros(sites))
    waiting, totals = np.zeros(sites), Totals()
    busy = deque([np.zeros(sites)] * rule.busy_periods, rule.busy_periods)
    measured: Signals | None = None
    for second in range(trace.seconds):
        fleet.pass_second()
        coming = rng.poisson(trace.at(second)).astype(np.float64)
        passed = pass_second(waiting, coming, fleet.ready * replica.speed, rule.patience, 1 / replica.speed)
        totals.add(second, float(coming.sum()), passed, fleet)
        waiting, scoring = passed.waiting, passed.scored / replica.speed
        busy[-1] = busy[-1] + scoring / rule.period
        if (second + 1) % rule.period == 0:
            if measured is not None:
                now = dataclasses.replace(measured, replicas=fleet.replicas)
                fleet.scale(decide(rule, now, memory, second + 1))
            # What is measured now is what the next decision knows: readings are a period old.
            measured = Signals(fleet.replicas, fleet.ready, np.mean(busy, axis=0), waiting, waiting + scoring)
            busy.append(np.zeros(sites))
    return _outcome(totals, float(waiting.sum()))


def begin(trace: Trace, rule: Rule, replica: Replica) -> Array:
    """Return the replicas at the beginning: those that the first load needs, as a rule that was at work left them."""
    needed = np.ceil(trace.at(0) / (replica.speed * BEGIN_UTILIZATION))
    return np.clip(needed, rule.least, rule.most)


def _outcome(totals: Totals, waiting: float) -> Outcome:
    hours = totals.replica_seconds / HOUR
    return Outcome(totals.frames, totals.scored, totals.lost, waiting, hours, totals.ages, tuple(totals.first_site))
