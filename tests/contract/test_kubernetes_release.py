"""Releases to a cluster, whole: what people changed is put back, one release at a time, and by replicas, too."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cluster_serving import Serving
from cluster_stages import deployment
from kubefake.faults import Call
from kubefake.kinds import KINDS
from model_packages import MODEL
from running_endpoint import wait_for

from mlops import rollout
from mlops.adapters.kubernetes import lease, target as kubernetes
from mlops.adapters.kubernetes.rights import needed
from mlops.adapters.kubernetes.target import open_target
from mlops.delivery import namespace_of
from mlops.errors import BusyError, TargetError
from mlops.records import Verdict, stage_tag
from mlops.steps.rollback import rollback

V1, V2 = f"{MODEL}-v1", f"{MODEL}-v2"


def test_what_people_changed_by_hand_is_put_back(serving: Serving) -> None:
    serving.expect(1)
    assert serving.deploy().outcome == "unchanged"
    image = ("spec", "template", "spec", "containers", '[name="runtime"]', "image")
    serving.cluster.edit("Deployment", V1, image, f"registry.example/other@sha256:{'1' * 64}")
    assert list(serving.status().deployments) == [], "what runs is not the version"
    assert serving.deploy().outcome == "served"
    serving.expect(1)
    serving.cluster.delete("Deployment", V1)
    assert (serving.status().traffic, serving.deploy().outcome) == ({}, "served")
    serving.expect(1)
    serving.cluster.edit("Deployment", V1, ("spec", "replicas"), 3)
    assert serving.deploy().outcome == "served"
    assert serving.cluster.find("Deployment", V1)["spec"]["replicas"] == 1


def test_a_canary_s_weight_that_was_moved_by_hand_is_moved_back(serving: Serving) -> None:
    target = open_target(serving.stage)
    serving.approve(2)
    serving.deploy()
    with target.lock():
        rules = serving.cluster.find("HTTPRoute", MODEL)["spec"]["rules"]
        rules[-1]["backendRefs"] = [{"name": V1, "port": 8080, "weight": 100}]
        serving.cluster.edit("HTTPRoute", MODEL, ("spec", "rules"), rules)
    assert serving.status().traffic == {}, "version 1 is gone: nothing serves"
    assert serving.deploy().outcome == "served"
    serving.expect(2)


def test_weights_that_sum_to_nothing_usual_never_cost_the_traffic(serving: Serving) -> None:
    rules = serving.cluster.find("HTTPRoute", MODEL)["spec"]["rules"]
    backend = rules[-1]["backendRefs"][0]
    rules[-1]["backendRefs"] = [{**backend, "weight": 3}, {"name": "somebody-elses", "port": 80, "weight": 4}]
    serving.cluster.edit("HTTPRoute", MODEL, ("spec", "rules"), rules)
    serving.approve(2)
    routed: list[int] = []

    def note(call: Call) -> None:
        if call.verb == "patch" and call.resource.startswith("httproutes"):
            routed.append(sum(serving.status().traffic.values()))

    serving.cluster.after_change = note
    assert serving.deploy().outcome == "served"
    serving.expect(2)
    assert set(routed) == {100}, "at each change something serves"


def test_a_deployment_that_is_taken_away_in_a_release_is_told_in_a_line(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspect(*given: Any) -> Verdict:
        verdict = judged(*given)
        serving.cluster.delete("Deployment", V2)
        return verdict

    judged = rollout.inspect
    monkeypatch.setattr(rollout, "inspect", inspect)
    serving.approve(2)
    with pytest.raises(TargetError, match="version 2 is not deployed: run `deploy --stage production`"):
        serving.deploy()
    monkeypatch.setattr(rollout, "inspect", judged)
    assert serving.status().traffic == {1: 100} and serving.deploy().outcome == "served"


def test_a_rollback_takes_the_revoked_version_off_the_cluster(serving: Serving) -> None:
    serving.approve(2)
    assert [event.traffic for event in serving.deploy().events] == [{"1": 90, "2": 10}, {"2": 100}]
    serving.expect(2)
    record = rollback(serving.context, "a test")
    assert (record.revoked, record.served) == (2, 1)
    serving.expect(1)
    assert not any(V2 in serving.cluster.names(kind) for kind in ("Deployment", "Service", "ConfigMap", "Pod"))


def test_a_version_that_crashes_is_revoked_and_leaves_the_cluster(serving: Serving) -> None:
    serving.approve(2)
    serving.cluster.fail(V2, "crash-loop", "Traceback: no such model")
    record = serving.deploy()
    assert record.outcome == "reverted" and "no such model" in record.verdict.reason
    serving.expect(1)
    assert stage_tag(serving.context.registry.versions(MODEL)[2], "production") == "revoked"


def test_where_the_cluster_is_to_blame_no_version_is_revoked_and_a_rerun_serves_it(serving: Serving) -> None:
    serving.approve(2)
    serving.cluster.fail(V2, "quota", "exceeded quota: edge")
    with pytest.raises(TargetError, match="exceeded quota"):
        serving.deploy()
    serving.expect(1)
    serving.cluster.heal(V2)
    assert serving.deploy().outcome == "served"
    serving.expect(2)


def test_two_releases_at_once_are_one_release(serving: Serving) -> None:
    serving.approve(2)
    serving.cluster.fail(V2, "unready")
    first = threading.Thread(target=serving.deploy)
    first.start()
    wait_for(lambda: V2 in serving.cluster.names("Deployment"))
    with pytest.raises(BusyError, match=r"process \d+ on .* is releasing to it since"):
        serving.deploy()
    serving.cluster.heal(V2)
    first.join()
    serving.expect(2)


def test_two_processes_of_one_pipeline_run_never_both_hold_the_lease(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://code.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/one")
    monkeypatch.setattr(lease, "_now", lambda place: 1_800_000_000.0)
    serving.cluster.delete("Lease", f"{MODEL}-release")
    first, second = (open_target(serving.stage) for _ in range(2))
    with first.lock():
        taken = serving.cluster.find("Lease", f"{MODEL}-release")["spec"]["holderIdentity"]
        assert taken.startswith("https://code.example/team/one/actions/runs/7#")
        # The second looked before the first had it, and then wrote in the same second of the API server's.
        monkeypatch.setattr(type(second._cluster), "find", lambda cluster, path: None)
        with pytest.raises(BusyError, match="https://code.example/team/one/actions/runs/7 is releasing to it"):
            with lease.held(lease.Place(second._cluster, namespace_of(serving.stage), f"{MODEL}-release")):
                raise AssertionError("two hold it")
        monkeypatch.undo()


def test_the_lease_of_a_process_that_died_is_taken_over_once_it_ran_out(serving: Serving) -> None:
    died = open_target(serving.stage).lock()
    died.__enter__()
    with pytest.raises(BusyError):
        serving.deploy()
    serving.cluster.expire_leases()
    assert serving.deploy().outcome == "unchanged"


def test_a_release_that_lost_its_lease_changes_nothing_any_more(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    target = open_target(serving.stage)
    with target.lock():
        serving.cluster.delete("Lease", f"{MODEL}-release")
        wait_for(lambda: target._lease is not None and target._lease._renewed < 0)
        with pytest.raises(TargetError, match="the lock was lost"):
            target.set_traffic({})
    serving.expect(1)


def test_a_lease_that_is_lost_while_a_version_gets_ready_moves_no_traffic(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*given: object) -> None:
        serving.cluster.delete("Lease", f"{MODEL}-release")
        wait_for(lambda: target._lease is not None and target._lease._renewed < 0)

    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(kubernetes, "rolled_out", lose)
    serving.approve(2)
    target, before = open_target(serving.stage), serving.cluster.find("HTTPRoute", MODEL)
    with target.lock(), pytest.raises(TargetError, match="the lock was lost"):
        target.deploy(deployment(serving.cluster, serving.stage, 2, serving.packages[1]))
    assert serving.cluster.find("HTTPRoute", MODEL) == before, "neither the release nor its undoing touched it"


def test_a_release_asks_for_nothing_that_preflight_does_not_name(serving: Serving) -> None:
    serving.approve(2)
    serving.deploy()
    serving.expect(2)
    calls = {f"{call.verb} {call.resource}" for call in serving.cluster.calls if call.resource}
    groups = {kind.group for kind in KINDS}
    named = {str(right) for right in needed(serving.stage, groups)}
    assert calls - named == {"create selfsubjectaccessreviews.authorization.k8s.io"}, "everybody may ask that"


@pytest.mark.parametrize("serving", ["replicas"], indirect=True)
def test_without_a_gateway_replicas_make_the_shares(serving: Serving) -> None:
    serving.cluster.absent.add("gateway.networking.k8s.io")
    serving.expect(1)
    assert serving.cluster.names("HTTPRoute") == []
    serving.cluster.edit("Service", MODEL, ("spec", "selector"), {"visionline/traffic": "live"})
    serving.cluster.edit("Service", MODEL, ("metadata", "annotations", "visionline/traffic"), "spoiled")
    assert serving.status().traffic == {1: 100}, "what was declared goes on"
    shares: list[dict[str, int]] = []

    def note(call: Call) -> None:
        if (call.verb, call.resource, call.name) == ("patch", "services", MODEL):
            names = serving.cluster.names("Deployment")
            shares.append({name: serving.cluster.find("Deployment", name)["spec"]["replicas"] for name in names})

    serving.approve(2)
    serving.cluster.after_change = note
    assert serving.deploy().outcome == "served"
    serving.expect(2)
    assert {V1: 1, V2: 1} in shares and shares[-1] == {V1: 1, V2: 2}, "10 % of two replicas is one at least"
