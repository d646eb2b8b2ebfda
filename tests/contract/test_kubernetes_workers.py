"""A release to a site with cameras ends well only where their workers run, too; else it says why and goes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cluster_serving import Serving
from cluster_stages import deployment
from kubefake.faults import Call
from model_packages import MODEL
from running_endpoint import wait_for

from mlops.adapters.kubernetes.rights import needed
from mlops.errors import TargetError
from mlops.records import stage_tag
from mlops.steps.rollback import rollback

NAME = "streams"
WORKERS = "the cameras' workers, streams, do not get ready with version"


@pytest.fixture
def site(serving: Serving) -> Serving:
    """Return a site with cameras, whose workers run version 1."""
    kubernetes = replace(serving.stage.kubernetes, overlay="edge-cameras")
    made = replace(serving, stage=replace(serving.stage, kubernetes=kubernetes))
    with made.context.target.lock():
        made.context.target.set_traffic({1: 100})
    assert version(made) == "1" and made.deploy().outcome == "unchanged"
    return made


def version(site: Serving) -> str:
    """Return the version that the one worker runs."""
    (pod,) = (one for one in site.cluster.kubelet.pods(*place(site)) if one["status"].get("phase") == "Running")
    return str(pod["metadata"]["labels"]["app.kubernetes.io/version"])


def place(site: Serving) -> tuple[str, dict[str, str]]:
    found = site.cluster.find("StatefulSet", NAME)
    return found["metadata"]["namespace"], found["spec"]["selector"]["matchLabels"]


def hasty(site: Serving) -> Serving:
    """Return the same with little patience for workers; what is waited for besides has to be there already."""
    return replace(site, stage=replace(site.stage, kubernetes=replace(site.stage.kubernetes, rollout_seconds=1.0)))


@pytest.mark.parametrize(
    "fault, text, words",
    [
        ("crash-loop", "ServingError: streams-0.yaml: no model", "crashes .*exit code 1.*: ServingError: streams-0"),
        ("unready", "", "within 1 s: pod streams-0 does not get ready"),
        ("image-pull", "manifest unknown", "ImagePullBackOff.*is the image pushed"),
    ],
)
def test_workers_that_do_not_run_keep_the_traffic_where_it_was_and_are_told(
    site: Serving, fault: str, text: str, words: str
) -> None:
    target = hasty(site).context.target
    site.context.target.deploy(deployment(site.cluster, site.stage, 2, site.packages[1]))
    site.cluster.fail(f"{NAME}-v2", fault, text)
    with pytest.raises(TargetError, match=f"{WORKERS} 2.*{words}") as caught:
        target.set_traffic({2: 100})
    assert "\n" not in str(caught.value) and target.status().traffic == {1: 100}
    wait_for(lambda: version(site) == "1")


def test_a_release_whose_workers_crash_is_no_success_and_blames_no_version(site: Serving) -> None:
    site.approve(2)
    site.cluster.fail(f"{NAME}-v2", "crash-loop", "no model")
    with pytest.raises(TargetError, match=f"{WORKERS} 2: pod streams-0 crashes"):
        site.deploy()
    assert site.status().traffic == {1: 90, 2: 10}, "as before the step that gives the workers another version"
    assert stage_tag(site.context.registry.versions(MODEL)[2], "production") == "approved"
    site.cluster.heal(f"{NAME}-v2")
    assert site.deploy().outcome == "served"
    site.expect(2)
    assert version(site) == "2"


def test_requests_go_to_a_version_only_once_the_workers_run_it(site: Serving) -> None:
    routed: list[str] = []

    def note(call: Call) -> None:
        if call.verb == "patch" and call.resource.startswith("httproutes"):
            routed.append(version(site))

    site.approve(2)
    site.cluster.after_change = note
    assert site.deploy().outcome == "served"
    assert routed[0] == "1" and routed[-1] == "2"


def test_a_rollback_waits_for_no_worker_and_says_that_none_runs(site: Serving) -> None:
    site.approve(2)
    assert site.deploy().outcome == "served"
    site.cluster.fail(f"{NAME}-v1", "crash-loop", "no camera")
    with pytest.raises(TargetError, match=f"{WORKERS} 1: pod streams-0 crashes"):
        rollback(site.context, "a test")
    assert site.status().traffic == {1: 100}, "a version that people left gets no request any more"
    site.cluster.heal(f"{NAME}-v1")
    assert site.deploy().outcome == "served"
    site.expect(1)


def test_where_somebody_holds_the_workers_at_none_there_is_nothing_to_wait_for(site: Serving) -> None:
    site.cluster.edit("StatefulSet", NAME, ("spec", "replicas"), 0)
    wait_for(lambda: site.cluster.kubelet.pods(*place(site)) == [])
    found = site.cluster.find("StatefulSet", NAME)
    assert found["status"]["replicas"] == 0 and site.deploy().outcome == "unchanged"
    site.cluster.fail(NAME, "crash-loop", "no camera")
    site.cluster.after_change = lambda call: hold_at_none(site) if call.resource.startswith("statefulsets") else None
    site.approve(2)
    assert site.deploy().outcome == "served"
    site.expect(2)


def hold_at_none(site: Serving) -> None:
    """Hold the workers at none, as a scaler does."""
    site.cluster.edit("StatefulSet", NAME, ("spec", "replicas"), 0)


def test_a_site_whose_workers_are_broken_already_takes_a_version_that_mends_them(site: Serving) -> None:
    site.cluster.fail(f"{NAME}-v1", "crash-loop", "a bad model")
    site.approve(2)
    assert site.deploy().outcome == "served"
    assert version(site) == "2"


def test_the_right_to_watch_workers_is_asked_for_where_there_are_some(site: Serving, serving: Serving) -> None:
    watched = [
        [str(one) for one in needed(stage, ["apps"]) if one.verb == "watch"] for stage in (site.stage, serving.stage)
    ]
    assert ["watch statefulsets.apps" in one for one in watched] == [True, False]
