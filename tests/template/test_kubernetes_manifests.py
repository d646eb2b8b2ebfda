"""The trees are for this very runtime, its figures and its metrics; and each object finds those that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlops.adapters.kubernetes.live import served_of
from mlops.delivery import ANNOTATION_DIGEST, ANNOTATION_VARIANT, LABEL_VERSION, package_path, version_name
from rendered_trees import BY_INIT_CONTAINER, CASES, MODEL, Case, Object, Trees, served
from serving.declare import only_model, read_declared
from serving.options import endpoint_parser
from serving.streams.config import StreamsConfig, read_config
from serving.streams.outbox import MEGABYTE, open_outboxes
from sources import ROOT

MEASURED = json.loads((ROOT / "docs/benchmarks/serving.json").read_text(encoding="utf-8"))["extras"]["memory"]["mb"]
TENSORRT = (ROOT / "src/serving/tensorrt.py").read_text(encoding="utf-8")
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
BY_VERSION = [case for case in CASES if not case.flagger]
OURS = [case for case in BY_VERSION if case.overlay != "gpu"]
SITE = Case("edge-cameras")
ids = {"ids": lambda case: case.name}


def size(text: str) -> int:
    """Return the bytes of a Kubernetes quantity with a binary unit."""
    return int(text[:-2]) * UNITS[text[-2:]]


def pod(workload: Object) -> Object:
    """Return the spec of a workload's pods."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Object) -> Object:
    """Return a workload's one container."""
    (one,) = pod(workload)["containers"]
    return dict(one)


def volume(workload: Object, name: str) -> Object:
    """Return a pod's volume."""
    return next(one for one in pod(workload)["volumes"] if one["name"] == name)


def mounts(workload: Object) -> dict[str, str]:
    """Return where each volume of a workload's container is mounted."""
    return {one["name"]: one["mountPath"] for one in container(workload)["volumeMounts"]}


def model_image(workload: Object) -> str:
    """Return the image that a pod has its model of: mounted, or fetched by an init container before it starts."""
    if "image" in volume(workload, "model"):
        return str(volume(workload, "model")["image"]["reference"])
    fetch, *later = pod(workload)["initContainers"]
    assert [one["name"] for one in later] in ([], ["engine"]), "it is fetched before an engine is made of it"
    (path,) = (one["valueFrom"]["fieldRef"]["fieldPath"] for one in fetch["env"] if one["name"] == "MODEL_IMAGE")
    note = re.fullmatch(r"metadata.annotations\['(.+)'\]", path)
    assert note and "--image=$(MODEL_IMAGE)" in fetch["args"]
    return str(workload["spec"]["template"]["metadata"]["annotations"][note[1]])


@pytest.mark.parametrize("case", BY_VERSION, **ids)
def test_each_version_runs_by_its_own_images_and_is_ready_by_its_own_digest(rendered_trees: Trees, case: Case) -> None:
    for version, declared in case.declared.versions.items():
        workload = rendered_trees.one(case, "Deployment", version_name(MODEL, version))
        ready = f"/v2/models/{MODEL}/versions/{version}/ready"
        probes = [container(workload)[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe")]
        assert (probes, container(workload)["livenessProbe"]["httpGet"]["path"]) == ([ready] * 2, "/v2/health/live")
        assert model_image(workload) == declared.images["model"]
        assert container(workload)["image"] == declared.images["runtime"]
        assert workload["spec"]["template"]["metadata"]["annotations"][ANNOTATION_DIGEST] == declared.digest


@pytest.mark.parametrize("case", BY_VERSION, **ids)
def test_what_runs_is_read_back_as_what_was_declared(rendered_trees: Trees, case: Case) -> None:
    declared = case.declared.versions
    found = {one: served_of(rendered_trees.one(case, "Deployment", version_name(MODEL, one))) for one in declared}
    assert found == declared


@pytest.mark.parametrize("case", OURS, **ids)
def test_the_runtime_understands_what_its_pod_tells_it(rendered_trees: Trees, case: Case, tmp_path: Path) -> None:
    workload = rendered_trees.one(case, "Deployment", version_name(MODEL, 7))
    options = endpoint_parser("serving.endpoint", "").parse_args(container(workload)["args"])
    assert (options.port, options.workers) == (container(workload)["ports"][0]["containerPort"], 1)
    where = mounts(workload)
    assert (str(options.directory), str(options.declare.parent)) == (where["state"], where["declared"])
    config_map = rendered_trees.one(case, "ConfigMap", volume(workload, "declared")["configMap"]["name"])
    file = tmp_path / options.declare.name
    file.write_text(config_map["data"][file.name], encoding="utf-8")
    deployment = read_declared(file).models[MODEL].deployments["7"]
    assert (deployment.package, deployment.digest) == (where["model"], served(7).digest)
    assert where["model"] == package_path(MODEL, 7)


@pytest.mark.parametrize("case", CASES, **ids)
def test_a_service_reaches_pods_of_its_version_and_a_backend_is_a_service(rendered_trees: Trees, case: Case) -> None:
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in rendered_trees.of(case, "Deployment")]
    pods += [one["spec"]["template"]["metadata"]["labels"] for one in rendered_trees.of(case, "StatefulSet")]
    for service in rendered_trees.of(case, "Service"):
        chosen = [labels for labels in pods if service["spec"]["selector"].items() <= labels.items()]
        own = service["metadata"]["labels"].get(LABEL_VERSION)
        assert chosen and (own is None or [one[LABEL_VERSION] for one in chosen] == [own])
    names = {one["metadata"]["name"] for one in rendered_trees.of(case, "Service")}
    for route in rendered_trees.of(case, "HTTPRoute"):
        assert {one["name"] for rule in route["spec"]["rules"] for one in rule["backendRefs"]} <= names
        assert route["spec"]["parentRefs"] == [{"name": rendered_trees.of(case, "Gateway")[0]["metadata"]["name"]}]


@pytest.mark.parametrize("case", CASES, **ids)
def test_a_scaler_a_budget_and_a_canary_name_what_is_there(rendered_trees: Trees, case: Case) -> None:
    workloads = {one["metadata"]["name"] for one in rendered_trees.of(case, "Deployment")}
    scalers = [*rendered_trees.of(case, "HorizontalPodAutoscaler"), *rendered_trees.of(case, "ScaledObject")]
    assert len(scalers) == (0 if case.autoscaling == "none" else len(workloads))
    assert {one["spec"]["scaleTargetRef"]["name"] for one in scalers} <= workloads
    for canary in rendered_trees.of(case, "Canary"):
        spec, templates = canary["spec"], {one["metadata"]["name"] for one in rendered_trees.of(case, "MetricTemplate")}
        assert (spec["targetRef"]["name"], workloads) == (MODEL, {MODEL})
        assert {one["templateRef"]["name"] for one in spec["analysis"]["metrics"]} <= templates
        assert [one["metadata"]["name"] for one in scalers] == ([MODEL] if "autoscalerRef" in spec else [])
    assert [one["spec"]["maxUnavailable"] for one in rendered_trees.of(case, "PodDisruptionBudget")] == [1] * len(
        workloads
    )


def test_a_pod_has_time_to_be_forgotten_and_to_drain(rendered_trees: Trees) -> None:
    for _, one in rendered_trees.all():
        if one["kind"] == "Deployment":
            sleep = container(one)["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert 0 < sleep < pod(one)["terminationGracePeriodSeconds"] / 2


@pytest.mark.parametrize("overlay", ["qa", "production", "edge"])
def test_memory_is_what_a_worker_was_measured_to_take_and_room_besides(rendered_trees: Trees, overlay: str) -> None:
    resources = container(rendered_trees.one(Case(overlay), "Deployment", f"{MODEL}-v7"))["resources"]
    measured = MEASURED["1"] * MEGABYTE
    assert 1.5 * measured < size(resources["requests"]["memory"]) <= size(resources["limits"]["memory"]) / 2


def test_a_worker_of_production_has_the_core_that_it_was_measured_on(rendered_trees: Trees) -> None:
    resources = container(rendered_trees.one(Case("production"), "Deployment", f"{MODEL}-v7"))["resources"]
    assert resources["requests"]["cpu"] == "1" and "cpu" not in resources["limits"]


def test_production_is_spread_and_a_site_of_one_node_is_not(rendered_trees: Trees) -> None:
    def keys(overlay: str) -> list[str]:
        spec = pod(rendered_trees.one(Case(overlay), "Deployment", f"{MODEL}-v7"))
        return [one["topologyKey"].split("/")[1] for one in spec.get("topologySpreadConstraints", [])]

    assert [keys(one) for one in ("production", "qa", "edge")] == [["hostname", "zone"], ["hostname"], []]


def test_monitors_read_each_pod_once_at_a_port_that_it_has(rendered_trees: Trees) -> None:
    for case in (Case("production"), Case("gpu")):
        monitor = rendered_trees.one(case, "ServiceMonitor", "serving")["spec"]
        wanted = monitor["selector"]["matchLabels"].items()
        found = [one for one in rendered_trees.of(case, "Service") if wanted <= one["metadata"]["labels"].items()]
        assert [one["metadata"]["name"] for one in found] == [f"{MODEL}-v7", f"{MODEL}-v8"]
        ports = {port["name"] for one in found for port in one["spec"]["ports"]}
        assert {one["port"] for one in monitor["endpoints"]} <= ports


@pytest.fixture
def streams(rendered_trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StreamsConfig:
    """Return the configuration that a worker of a site reads from what its pod mounts, at its start."""
    workload = rendered_trees.one(SITE, "StatefulSet", "streams")
    flags = dict(one.split("=") for one in container(workload)["args"])
    paths = {}
    for flag, name in (("--config", "config"), ("--declare", "declared")):
        file = Path(flags[flag].replace("$(POD_INDEX)", "0"))
        assert str(file.parent) == mounts(workload)[name]
        config_map = rendered_trees.one(SITE, "ConfigMap", volume(workload, name)["configMap"]["name"])
        paths[flag] = tmp_path / file.name
        paths[flag].write_text(config_map["data"][file.name], encoding="utf-8")
    for name in ("LINE_1_LOGIN", "LINE_2_LOGIN"):
        monkeypatch.setenv(name, "camera:1234")
    return read_config(paths["--config"], only_model(paths["--declare"]))


def test_a_worker_reads_its_cameras_and_the_model_of_the_release(rendered_trees: Trees, streams: StreamsConfig) -> None:
    workload = rendered_trees.one(SITE, "StatefulSet", "streams")
    assert [stream.is_live for stream in streams.streams] == [True, True]
    assert (str(streams.model.package), streams.model.digest) == (mounts(workload)["model"], served(7).digest)
    assert volume(workload, "model")["image"]["reference"] == served(7).images["model"]
    assert streams.metrics is not None
    assert streams.metrics.port == container(workload)["ports"][0]["containerPort"]


@pytest.mark.parametrize("case", [SITE, Case("edge-cameras", component=BY_INIT_CONTAINER)], **ids)
def test_a_worker_has_the_model_of_the_release_mounted_or_fetched(rendered_trees: Trees, case: Case) -> None:
    workload = rendered_trees.one(case, "StatefulSet", "streams")
    assert model_image(workload) == served(7).images["model"]
    assert ("initContainers" in pod(workload)) == bool(case.component)
    for fetch in pod(workload).get("initContainers", []):
        assert fetch["image"] == container(workload)["image"] == served(7).images["runtime"]
        written = {one["name"]: one["mountPath"] for one in fetch["volumeMounts"]}["model"]
        assert f"--out={written}" in fetch["args"] and "emptyDir" in volume(workload, "model")
    ports = {port["port"] for rule in egress(rendered_trees, case) for port in rule["ports"]}
    assert 443 in ports, "the registry is reached"


def egress(rendered_trees: Trees, case: Case) -> list[Object]:
    """Return where a site's workers may send."""
    return list(rendered_trees.one(case, "NetworkPolicy", "streams")["spec"]["egress"])


def test_the_spool_fits_on_a_volume_of_the_nodes_own(
    rendered_trees: Trees, streams: StreamsConfig, tmp_path: Path
) -> None:
    workload = rendered_trees.one(SITE, "StatefulSet", "streams")
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert (claim["metadata"]["name"], claim["spec"]["storageClassName"]) == ("spool", "local-path")
    assert str(streams.out) == mounts(workload)["spool"]
    outboxes = open_outboxes(streams.sinks, tmp_path / "spool", streams.spool)
    for outbox in outboxes:
        outbox.close(0.0)
    room = size(claim["spec"]["resources"]["requests"]["storage"])
    assert 0 < len(outboxes) * streams.spool.limit_mb * MEGABYTE < 0.8 * room


def test_streams_are_of_sites_that_have_cameras(rendered_trees: Trees) -> None:
    sites = {case.overlay for case in CASES if rendered_trees.of(case, "StatefulSet")}
    assert sites == {"edge-cameras"}


def test_flagger_gets_one_deployment_whose_selector_never_changes(rendered_trees: Trees) -> None:
    case = Case("production", flagger=True)
    (workload,) = rendered_trees.of(case, "Deployment")
    selector: dict[str, Any] = workload["spec"]["selector"]["matchLabels"]
    assert (workload["metadata"]["name"], LABEL_VERSION in selector) == (MODEL, False)
    assert rendered_trees.of(case, "Service") == rendered_trees.of(case, "HTTPRoute") == []


def test_on_a_gpu_what_writes_tritons_repository_is_told_of_the_same_package(rendered_trees: Trees) -> None:
    workload = rendered_trees.one(Case("gpu"), "Deployment", f"{MODEL}-v7")
    (engine,) = pod(workload)["initContainers"]
    where = {one["mountPath"]: one["name"] for one in engine["volumeMounts"]}
    flags = dict(one.split("=") for one in engine["args"])
    assert set(flags) <= set(re.findall(r'"(--[a-z-]+)"', TENSORRT)) and engine["command"][-1] == "serving.tensorrt"
    assert [where[flags[flag]] for flag in ("--package", "--cache", "--out")] == ["model", "engines", "repository"]
    template = workload["spec"]["template"]["metadata"]
    told = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in engine["env"]}
    assert told["DIGEST"] == f"metadata.annotations['{ANNOTATION_DIGEST}']" and flags["--digest"] == "$(DIGEST)"
    assert told["VARIANT"] == f"metadata.annotations['{ANNOTATION_VARIANT}']" and flags["--variant"] == "$(VARIANT)"
    assert template["annotations"][ANNOTATION_VARIANT] == served(7).variant
    assert told["VERSION"] == f"metadata.labels['{LABEL_VERSION}']" and template["labels"][LABEL_VERSION] == "7"
    assert f"--model-repository={flags['--out']}" in container(workload)["args"]
    assert container(workload)["image"] == engine["image"] == served(7).images["runtime"]
