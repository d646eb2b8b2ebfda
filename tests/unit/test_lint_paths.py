"""Lint finds paths that lead nowhere, environments that nobody defines and versions that are not fixed."""

from __future__ import annotations

from pathlib import Path

import pytest
from azureml_files import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


PATHS = [
    ("components/train.yml", ("code",)),
    ("components/train.yml", ("environment",)),
    ("pipeline.yml", ("jobs", "train", "component")),
    ("environment.yml", ("build", "path")),
    ("image.yml", ("conda_file",)),
    ("data.yml", ("path",)),
    ("model.yml", ("path",)),
    ("managed.yml", ("code_configuration", "code")),
    ("managed.yml", ("model",)),
    ("batch.yml", ("code_configuration", "code")),
    ("nightly.yml", ("create_job",)),
    ("weekly.yml", ("create_job", "job")),
]


@pytest.mark.parametrize("file, keys", PATHS, ids=[f"{file} {'.'.join(keys)}" for file, keys in PATHS])
def test_a_path_that_leads_nowhere_is_found(place: Place, file: str, keys: tuple[str, ...]) -> None:
    place.change(file, *keys, value="./absent")
    assert place.refusal(file, f"{'.'.join(keys)}: './absent' is not there").line == place.line(file, "./absent")


@pytest.mark.parametrize(
    "file, keys, says",
    [
        ("managed.yml", ("code_configuration", "scoring_script"), "'absent.py' is not in code 'src'"),
        ("environment.yml", ("build", "dockerfile_path"), "'absent.py' is not in path 'environments/train'"),
    ],
)
def test_a_file_that_is_not_in_its_folder_is_found(place: Place, file: str, keys: tuple[str, ...], says: str) -> None:
    place.change(file, *keys, value="absent.py")
    place.refusal(file, says)


@pytest.mark.parametrize("file", ["components/train.yml", "managed.yml", "command.yml"])
def test_an_environment_that_the_repository_does_not_define_is_found(place: Place, file: str) -> None:
    place.change(file, "environment", value="azureml:visionline-trian:1")
    place.refusal(file, "'visionline-trian' has no folder under environments/: known are visionline-built")


def test_an_environment_of_a_file_or_of_others_is_taken(place: Place) -> None:
    place.change("managed.yml", "environment", value="azureml:visionline-image:1")
    place.change("command.yml", "environment", value="azureml:somebody-elses:3")
    place.change("components/train.yml", "environment", value="azureml://registries/azureml/environments/e/versions/1")
    assert place.findings() == []


REFERENCES = [
    ("components/train.yml", ("environment",), "azureml:visionline-train@latest", "is another version every time"),
    ("components/train.yml", ("environment",), "azureml:visionline-train", "names no version"),
    ("pipeline.yml", ("jobs", "train", "component"), "azureml:train@default", "is another version every time"),
    ("managed.yml", ("model",), "azureml:fashion@latest", "is another version every time"),
    ("batch.yml", ("model",), "azureml:fashion", "names no version"),
]


@pytest.mark.parametrize("file, keys, value, says", REFERENCES, ids=[value for _, _, value, _ in REFERENCES])
def test_a_version_that_is_not_fixed_is_found(
    place: Place, file: str, keys: tuple[str, ...], value: str, says: str
) -> None:
    place.change(file, *keys, value=value)
    place.refusal(file, says)


@pytest.mark.parametrize("path", ["azureml://datastores/d/paths/p", "https://example.org/x", "git+https://e.org/x"])
def test_what_stands_elsewhere_is_not_looked_for(place: Place, path: str) -> None:
    place.change("data.yml", "path", value=path)
    assert place.findings() == []
