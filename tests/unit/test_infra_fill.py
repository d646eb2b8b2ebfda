"""`mlops fill`: outputs of Terraform and of Azure's deployments get into a stage file, and nothing else of it moves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from frozen_stages import FROZEN, based

from mlops.cli import main
from mlops.config import load_stage
from mlops.errors import ConfigError
from mlops.infra.outputs import read_outputs
from mlops.infra.stagetext import with_values

VALUES = {
    "subscription": "00000000-0000-4000-8000-000000000001",
    "resource_group": "rg-vision-qa",
    "workspace": "mlw-vision-qa",
    "registry": "mlr-vision",
    "image_registry": "crvisionshareda1b.azurecr.io",
    "aks_cluster": "aks-vision-qa",
    "kubernetes_cluster": "",
    "online_endpoint": "vision-qa-online-a1b",
    "key_vault": "kv-visionqaa1b",
    "ci_client_id": "00000000-0000-4000-8000-000000000002",
    "tenant": "00000000-0000-4000-8000-000000000003",
    "online_auth": "aad_token",
    "cpu_size": "Standard_D8s_v5",
    "cpu_max_nodes": "6",
    "gpu_size": "Standard_NC4as_T4_v3",
    "gpu_max_nodes": "1",
    "gpu_low_priority": "false",
    "gitops_repository": "https://github.com/owner/fleet",
    "gitops_path": "clusters/qa",
}
KEY = ("azureml", "workspace")


def camel(name: str) -> str:
    """Return a name as Bicep has it."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def terraform(values: dict[str, str]) -> dict[str, Any]:
    """Return what `terraform output -json` prints."""
    return {name: {"sensitive": False, "type": "string", "value": value} for name, value in values.items()}


def deployment(values: dict[str, str]) -> dict[str, Any]:
    """Return what `az deployment group show` prints, as far as it matters."""
    outputs = {camel(name): {"type": "String", "value": value} for name, value in values.items()}
    return {"name": "stage", "properties": {"provisioningState": "Succeeded", "outputs": outputs}}


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stage files of the test's own, over the frozen base.yaml."""
    folder = based(tmp_path / "stages")
    text = (FROZEN / "qa.yaml").read_text(encoding="utf-8")
    (folder / "qa.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("VISIONLINE_STAGES", str(folder))
    return folder


def fill(tmp_path: Path, content: object) -> tuple[int, list[str]]:
    """Run the step on a file of this content; return its exit code and lines."""
    path = tmp_path / "outputs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    said: list[str] = []
    return main(["fill", "--stage", "qa", "--outputs", str(path)], said.append), said


@pytest.mark.parametrize("shape", [terraform, deployment, lambda values: deployment(values)["properties"]["outputs"]])
def test_outputs_of_either_language_fill_the_stage_file(tmp_path: Path, stages: Path, shape: Any) -> None:
    code, said = fill(tmp_path, shape(VALUES))
    stage = load_stage("qa")
    assert code == 0
    assert (stage.azureml.subscription, stage.azureml.resource_group) == (VALUES["subscription"], "rg-vision-qa")
    assert (stage.azureml.workspace, stage.azureml.registry) == ("mlw-vision-qa", "mlr-vision")
    assert (stage.images.registry, stage.kubernetes.context) == (VALUES["image_registry"], None)
    assert stage.kubernetes.aks == "aks-vision-qa"
    assert (stage.azureml.online.endpoint, stage.azureml.online.auth) == ("vision-qa-online-a1b", "aad_token")
    assert (stage.flux.repository, stage.flux.path) == ("https://github.com/owner/fleet", "clusters/qa")
    assert f"CI, environment qa: AZURE_CLIENT_ID={VALUES['ci_client_id']}" in said


def test_clusters_are_those_that_were_made(tmp_path: Path, stages: Path) -> None:
    before = load_stage("qa").azureml.clusters
    fill(tmp_path, deployment(VALUES))
    clusters = load_stage("qa").azureml.clusters
    cpu = replace(before["cpu-cluster"], size="Standard_D8s_v5", max_nodes=6)
    gpu = replace(before["gpu-cluster"], size="Standard_NC4as_T4_v3", max_nodes=1, low_priority=False)
    assert clusters == {"cpu-cluster": cpu, "gpu-cluster": gpu}


def test_what_there_is_none_of_stays_as_it_is(tmp_path: Path, stages: Path) -> None:
    none = dict.fromkeys(("gpu_size", "gpu_max_nodes", "gpu_low_priority", "gitops_repository", "gitops_path"), "")
    before = load_stage("qa")
    fill(tmp_path, deployment({**VALUES, **none}))
    after = load_stage("qa")
    assert after.azureml.clusters["gpu-cluster"] == before.azureml.clusters["gpu-cluster"] and after.flux == before.flux


def test_what_should_be_a_number_and_is_none_is_refused(
    tmp_path: Path, stages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fill(tmp_path, terraform({**VALUES, "gpu_max_nodes": "two"}))[0] == 1
    assert "output gpu_max_nodes: should be a number" in capsys.readouterr().err
    assert load_stage("qa").azureml.workspace == ""


def test_what_stood_in_the_file_still_stands_there(tmp_path: Path, stages: Path) -> None:
    before = (stages / "qa.yaml").read_text(encoding="utf-8")
    fill(tmp_path, terraform(VALUES))
    assert (stages / "qa.yaml").read_text(encoding="utf-8").startswith(before)


def test_a_second_fill_changes_nothing(tmp_path: Path, stages: Path) -> None:
    fill(tmp_path, terraform(VALUES))
    first = (stages / "qa.yaml").stat()
    code, said = fill(tmp_path, deployment(VALUES))
    assert (code, said[0]) == (0, f"{stages / 'qa.yaml'}: says all of that already")
    assert (stages / "qa.yaml").stat().st_ino == first.st_ino


def test_the_path_behind_a_registrys_host_stays(tmp_path: Path, stages: Path) -> None:
    with (stages / "qa.yaml").open("a", encoding="utf-8") as file:
        file.write('images: {registry: "old.azurecr.io/team/vision", builder: docker} # ours\n')
    fill(tmp_path, terraform(VALUES))
    assert load_stage("qa").images.registry == "crvisionshareda1b.azurecr.io/team/vision"
    assert "builder: docker} # ours" in (stages / "qa.yaml").read_text(encoding="utf-8")


def test_an_output_that_nothing_is_made_of_is_one_line(tmp_path: Path, stages: Path) -> None:
    code, said = fill(tmp_path, terraform({**VALUES, "colour": "red", "shape": "round"}))
    assert (code, said[-1]) == (0, "not used: colour, shape")


def test_a_missing_output_is_one_line_and_changes_nothing(
    tmp_path: Path, stages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (stages / "qa.yaml").read_text(encoding="utf-8")
    code, _ = fill(tmp_path, terraform({**VALUES, "workspace": ""}))
    assert code == 1
    assert "no output workspace" in capsys.readouterr().err
    assert (stages / "qa.yaml").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"a": 1}', '{"properties": {"outputs": null}}', '{"workspace": {"value": ["x"]}}', '"x"'],
)
def test_a_file_that_holds_no_outputs_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"outputs\.json: [^\n]*$"):
        read_outputs(path)


def test_an_output_that_would_break_out_of_its_line_is_refused(tmp_path: Path, stages: Path) -> None:
    code, _ = fill(tmp_path, terraform({**VALUES, "workspace": "a\nplatform: azureml"}))
    assert code == 1
    assert load_stage("qa").platform == "local"


@pytest.mark.parametrize(
    "before, after",
    [
        ("", "azureml:\n  workspace: new\n"),
        ("# only this\n", "# only this\nazureml:\n  workspace: new\n"),
        ("a: 1", "a: 1\nazureml:\n  workspace: new\n"),
        ("azureml: {workspace: old} # why\nb: 1\n", "azureml: {workspace: new} # why\nb: 1\n"),
        ("azureml: {}\n", "azureml: {workspace: new}\n"),
        ("azureml:\nb: 1\n", "azureml: {workspace: new}\nb: 1\n"),
        ("azureml: {registry: r}\n", "azureml: {registry: r, workspace: new}\n"),
        ('azureml:\n  workspace: "old"   # why\n', "azureml:\n  workspace: new   # why\n"),
        ("azureml:\n  workspace:\n  a: 1\n", "azureml:\n  workspace: new\n  a: 1\n"),
        ("azureml:\n    a: 1 # x\n\n# of b\nb: 1\n", "azureml:\n    a: 1 # x\n    workspace: new\n\n# of b\nb: 1\n"),
        ("azureml:\n  online:\n    a: 1\nb: [1]\n", "azureml:\n  online:\n    a: 1\n  workspace: new\nb: [1]\n"),
    ],
)
def test_a_value_is_set_where_it_belongs(before: str, after: str) -> None:
    assert with_values(before, {KEY: "new"}, "qa.yaml") == after


@pytest.mark.parametrize("value", ["null", "yes", "1", "a: b", "x # y", 'q"uote', "00000000-0000", "1e3", "@x", "ü"])
def test_any_text_comes_back_as_that_text(value: str) -> None:
    for text in ("", "azureml: {a: 1}\n", "azureml:\n  workspace: old\n"):
        assert yaml.safe_load(with_values(text, {KEY: value}, "qa.yaml"))["azureml"]["workspace"] == value


@pytest.mark.parametrize("text", ["- 1\n", "a: [", "azureml: &x {}\nb: *x\nazureml2: *x\n- 1\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^qa\.yaml: "):
        with_values(text, {KEY: "new"}, "qa.yaml")
