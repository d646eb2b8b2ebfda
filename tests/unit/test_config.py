"""Stage files: a small delta over base.yaml, and nothing that no dataclass knows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from frozen_stages import FROZEN

from mlops.adapters import ADAPTERS
from mlops.config import PLATFORMS, TARGETS, load_stage
from mlops.errors import ConfigError
from mlops.names import STAGES


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    shutil.copytree(FROZEN, tmp_path / "stages")
    return tmp_path / "stages"


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_loads_as_cloned_and_is_local(name: str) -> None:
    stage = load_stage(name)
    assert (stage.name, stage.platform, stage.target) == (name, "local", "local")
    assert stage.release.variant in stage.gates.parity
    assert stage.release.traffic_steps[-1] == 100


def test_a_stage_changes_only_what_it_names(stages: Path) -> None:
    (stages / "qa.yaml").write_text("gates: {max_regression: {overall: 0.5}}\n")
    changed, base = load_stage("qa", stages), load_stage("dev")
    assert changed.gates.max_regression.overall == 0.5
    assert changed.gates.max_regression.per_class == base.gates.max_regression.per_class
    assert changed.release == base.release


def test_a_list_is_replaced_whole(stages: Path) -> None:
    (stages / "qa.yaml").write_text("release: {traffic_steps: [50, 100]}\n")
    assert load_stage("qa", stages).release.traffic_steps == (50, 100)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("gates: {min_acuracy: 0.9}", "gates: unknown key 'min_acuracy': known keys are min_accuracy"),
        ("gates: {devices: {cpu: {max_latency: 1}}}", "gates: devices.cpu: unknown key 'max_latency'"),
        (
            "gates: {devices: {jetson: {max_latency_ratio: 1}}}",
            "gates: devices.jetson: max_int8_latency_ratio is missing",
        ),
        ("gates: {min_accuracy: high}", "gates: min_accuracy: should be float, is 'high'"),
        ("gates: {max_regression: null}", "gates: max_regression: should be a mapping"),
        ("canary: true", "unknown key 'canary'"),
        ("azureml: {online: {mirror_percent: 51}}", "azureml.online.mirror_percent: is 51: write 0 to 50, Azure ML"),
        ("azureml: {online: {mirror_percent: -1}}", "azureml.online.mirror_percent: is -1: write 0 to 50, Azure ML"),
        (
            "azureml: {online: {mirror_percent: 20, compute: edge}}",
            r"azureml.online.mirror_percent: is 20, but Azure ML copies no requests on Kubernetes \(edge\): write 0",
        ),
        ("platform: azure-ml", "platform: 'azure-ml' is unknown: use one of local, azureml"),
        ("target: azureml_online", "target: 'azureml_online' is unknown: use one of local, azureml-online, azureml-ba"),
        (
            "target: azureml-online",
            "target: 'azureml-online' serves versions of an Azure ML workspace, and platform is local: write platform",
        ),
        ("{platform: local, target: azureml-batch}", "target: 'azureml-batch' serves versions of an Azure ML"),
        (
            "azureml: {online: {endpoint: My_Endpoint!}}",
            "azureml.online.endpoint: 'My_Endpoint!' is no name of an endpoint: write 3 to 32 letters, digits and hyph",
        ),
        ("azureml: {batch: {endpoint: -nightly}}", "azureml.batch.endpoint: '-nightly' is no name of an endpoint"),
        (f"azureml: {{online: {{endpoint: {'e' * 33}}}}}", "azureml.online.endpoint: 'e+' is no name of an endpoint"),
        (
            "{platform: azureml, target: azureml-online, model: Fashion_Classifier}",
            "model: 'Fashion_Classifier' would name the endpoint 'Fashion_Classifier-qa', which Azure refuses: write",
        ),
        (
            "{platform: azureml, target: azureml-batch, model: 7segments}",
            "model: '7segments' would name the endpoint '7segments-qa-batch', .* name one in azureml.batch.endpoint",
        ),
        ("gates: [", "is not YAML"),
        ("model: 2024-02-30", "is not YAML"),
        ("model: !!int ''", "is not YAML"),
        ("a: " + "[" * 5000, "is not YAML"),
        ("", "should be a mapping of keys"),
        ("- gates", "should be a mapping of keys"),
    ],
)
def test_a_wrong_stage_file_is_refused_with_file_and_key(content: str, words: str, stages: Path) -> None:
    (stages / "qa.yaml").write_text(content)
    with pytest.raises(ConfigError, match=f"qa.yaml: {words}") as caught:
        load_stage("qa", stages)
    assert "\n" not in str(caught.value)


def test_a_stage_file_that_is_not_in_utf_8_is_refused_with_the_file(stages: Path) -> None:
    (stages / "qa.yaml").write_bytes("# für qa\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="qa.yaml: is not YAML .*utf-8"):
        load_stage("qa", stages)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("target", TARGETS)
def test_each_platform_and_target_is_taken_but_an_endpoint_of_azures_without_its_workspace(
    platform: str, target: str, stages: Path
) -> None:
    (stages / "qa.yaml").write_text(f"{{platform: {platform}, target: {target}}}\n")
    if target.startswith("azureml") and platform == "local":
        with pytest.raises(ConfigError, match="write platform: azureml"):
            load_stage("qa", stages)
    else:
        assert (load_stage("qa", stages).platform, load_stage("qa", stages).target) == (platform, target)


def test_what_may_be_chosen_is_what_there_is_an_adapter_for() -> None:
    assert set(PLATFORMS) == set(ADAPTERS["registry"]) == set(ADAPTERS["job_runner"])
    assert set(TARGETS) == set(ADAPTERS["deploy_target"])


def test_a_model_whose_name_no_endpoint_can_have_is_taken_where_an_endpoint_is_named_or_none_is_made(
    stages: Path,
) -> None:
    for rest in ("", ", platform: azureml, target: azureml-online, azureml: {online: {endpoint: fashion-qa}}"):
        (stages / "qa.yaml").write_text(f"{{model: Fashion_Classifier{rest}}}\n")
        assert load_stage("qa", stages).model == "Fashion_Classifier"


def test_an_absent_stage_file_is_named(stages: Path) -> None:
    (stages / "qa.yaml").unlink()
    with pytest.raises(ConfigError, match="qa.yaml: cannot be read"):
        load_stage("qa", stages)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ConfigError, match="--stage staging: unknown stage: use one of dev, qa, production"):
        load_stage("staging")


def test_the_platforms_home_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLINE_HOME", str(tmp_path / "elsewhere"))
    assert load_stage("dev").home == (tmp_path / "elsewhere").resolve()
