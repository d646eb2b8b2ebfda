"""Who decides how many replicas a site has: the rules of Kubernetes' HPA, KEDA and Azure ML's router. Pure functions.

Sources, as of Kubernetes 1.33, KEDA 2.16 and Azure ML's extension in 2026:
HPA    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/ (algorithm, tolerance, behavior)
KEDA   https://keda.sh/docs/2.16/reference/scaledobject-spec/ (pollingInterval, cooldownPeriod: 0 to 1; above 1 an HPA)
Router https://learn.microsoft.com/azure/machine-learning/how-to-kubernetes-inference-routing-azureml-fe (Autoscaling)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.autoscaling.arrays import Array

TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
SYNC_SECONDS = 15  # --horizontal-pod-autoscaler-sync-period; Prometheus' and metrics-server's reading is as old
DOWN_SECONDS = 300  # behavior.scaleDown.stabilizationWindowSeconds
MORE_SHARE, MORE_PODS = 1.0, 4  # behavior.scaleUp.policies: the larger, in 15 s
PROMETHEUS_PERIODS = 4  # rate(...[1m])
ROUTER_UTILIZATION = 0.7  # scale_settings.target_utilization_percentage
ROUTER_UP_SECONDS, ROUTER_DOWN_SECONDS = 1, 60  # "around 1 second", "around 1 minute"
ROUTER_PATIENCE = 0.5  # request_settings.max_queue_wait
PATIENCE = 1.0  # --max-wait of serving.endpoint
EXACT = 1e-9  # ceil of 3.0000000001 replicas is 3


@dataclass(frozen=True)
class Signals:
    """What a rule is told of each site.

    `replicas` exist now. As last measured: `ready` of them answered, `busy` of them were scoring on average, `waiting`
    frames waited for their turn, and `pending` had no result yet, those being scored among them.
    """

    replicas: Array
    ready: Array
    busy: Array
    waiting: Array
    pending: Array


@dataclass(frozen=True)
class Rule:
    """How a fleet is scaled: `wanted` replicas, asked every `period` seconds, between `least` and `most`.

    Fewer are taken only if no answer of the last `down` seconds was higher. `is_stepped` limits growth as the HPA does.
    Busy time is averaged over `busy_periods`.
    `polling` and `cooldown` are KEDA's: from and to no replica at all; None never goes below `least`.
    """

    wanted: Callable[[Signals], Array]
    least: Array | float
    most: Array | float
    period: int = SYNC_SECONDS
    down: int = DOWN_SECONDS
    is_stepped: bool = True
    patience: float = PATIENCE
    busy_periods: int = 1
    polling: int | None = None
    cooldown: int = DOWN_SECONDS


def hpa_wanted(replicas: Array, ready: Array, usage: Array, target: float) -> Array:
    """Return the HPA's answer: ceil(replicas * metric / target), or as many as there are within the tolerance.

    `usage` is the metric's sum over the `ready` replicas, `target` its target for one. Replicas that are not ready
    count as idle where more are wanted, which damps the growth; without a reading nothing changes.
    """
    counted = np.where(usage > ready * target, replicas, ready)
    ratio = usage / np.maximum(counted * target, EXACT)
    is_near = (np.abs(ratio - 1) <= TOLERANCE) | (ready == 0)
    is_damped = (usage > ready * target) & (ratio < 1)
    wanted: Array = np.where(is_near | is_damped, replicas, np.ceil(usage / target - EXACT))
    return wanted


def hpa_steps(replicas: Array, wanted: Array) -> Array:
    """Return how many the HPA goes up to at once: twice as many or four more, whichever is more."""
    return np.minimum(wanted, np.maximum(replicas * (1 + MORE_SHARE), replicas + MORE_PODS))


def keda_wanted(replicas: Array, lag: Array, threshold: float) -> Array:
    """Return the answer of the HPA that KEDA makes, of an AverageValue: ceil(lag / threshold)."""
    return hpa_wanted(replicas, replicas, lag, threshold)


def router_wanted(busy_and_queued: Array, utilization: float = ROUTER_UTILIZATION) -> Array:
    """Return the router's answer: as many that (busy replicas + queued requests) / replicas is its target.

    It is `ceil(concurrent requests / max_concurrent_requests_per_instance / target)`, one request a replica.
    """
    return np.ceil(busy_and_queued / utilization - EXACT)


def fixed(replicas: Array) -> Rule:
    """Return the rule that never changes anything."""
    return Rule(lambda signals: signals.replicas, replicas, replicas)


def hpa(busy_percent: float | None, waiting: float | None, least: float, most: float) -> Rule:
    """Return an HPA on busy time, which for one core a replica is the CPU, on frames waiting, or on the higher of both.

    None leaves a metric out. Alone, busy time is as the metrics server reads it, else as a query of Prometheus does.
    """

    def wanted(signals: Signals) -> Array:
        answers = [np.zeros_like(signals.replicas)]
        if busy_percent is not None:
            answers.append(hpa_wanted(signals.replicas, signals.ready, signals.busy, busy_percent / 100))
        if waiting is not None:
            answers.append(hpa_wanted(signals.replicas, signals.ready, signals.waiting, waiting))
        return np.maximum.reduce(answers)

    return Rule(wanted, least, most, busy_periods=1 if waiting is None else PROMETHEUS_PERIODS)


def keda(threshold: float, polling: int, cooldown: int, most: float) -> Rule:
    """Return KEDA's rule on the lag of a site's streams: their frames without a result."""

    def wanted(signals: Signals) -> Array:
        return keda_wanted(signals.replicas, signals.pending, threshold)

    return Rule(wanted, 0, most, polling=polling, cooldown=cooldown)


def router(least: float, most: float) -> Rule:
    """Return the rule of Azure ML's router at its defaults."""
    return Rule(
        lambda signals: router_wanted(signals.pending),
        least,
        most,
        period=ROUTER_UP_SECONDS,
        down=ROUTER_DOWN_SECONDS,
        is_stepped=False,
        patience=ROUTER_PATIENCE,
    )
