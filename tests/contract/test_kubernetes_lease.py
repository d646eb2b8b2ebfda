"""The lease of a release is not lost by an answer that is, and not kept where it is another's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_serving import Serving
from kubefake.faults import Call, Fault
from model_packages import MODEL
from running_endpoint import wait_for

from mlops.adapters.kubernetes import lease
from mlops.adapters.kubernetes.cluster import Cluster, connect
from mlops.adapters.kubernetes.lease import Place, held
from mlops.adapters.kubernetes.target import KubernetesTarget, open_target
from mlops.delivery import namespace_of
from mlops.errors import BusyError, StepError, TargetError

NAME = f"{MODEL}-release"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew all the time, each time some seconds later: what is written twice in one second is no change."""
    seconds = itertools.count(1_800_000_000)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(lease, "_now", lambda place: float(next(seconds)))


def is_renewal(call: Call) -> bool:
    return call.verb == "update" and call.resource.startswith("leases")


def renewed_again(serving: Serving, target: KubernetesTarget) -> None:
    """Wait until the lease was renewed some times more, or is lost."""
    before = sum(map(is_renewal, serving.cluster.calls))
    wait_for(lambda: is_lost(target) or sum(map(is_renewal, serving.cluster.calls)) > before + 3)


def is_lost(target: KubernetesTarget) -> bool:
    return target._lease is not None and target._lease._renewed < 0


def test_a_renewal_whose_answer_got_lost_is_no_loss_of_the_lock(serving: Serving) -> None:
    target = open_target(serving.stage)
    with target.lock():
        fault = Fault(is_renewal, times=1)
        serving.cluster.faults.append(fault)
        wait_for(lambda: fault.times == 0)
        renewed_again(serving, target)
        assert not is_lost(target)
        target.set_traffic({1: 100})
    assert not serving.cluster.find("Lease", NAME)["spec"].get("holderIdentity"), "it was given back"


def test_a_lease_that_somebody_only_labelled_is_still_ours(serving: Serving) -> None:
    target = open_target(serving.stage)
    with target.lock():
        serving.cluster.edit("Lease", NAME, ("metadata", "labels"), {"seen-by": "somebody"})
        renewed_again(serving, target)
        target.set_traffic({1: 100})


def test_a_lease_that_another_took_is_lost(serving: Serving) -> None:
    target = open_target(serving.stage)
    with target.lock():
        serving.cluster.edit("Lease", NAME, ("spec", "holderIdentity"), "another#1")
        wait_for(lambda: is_lost(target))
        with pytest.raises(TargetError, match="the lock was lost"):
            target.set_traffic({})
    assert serving.cluster.find("Lease", NAME)["spec"]["holderIdentity"] == "another#1"


def test_who_lost_the_lock_sends_no_version_of_anothers_release_to_sleep(serving: Serving) -> None:
    scaled = replace(serving.stage, kubernetes=replace(serving.stage.kubernetes, autoscaling="keda"))
    replace(serving, stage=scaled).deploy()
    target = open_target(scaled)
    with target.lock():
        serving.cluster.edit("Lease", NAME, ("spec", "holderIdentity"), "another#1")
        wait_for(lambda: is_lost(target))
        before = len(serving.cluster.calls)
    changed = [call for call in serving.cluster.calls[before:] if call.is_change and not is_renewal(call)]
    assert changed == [] and serving.cluster.find("ScaledObject", f"{MODEL}-v1")["spec"]["minReplicaCount"] == 1


class Clocks:
    """One time for this machine and the API server: it goes on where a write of the lease is late, and only there."""

    def __init__(self, serving: Serving, patch: pytest.MonkeyPatch) -> None:
        self.seconds, self.late = 1_800_000_000.0, list[float]()
        self.place = Place(connect(None), namespace_of(serving.stage), NAME)
        request = type(self.place.cluster).request

        def slow(cluster: Cluster, method: str, path: str, *args: Any, **named: Any) -> Any:
            found = request(cluster, method, path, *args, **named)
            if method in ("PUT", "POST") and "/leases" in path and self.late:
                self.seconds += self.late.pop(0)
            return found

        patch.setattr(Cluster, "request", slow)
        patch.setattr(lease, "RENEW_SECONDS", 100.0)
        patch.setattr(lease, "_now", lambda place: self.seconds)
        patch.setattr(lease, "time", SimpleNamespace(monotonic=lambda: self.seconds))


def test_a_lease_whose_write_got_through_late_is_held_no_longer_than_it_says(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(serving, monkeypatch)
    clocks.late = [14.0]
    with held(clocks.place) as first:
        clocks.seconds += 16.5
        with held(clocks.place):
            with pytest.raises(TargetError, match="the lock was lost"):
                first.check()


@pytest.mark.parametrize("late", [16.0, 29.0, 45.0])
def test_a_lease_of_which_little_is_left_when_it_is_taken_is_taken_anew(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    clocks = Clocks(serving, monkeypatch)
    clocks.late = [late]
    with held(clocks.place) as first:
        clocks.seconds += 29.0
        first.check()
        with pytest.raises(BusyError, match="is releasing to it since"):
            with held(clocks.place):
                pass


def test_where_every_write_of_the_lease_is_late_nothing_is_released(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = Clocks(serving, monkeypatch)
    clocks.late = [45.0] * 9
    with pytest.raises(TargetError, match="the API answers too late for a lock to be held: run the step again"):
        with held(clocks.place):
            pass


def test_a_lease_whose_time_cannot_be_read_is_taken_by_nobody_and_told_in_a_line(serving: Serving) -> None:
    spec = {"holderIdentity": "another#1", "renewTime": "yesterday", "leaseDurationSeconds": 30}
    serving.cluster.edit("Lease", NAME, ("spec",), spec)
    with pytest.raises(StepError, match=r"Lease .* says no time that can be read \(yesterday\): delete it"):
        with open_target(serving.stage).lock():
            pass
    assert serving.cluster.find("Lease", NAME)["spec"] == spec
