"""A version on Triton is judged by what Triton has counted; where nobody says what was counted, it is not promoted.

The edge runtime stands in for Triton, whose counters it has at the same path and by the same names.
"""

from __future__ import annotations

from cluster_serving import Serving
from kubefake.faults import Fault
from model_packages import MODEL
from running_endpoint import wait_for

from mlops.adapters.kubernetes.target import open_target
from mlops.probe import predict, read_golden
from mlops.records import stage_tag
from mlops.steps.rollback import rollback

CONTAINERS = ("spec", "template", "spec", "containers")


def without(path: str) -> Fault:
    """Return the fault of pods that have no such page."""
    return Fault(lambda call: call.resource == "pods/proxy" and call.path == path, times=10**6, status=404, body={})


def test_a_version_that_nobody_counts_for_is_not_promoted_and_not_revoked(serving: Serving) -> None:
    serving.cluster.faults.append(without("/deployments"))
    serving.approve(2)
    record = serving.deploy()
    assert (record.outcome, record.verdict.outcome) == ("reverted", "error")
    assert "ready pods in" in record.verdict.reason and "says what it has counted" in record.verdict.reason
    assert stage_tag(serving.context.registry.versions(MODEL)[2], "production") == "approved"
    assert serving.status().deployments[1].uncounted and serving.status().traffic == {1: 100}


def test_who_leaves_a_version_waits_for_nobody_who_counts(serving: Serving) -> None:
    serving.approve(2)
    assert serving.deploy().outcome == "served"
    serving.cluster.faults.append(without("/deployments"))
    rollback(serving.context, "it is bad")
    assert (serving.status().traffic, list(serving.status().deployments)) == ({1: 100}, [1])


def test_what_triton_has_counted_is_what_a_version_is_judged_by(serving: Serving) -> None:
    deployment = serving.cluster.find("Deployment", f"{MODEL}-v1")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    containers[0]["ports"].append({"name": "metrics", "containerPort": 8002})
    serving.cluster.edit("Deployment", f"{MODEL}-v1", CONTAINERS, containers)
    serving.cluster.faults.append(without("/deployments"))
    wait_for(lambda: serving.status().deployments[1].state == "ready")
    target = open_target(serving.stage)
    one = target.status().deployments[1]
    predict(one, read_golden(serving.packages[0]))
    after = target.status().deployments[1]
    assert after.requests > one.requests and after.errors == 0
    assert after.digest == serving.context.registry.versions(MODEL)[1].digest
