"""A tree says what was declared, by digests alone, and gives it back; what can't be on a cluster is refused first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from mlops.config import Stage, load_stage
from mlops.delivery import (
    DECLARED_FILE,
    Declared,
    Served,
    largest_remainder,
    manifests,
    namespace_of,
    read_tree,
    replicas,
    tree,
    trees,
    version_name,
)
from mlops.delivery.scaling import stage_rival
from mlops.errors import ConfigError

DIGEST = "sha256:" + "7" * 64


@pytest.fixture(scope="module")
def stage() -> Stage:
    """Return production as cloned."""
    return load_stage("production")


def served(version: int, **images: str) -> Served:
    """Return a version; `images` replace its own."""
    own = {kind: f"team.azurecr.io/{kind}@{DIGEST}" for kind in ("runtime", "model")}
    return Served(version, DIGEST, "int8", {**own, **images})


def declared(traffic: dict[int, int], *versions: int) -> Declared:
    """Return what runs: these versions and those that have traffic."""
    return Declared({one: served(one) for one in sorted({*versions, *traffic})}, traffic)


def on(stage: Stage, **kubernetes: Any) -> Stage:
    """Return a stage with other keys of `kubernetes`."""
    return replace(stage, kubernetes=replace(stage.kubernetes, **kubernetes))


def service(stage: Stage, what: Declared) -> dict[str, str]:
    """Return the selector of the stage's Service."""
    selector: dict[str, str] = yaml.safe_load(tree(stage, what)["service.yaml"])["spec"]["selector"]
    return selector


def route_rules(stage: Stage, what: Declared) -> list[dict[str, Any]]:
    """Return the rules of the stage's HTTPRoute."""
    rules: list[dict[str, Any]] = yaml.safe_load(tree(stage, what)["route.yaml"])["spec"]["rules"]
    return rules


@pytest.mark.parametrize("traffic, more", [({7: 100}, ()), ({7: 90, 8: 10}, (9,)), ({}, (7,)), ({}, ())])
def test_a_tree_gives_back_what_was_declared(stage: Stage, traffic: dict[int, int], more: tuple[int, ...]) -> None:
    what = declared(traffic, *more)
    assert read_tree(tree(stage, what)) == what


def test_the_same_declaration_is_the_same_bytes(stage: Stage) -> None:
    one, other = declared({8: 10, 7: 90}), declared({7: 90, 8: 10})
    assert tree(stage, one) == tree(stage, other)


@pytest.mark.parametrize(
    "content, says",
    [
        ("{", "declared.json: is not JSON"),
        ('{"versions": {}}', "declared.json: traffic is missing"),
        ('{"versions": {}, "traffic": {}, "colour": 1}', "declared.json: unknown key 'colour'"),
        ('{"versions": {}, "traffic": {"seven": 100}}', "'seven' should be a version's number"),
        ('{"versions": {"7": {"version": 7}}, "traffic": {}}', "declared.json: versions.7: digest is missing"),
    ],
)
def test_a_damaged_declaration_is_named(content: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_tree({DECLARED_FILE: content})


def test_an_absent_declaration_is_named() -> None:
    with pytest.raises(ConfigError, match="declared.json is missing"):
        read_tree({})


@pytest.mark.parametrize("image", ["", "team.azurecr.io/model:7", "team.azurecr.io/model:7@sha256:12", "model"])
def test_an_image_without_a_digest_is_refused(stage: Stage, image: str) -> None:
    what = Declared({7: served(7, model=image)}, {7: 100})
    with pytest.raises(ConfigError, match="version 7 has no model image by digest: run `python -m mlops package"):
        tree(stage, what)


@pytest.mark.parametrize("traffic", [{7: 90}, {7: 100, 9: 0}, {9: 100}])
def test_traffic_that_is_not_all_of_the_versions_is_refused(stage: Stage, traffic: dict[int, int]) -> None:
    with pytest.raises(ConfigError, match="should sum to 100 over the declared versions"):
        tree(stage, Declared({7: served(7)}, traffic))


@pytest.mark.parametrize("model", ["Fashion", "7-segments", "snake_case", "m" * 63])
def test_a_name_that_is_none_on_a_cluster_is_refused(stage: Stage, model: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a cluster"):
        tree(replace(stage, model=model), declared({7: 100}))


def test_an_overlay_that_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match="there is no infra/kubernetes/overlays/moon"):
        manifests(on(stage, overlay="moon"))


def test_a_tree_stands_by_what_its_overlay_and_the_stage_need_and_by_nothing_else(stage: Stage) -> None:
    def folders(stage: Stage) -> set[str]:
        return {path.removeprefix("kubernetes/").rpartition("/")[0] for path in manifests(stage)}

    site = folders(on(stage, overlay="edge-cameras", autoscaling="keda"))
    assert {"base", "stage", "streams", "overlays/edge/gateway", "components/keda"} < site
    assert {"overlays/edge/waking", "waking/traefik", "components/monitoring"} < site
    assert not site & {"overlays/qa", "components/hpa", "components/flagger", "waking/istio"}
    unscaled = folders(on(stage, overlay="edge-cameras"))
    assert not unscaled & {"overlays/edge/waking", "waking/traefik", "components/monitoring"}
    assert "components/monitoring" in folders(on(stage, overlay="production"))


def test_an_overlay_that_reaches_outside_is_refused(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay, outside = tmp_path / "kubernetes" / "overlays" / "own", tmp_path / "outside"
    for folder, content in ((overlay, {"resources": ["../../../outside"]}), (outside, {})):
        folder.mkdir(parents=True)
        (folder / "kustomization.yaml").write_text(yaml.safe_dump({"kind": "Kustomization", **content}))
    monkeypatch.setattr(trees, "MANIFESTS", tmp_path / "kubernetes")
    with pytest.raises(ConfigError, match="outside: lies outside infra/kubernetes"):
        manifests(on(stage, overlay="own"))


def test_names_are_of_the_model_the_stage_and_the_version(stage: Stage) -> None:
    assert (namespace_of(stage), version_name("m", 7)) == ("fashion-classifier-production", "m-v7")
    assert namespace_of(on(stage, namespace="line-4")) == "line-4"


def test_a_pod_is_told_of_its_own_version_alone(stage: Stage) -> None:
    files = tree(stage, declared({7: 90, 8: 10}))
    model = json.loads(files["versions/v8/desired.json"])["models"]["fashion-classifier"]
    assert model["traffic"] == {"8": 100}
    assert model["deployments"]["8"] == {
        "package": "/models/fashion-classifier/8",
        "digest": DIGEST,
        "variant": "int8",
    }


def test_a_named_version_is_reached_before_the_shares(stage: Stage) -> None:
    rules = route_rules(stage, declared({7: 90, 8: 10}, 9))
    headers = [rule["matches"][0].get("headers", [{"value": "any"}])[0]["value"] for rule in rules]
    assert headers == ["7", "8", "9", "any"]
    assert [(one["name"][-2:], one["weight"]) for one in rules[-1]["backendRefs"]] == [("v7", 90), ("v8", 10)]


def test_without_traffic_a_route_answers_only_who_names_a_version_and_without_versions_there_is_none(
    stage: Stage,
) -> None:
    assert len(route_rules(stage, declared({}, 7))) == 1
    assert "route.yaml" not in tree(stage, declared({}))


def test_without_a_gateway_there_is_no_route(stage: Stage) -> None:
    files = tree(on(stage, traffic="replicas"), declared({7: 100}))
    assert "route.yaml" not in files and "gateway" not in files["kustomization.yaml"]


def test_the_service_selects_the_one_version_that_has_traffic(stage: Stage) -> None:
    name = {"app.kubernetes.io/name": "fashion-classifier"}
    assert service(stage, declared({7: 100}, 8)) == {**name, "app.kubernetes.io/version": "7"}
    assert service(stage, declared({}, 8)) == {**name, "app.kubernetes.io/version": "none"}


def lanes(stage: Stage, what: Declared) -> list[str]:
    """Return the label by which each version's pods are among the Service's, or not."""
    files = tree(stage, what)
    pods = [yaml.safe_load(files[f"versions/v{one}/deployment.yaml"]) for one in what.versions]
    return [pod["spec"]["template"]["metadata"]["labels"]["visionline/traffic"] for pod in pods]


def test_an_ordinary_release_never_changes_a_pods_label(stage: Stage) -> None:
    steps = ({7: 100}, {7: 90, 8: 10}, {7: 50, 8: 50}, {8: 100})
    assert {lane for step in steps for lane in lanes(stage, declared(step, 7, 8))} == {"live"}


def test_of_two_that_share_a_third_one_is_set_aside(stage: Stage) -> None:
    what = declared({7: 90, 8: 10}, 9)
    assert lanes(stage, what) == ["live", "live", "aside"]
    assert service(stage, what)["visionline/traffic"] == "live"


@pytest.mark.parametrize(
    "traffic, total, counts",
    [
        ({7: 100}, 4, {7: 4}),
        ({7: 90, 8: 10}, 10, {7: 9, 8: 1}),
        ({7: 90, 8: 10}, 4, {7: 3, 8: 1}),
        ({7: 50, 8: 50}, 3, {7: 2, 8: 1}),
        ({7: 90, 8: 10}, 1, {7: 1, 8: 1}),
        ({7: 98, 8: 1, 9: 1}, 3, {7: 1, 8: 1, 9: 1}),
        ({7: 100, 8: 0}, 2, {7: 2}),
        ({}, 4, {}),
    ],
)
def test_replicas_share_by_largest_remainder_and_none_with_traffic_is_left_out(
    traffic: dict[int, int], total: int, counts: dict[int, int]
) -> None:
    assert largest_remainder(traffic, total) == counts


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(1, 60))
def test_of_any_shares_each_has_a_replica_and_all_of_them_are_given_out(parts: list[int], total: int) -> None:
    traffic = {version: 100 * part // sum(parts) or 1 for version, part in enumerate(parts)}
    traffic[0] += 100 - sum(traffic.values())
    assume(traffic[0] > 0)
    counts = largest_remainder(traffic, total)
    assert sum(counts.values()) == max(total, len(parts)) and min(counts.values()) >= 1
    over = [version for version, count in counts.items() if count > max(1, -(-traffic[version] * total // 100))]
    assert over == []


def test_moving_traffic_changes_no_pod(stage: Stage) -> None:
    def pods(traffic: dict[int, int]) -> dict[str, str]:
        return {
            path: text for path, text in tree(stage, declared(traffic, 7, 8)).items() if path.startswith("versions")
        }

    assert pods({7: 100}) == pods({7: 90, 8: 10}) == pods({8: 100})


def test_a_version_that_waits_has_one_replica_and_behind_a_gateway_all(stage: Stage) -> None:
    what = declared({7: 90, 8: 10}, 9)
    assert replicas(on(stage, traffic="replicas", replicas=10), what) == {7: 9, 8: 1, 9: 1}
    assert replicas(on(stage, replicas=3), what) == {7: 3, 8: 3, 9: 3}


@pytest.mark.parametrize("seconds, deadline", [(300.0, 300), (2.5, 3), (0.01, 1)])
def test_a_cluster_gives_up_when_the_stage_does(stage: Stage, seconds: float, deadline: int) -> None:
    files = tree(on(stage, rollout_seconds=seconds), declared({7: 100}))
    assert yaml.safe_load(files["versions/v7/deployment.yaml"])["spec"]["progressDeadlineSeconds"] == deadline


def test_what_is_scaled_says_no_replicas(stage: Stage) -> None:
    flaggers = replace(stage, flux=replace(stage.flux, flagger=True))
    for scaled in (on(stage, autoscaling="hpa"), flaggers):
        files = tree(scaled, declared({7: 100}))
        assert "replicas" not in yaml.safe_load(files["versions/v7/deployment.yaml"])["spec"]


def scaling(stage: Stage, what: Declared, version: int, key: str) -> list[int]:
    """Return what a key of a version's ScaledObject is patched to."""
    patch = yaml.safe_load(tree(on(stage, autoscaling="keda"), what)[f"versions/v{version}/scaling.yaml"])
    return [one["value"] for one in patch if one["path"] == f"/spec/{key}"]


def test_only_a_version_that_is_alone_with_all_the_traffic_may_sleep(stage: Stage) -> None:
    assert scaling(stage, declared({7: 100}), 7, "minReplicaCount") == []
    before, canary, first = declared({7: 100}, 8), declared({7: 90, 8: 10}), declared({}, 7)
    for what, version in ((before, 7), (before, 8), (canary, 7), (canary, 8), (first, 7)):
        assert scaling(stage, what, version, "minReplicaCount") == [1]


def test_a_first_version_does_not_sleep_before_its_release_has_ended(stage: Stage) -> None:
    slow = on(stage, rollout_seconds=45.5)
    assert scaling(slow, declared({7: 100}), 7, "initialCooldownPeriod") == [92], "for its pods, and for its traffic"


def test_with_flagger_there_is_the_version_of_most_traffic_and_no_route_of_ours(stage: Stage) -> None:
    flaggers = replace(stage, flux=replace(stage.flux, flagger=True))
    files = tree(flaggers, declared({7: 40, 8: 60}))
    assert {path.split("/")[1] for path in files if path.startswith("versions/")} == {"v8"}
    assert "route.yaml" not in files and "service.yaml" not in files
    canary = yaml.safe_load(files["versions/v8/canary.yaml"])["spec"]["analysis"]
    assert (canary["stepWeights"], canary["metrics"][1]["thresholdRange"]) == ([10, 50], {"max": 4.0})
    assert read_tree(files) == declared({7: 40, 8: 60})


def test_streams_score_by_the_version_of_most_traffic_of_equals_the_older(stage: Stage) -> None:
    def version(traffic: dict[int, int]) -> list[str]:
        files = tree(on(stage, overlay="edge-cameras"), declared(traffic, 7))
        model = json.loads(files.get("streams/desired.json", '{"models": {"m": {"traffic": {}}}}'))["models"]
        return [one for value in model.values() for one in value["traffic"]]

    assert [version({7: 90, 8: 10}), version({7: 50, 8: 50}), version({8: 100}), version({})] == [
        ["7"],
        ["7"],
        ["8"],
        [],
    ]


def test_two_that_set_the_same_replicas_are_refused(stage: Stage) -> None:
    online = replace(stage.azureml.online, compute="edge-cluster")
    azures = replace(stage, target="azureml-online", azureml=replace(stage.azureml, online=online))
    assert stage_rival(azures) is None and stage_rival(on(stage, autoscaling="keda")) is None
    assert "Azure ML's router" in str(stage_rival(on(azures, autoscaling="keda")))
    with pytest.raises(ConfigError, match="kubernetes.autoscaling: 'hpa' would change the replicas that make the shar"):
        tree(on(stage, traffic="replicas", autoscaling="hpa"), declared({7: 100}))


@pytest.mark.parametrize(
    "autoscaling, flagger, words",
    [
        ("hpa", False, "kubernetes.autoscaling: Triton serves the overlay gpu .*: write keda or none"),
        ("none", True, "flux.flagger: Triton serves the overlay gpu .*: write false"),
    ],
)
def test_triton_is_neither_scaled_nor_judged_by_what_it_does_not_tell(
    stage: Stage, autoscaling: str, flagger: bool, words: str
) -> None:
    gpu = on(stage, overlay="gpu", autoscaling=autoscaling)
    with pytest.raises(ConfigError, match=words) as caught:
        tree(replace(gpu, flux=replace(gpu.flux, flagger=flagger)), declared({7: 100}))
    assert "\n" not in str(caught.value)
    assert tree(on(stage, overlay="gpu", autoscaling="keda"), declared({7: 100}))
