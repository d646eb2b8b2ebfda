"""Stage files: a small delta over base.yaml, and nothing that no dataclass knows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlops.config import STAGES_FOLDER, load_stage
from mlops.errors import ConfigError
from mlops.names import STAGES


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    shutil.copytree(STAGES_FOLDER, tmp_path / "stages")
    return tmp_path / "stages"


@pytest.mark.parametrize("name", STAGES)
def test_each_stage_loads_as_cloned_and_is_local(name: str) -> None:
    stage = load_stage(name)
    assert (stage.name, stage.platform, stage.target) == (name, "local", "local")
    assert stage.release.variant in stage.gates.parity
    assert stage.release.traffic_steps[-1] == 100


def test_gates_never_loosen_from_stage_to_stage() -> None:
    floors = [load_stage(name).gates.min_accuracy for name in STAGES]
    assert floors == sorted(floors)


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
        ("gates: [", "is not YAML"),
        ("", "should be a mapping of keys"),
        ("- gates", "should be a mapping of keys"),
    ],
)
def test_a_wrong_stage_file_is_refused_with_file_and_key(content: str, words: str, stages: Path) -> None:
    (stages / "qa.yaml").write_text(content)
    with pytest.raises(ConfigError, match=f"qa.yaml: {words}") as caught:
        load_stage("qa", stages)
    assert "\n" not in str(caught.value)


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
