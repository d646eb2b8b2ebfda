"""What later jobs get to know of a run: the values, in the words of the CI system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops import cli
from mlops.ci import set_outputs, show_page
from mlops.errors import ConfigError
from mlops.outputs import NAMES
from mlops.records import (
    DeployRecord,
    Origin,
    PackageRecord,
    PromoteRecord,
    RegisterRecord,
    RollbackRecord,
    SubmittedRecord,
    TrainRecord,
    Verdict,
    write_record,
)

PASSED, FAILED = Verdict("promote", "all pass"), Verdict("reject", "too slow")
PROMOTED = PromoteRecord("qa", 3, "sha256:3", 2, PASSED)
IMAGES = {"runtime": "r.io/runtime@sha256:a", "model": "r.io/m@sha256:b"}
PACKAGED = PackageRecord("qa", 3, "sha256:3", IMAGES, {}, {}, False)
SUBMITTED = SubmittedRecord("job-7", "https://ml.azure.com/runs/job-7", "d")


@pytest.fixture(autouse=True)
def outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "TF_BUILD", "VISIONLINE_BRANCHES"):
        monkeypatch.delenv(name, raising=False)


def told(folder: Path, stage: str = "qa") -> dict[str, str]:
    """Return what `outputs` says of the run `r`."""
    said: list[str] = []
    assert cli.main(["outputs", "--stage", stage, "--run", "r"], said.append) == 0
    return dict(line.split("=", 1) for line in said)


def test_a_release_hands_on_its_version_and_images(own_platform: Path) -> None:
    run = own_platform / "runs" / "r"
    write_record(run, "promote.qa", PROMOTED)
    write_record(run, "package.qa", PACKAGED)
    write_record(
        run, "origin", Origin("github", "https://api", "o/r", "", "c", None, "5", "https://github.com/o/r/actions/5")
    )
    assert told(own_platform) == {
        "version": "3",
        "digest": "sha256:3",
        "runtime_image": IMAGES["runtime"],
        "model_image": IMAGES["model"],
        "outcome": "promote",
        "job": "",
        "link": "https://github.com/o/r/actions/5",
    }


def test_the_outcome_is_that_of_the_last_step_that_judged(own_platform: Path) -> None:
    run = own_platform / "runs" / "r"
    write_record(run, "promote.qa", PROMOTED)
    write_record(run, "deploy.qa", DeployRecord("qa", "reverted", 2, 2, None, (), FAILED, 1.0))
    found = told(own_platform)
    assert (found["outcome"], found["version"]) == ("reject", "3")


def test_another_stage_of_the_run_has_its_own(own_platform: Path) -> None:
    run = own_platform / "runs" / "r"
    write_record(run, "register", RegisterRecord("m", 3, "sha256:3", "d", "c", PASSED))
    write_record(run, "promote.qa", replace(PROMOTED, verdict=FAILED))
    assert (told(own_platform, "dev")["outcome"], told(own_platform)["outcome"]) == ("promote", "reject")


def test_a_training_that_was_not_waited_for_is_submitted(own_platform: Path) -> None:
    run = own_platform / "runs" / "r"
    write_record(run, "submitted", SUBMITTED)
    found = told(own_platform, "dev")
    assert (found["outcome"], found["job"], found["link"]) == ("submitted", SUBMITTED.job, SUBMITTED.link)
    assert found["version"] == ""


def test_a_model_that_was_held_back_has_no_version(own_platform: Path) -> None:
    run = own_platform / "runs" / "r"
    write_record(run, "train", TrainRecord("job-7", "d", None, {}, {}))
    write_record(run, "register", RegisterRecord("m", None, None, "d", "c", FAILED))
    found = told(own_platform, "dev")
    assert (found["version"], found["digest"], found["outcome"], found["job"]) == ("", "", "reject", "job-7")


def test_after_a_rollback_it_is_the_version_that_serves(own_platform: Path) -> None:
    write_record(own_platform / "runs" / "r", "rollback.qa", RollbackRecord("qa", 3, 2, "late", 1.0))
    found = told(own_platform)
    assert (found["version"], found["outcome"]) == ("2", "promote")


def test_records_of_two_versions_are_an_error(own_platform: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = own_platform / "runs" / "r"
    write_record(run, "promote.qa", PROMOTED)
    write_record(run, "package.qa", replace(PACKAGED, version=4))
    assert cli.main(["outputs", "--stage", "qa", "--run", "r"]) == 1
    assert "version 3 is released, but version 4 was packaged" in capsys.readouterr().err


def test_a_run_without_records_is_an_error(own_platform: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["outputs", "--stage", "qa", "--run", "r"]) == 1
    assert "holds no record of qa" in capsys.readouterr().err


def test_github_gets_its_outputs_by_file(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(own_platform / "runs" / "r", "promote.qa", PROMOTED)
    file = own_platform / "output"
    file.write_text("before=1\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    told(own_platform)
    lines = file.read_text().splitlines()
    assert lines[:3] == ["before=1", "version=3", "digest=sha256:3"] and len(lines) == 1 + len(NAMES)


def test_azure_pipelines_gets_output_variables() -> None:
    said: list[str] = []
    set_outputs({"version": "3", "odd": "50%;]"}, {"TF_BUILD": "True"}, said.append)
    assert said[2:] == [
        "##vso[task.setvariable variable=version;isOutput=true]3",
        "##vso[task.setvariable variable=odd;isOutput=true]50%AZP25;]",
    ]


def test_a_value_is_shown_and_commands_nothing() -> None:
    said: list[str] = []
    set_outputs({"job": "a ##vso[task.setvariable variable=x]y"}, {"TF_BUILD": "True"}, said.append)
    assert said[0] == "job=a # #vso[task.setvariable variable=x]y" and len(said) == 2
    assert said[1].startswith("##vso[task.setvariable variable=job;")


@pytest.mark.parametrize("value", ["3\nadmin=true", "3\n", "3\r", "3\u2028x"])
def test_no_value_smuggles_in_another_output(value: str, tmp_path: Path) -> None:
    said: list[str] = []
    for variables in ({"GITHUB_OUTPUT": str(tmp_path / "output")}, {"TF_BUILD": "True"}, {}):
        with pytest.raises(ConfigError, match="output version: holds a line break"):
            set_outputs({"outcome": "promote", "version": value}, variables, said.append)
    assert said == [] and not (tmp_path / "output").exists()


def test_a_page_is_shown_where_people_look(tmp_path: Path) -> None:
    page, summary, said = tmp_path / "page.md", tmp_path / "summary", list[str]()
    page.write_text("# Head\n\ntext\n")
    show_page(page, {"GITHUB_STEP_SUMMARY": str(summary)}, said.append)
    assert said == [] and summary.read_text() == "# Head\n\ntext\n"
    show_page(page, {"TF_BUILD": "True"}, said.append)
    assert said == [f"##vso[task.uploadsummary]{page}"]
    show_page(page, {}, said.append)
    assert said[1:] == ["# Head", "", "text"]


def test_an_output_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        set_outputs({"a": "b"}, {"GITHUB_OUTPUT": str(tmp_path / "no" / "file")}, lambda line: None)


def test_whether_a_pull_request_touches_a_folder_is_handed_on_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops.steps.outputs.touches", lambda folder, repository: folder == "infra")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    for folder in ("infra", "src"):
        assert cli.main(["outputs", "--touches", folder], lambda line: None) == 0
    assert (tmp_path / "output").read_text(encoding="utf-8") == "infra=true\nsrc=false\n"
