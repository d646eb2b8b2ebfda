"""A stage whose route or Service is not there: deleted by hand, or not yet made. What served it serves on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cluster_serving import Serving
from kubefake.faults import Call
from model_packages import MODEL

from mlops.records import stage_tag

V2 = f"{MODEL}-v2"


def with_gateway(serving: Serving) -> Serving:
    """Return the same cluster with a stage file that has just got a gateway."""
    kubernetes = replace(serving.stage.kubernetes, traffic="gateway")
    return replace(serving, stage=replace(serving.stage, kubernetes=kubernetes))


def selected(serving: Serving) -> list[str]:
    """Return a list to which each change of the stage's Service adds the version that it selects then."""
    seen: list[str] = []

    def note(call: Call) -> None:
        if (call.resource, call.name) == ("services", MODEL):
            selector = serving.cluster.find("Service", MODEL)["spec"]["selector"]
            seen.append(selector.get("app.kubernetes.io/version", "several"))

    serving.cluster.after_change = note
    return seen


def shared(serving: Serving) -> list[tuple[str, int]]:
    """Return the backends, with their weights, of requests that name no version."""
    last = serving.cluster.find("HTTPRoute", MODEL)["spec"]["rules"][-1]
    return [] if "headers" in last["matches"][0] else [(one["name"], one["weight"]) for one in last["backendRefs"]]


@pytest.mark.parametrize("serving", ["replicas"], indirect=True)
def test_a_stage_that_gets_a_gateway_and_a_bad_version_at_once_serves_the_old_one(serving: Serving) -> None:
    seen, changed = selected(serving), with_gateway(serving)
    assert changed.status().traffic == {1: 100}, "as was written, for no route says it yet"
    changed.approve(2)
    changed.cluster.fail(V2, "crash-loop", "no such model")
    record = changed.deploy()
    assert (record.outcome, record.version) == ("reverted", 1)
    changed.expect(1)
    assert set(seen) == {"1"} and shared(changed) == [(f"{MODEL}-v1", 100)]


@pytest.mark.parametrize("serving", ["replicas"], indirect=True)
def test_a_stage_that_gets_a_gateway_moves_to_the_next_version_by_its_steps(serving: Serving) -> None:
    changed = with_gateway(serving)
    changed.approve(2)
    record = changed.deploy()
    assert [event.traffic for event in record.events] == [{"1": 90, "2": 10}, {"2": 100}]
    changed.expect(2)


def test_a_route_that_was_deleted_is_there_again_before_a_bad_version_is_tried(serving: Serving) -> None:
    serving.cluster.delete("HTTPRoute", MODEL)
    serving.approve(2)
    serving.cluster.fail(V2, "crash-loop", "no such model")
    routed: list[bool] = []

    def note(call: Call) -> None:
        if (call.resource, call.name) == ("deployments.apps", V2):
            routed.append(MODEL in serving.cluster.names("HTTPRoute"))

    serving.cluster.after_change = note
    record = serving.deploy()
    assert (record.outcome, record.version) == ("reverted", 1)
    assert stage_tag(serving.context.registry.versions(MODEL)[2], "production") == "revoked"
    serving.expect(1)
    assert shared(serving) == [(f"{MODEL}-v1", 100)] and routed and all(routed)


@pytest.mark.parametrize("serving, kind", [("gateway", "HTTPRoute"), ("replicas", "Service")], indirect=["serving"])
def test_what_brings_the_requests_and_was_deleted_is_put_back_by_a_rerun(serving: Serving, kind: str) -> None:
    serving.cluster.delete(kind, MODEL)
    assert (serving.status().traffic, list(serving.status().deployments)) == ({1: 100}, [])
    assert serving.deploy().outcome == "served"
    serving.expect(1)
    assert serving.deploy().outcome == "unchanged"
