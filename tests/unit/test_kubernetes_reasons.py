"""Why a Deployment does not get ready: who is to blame, and whether waiting helps, from what a cluster says."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.adapters.kubernetes.kinds import in_order
from mlops.adapters.kubernetes.live import percents
from mlops.adapters.kubernetes.reasons import is_rolled_out, obstacle
from mlops.adapters.kubernetes.refusals import hidden, refusal

DEPLOYMENT: dict[str, Any] = {"metadata": {"name": "m-v2", "generation": 3}, "spec": {"replicas": 2}}


def deployment(**status: Any) -> dict[str, Any]:
    full = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    return {**DEPLOYMENT, "status": {**full, **status}}


def pod(phase: str = "Pending", waiting: dict[str, str] | None = None, **status: Any) -> dict[str, Any]:
    state = {"name": "runtime", "state": {"waiting": waiting} if waiting else {"running": {}}}
    return {"metadata": {"name": "m-v2-a"}, "status": {"phase": phase, "containerStatuses": [state], **status}}


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 2},
        {"updatedReplicas": 1},
        {"readyReplicas": 1},
        {"availableReplicas": 1},
        {"replicas": 3},
    ],
)
def test_a_rollout_ends_when_all_pods_are_new_and_ready_and_no_old_one_is_left(status: dict[str, int]) -> None:
    assert is_rolled_out(deployment())
    assert not is_rolled_out(deployment(**status))


def test_a_deployment_without_pods_is_rolled_out_only_where_none_is_needed() -> None:
    asleep = {
        **deployment(replicas=0, updatedReplicas=0, readyReplicas=0, availableReplicas=0),
        "spec": {"replicas": 0},
    }
    assert is_rolled_out(asleep) and not is_rolled_out(asleep, least=1)


@pytest.mark.parametrize(
    "waiting, is_final, is_of_version",
    [
        ({"reason": "CrashLoopBackOff", "message": "back-off"}, True, True),
        ({"reason": "ImagePullBackOff", "message": "manifest unknown"}, True, False),
        ({"reason": "ErrImagePull", "message": "i/o timeout"}, False, False),
        ({"reason": "InvalidImageName", "message": "no"}, True, False),
        ({"reason": "CreateContainerConfigError", "message": 'configmap "v" not found'}, False, False),
    ],
)
def test_what_a_container_waits_for_tells_who_is_to_blame(
    waiting: dict[str, str], is_final: bool, is_of_version: bool
) -> None:
    found = obstacle(deployment(), [pod(waiting=waiting)])
    assert found is not None and (found.is_final, found.is_of_version) == (is_final, is_of_version)
    assert "m-v2-a" in found.text


def test_an_init_container_that_is_at_work_is_told_and_no_version_is_blamed_for_it() -> None:
    ended, at_work = {"name": "fetch", "state": {"terminated": {}}}, {"name": "engine", "state": {"running": {}}}
    building = pod(initContainerStatuses=[ended, at_work], containerStatuses=[])
    found = obstacle(deployment(), [building])
    assert found is not None and "init container engine is at work: let kubernetes.rollout_seconds" in found.text
    assert (found.is_final, found.is_of_version) == (False, False)
    assert obstacle(deployment(), [pod(initContainerStatuses=[ended], containerStatuses=[])]) is None


def crashing(container: str, state: dict[str, Any]) -> dict[str, Any]:
    ended = {"terminated": {"reason": "Error", "exitCode": 1}}
    return {"name": container, "ready": False, "state": state, "lastState": ended}


@pytest.mark.parametrize("state", [{"waiting": {"reason": "CrashLoopBackOff"}}, {"running": {}}])
def test_a_crash_of_what_fetches_a_model_blames_no_version_and_is_waited_for(state: dict[str, Any]) -> None:
    found = obstacle(deployment(), [pod(initContainerStatuses=[crashing("model", state)], containerStatuses=[])])
    assert found is not None and "crashes in container model (Error, exit code 1)" in found.text
    assert (found.is_final, found.is_of_version, found.crashed) == (False, False, "model")


def test_a_crash_of_what_builds_an_engine_of_the_package_blames_the_version() -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    found = obstacle(deployment(), [pod(initContainerStatuses=[crashing("engine", state)], containerStatuses=[])])
    assert found is not None and (found.is_final, found.is_of_version) == (True, True)


def test_a_fetch_that_succeeded_in_the_end_is_no_obstacle() -> None:
    done = {**crashing("model", {"terminated": {"exitCode": 0}}), "ready": True}
    assert obstacle(deployment(), [pod(initContainerStatuses=[done], containerStatuses=[])]) is None


def test_a_pod_that_was_evicted_or_goes_is_no_obstacle() -> None:
    evicted = pod("Failed", reason="Evicted")
    going = pod("Running")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert obstacle(deployment(), [evicted, going]) is None


def test_the_obstacle_that_waiting_does_not_remove_is_told_first() -> None:
    slow, crashed = pod("Running"), pod("Running", {"reason": "CrashLoopBackOff", "message": ""})
    found = obstacle(deployment(), [slow, crashed])
    assert found is not None and found.crashed == "runtime"


def test_a_quota_ends_the_wait_and_another_refusal_of_pods_does_not() -> None:
    for message, is_final in (("exceeded quota: edge", True), ("webhook timed out", False)):
        condition = {"type": "ReplicaFailure", "status": "True", "message": message}
        found = obstacle(deployment(conditions=[condition]), [])
        assert found is not None and found.is_final is is_final and message in found.text


@pytest.mark.parametrize(
    "weights, shares",
    [
        ({1: 90, 2: 10}, {1: 90, 2: 10}),
        ({1: 1, 2: 1, 3: 1}, {1: 34, 2: 33, 3: 33}),
        ({1: 0, 2: 7}, {2: 100}),
        ({1: 0}, {}),
        ({}, {}),
    ],
)
def test_weights_of_any_sum_are_percents_that_sum_to_a_hundred(weights: dict[int, int], shares: dict[int, int]) -> None:
    assert percents(weights) == shares


def test_a_refusal_is_one_line_without_secrets() -> None:
    said = refusal(500, b"token: abc123\nBearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.x", "GET /version")
    assert "\n" not in str(said) and "abc123" not in str(said) and "eyJ" not in str(said)
    assert hidden("a\n b") == "a b"


def test_what_others_need_is_applied_first_and_what_sends_requests_last() -> None:
    kinds = ["HTTPRoute", "Deployment", "Unknown", "ConfigMap", "Namespace"]
    ordered = [one["kind"] for one in in_order({"kind": kind} for kind in kinds)]
    assert ordered == ["Namespace", "ConfigMap", "Deployment", "HTTPRoute", "Unknown"]
