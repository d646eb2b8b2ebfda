"""The repository's own Azure ML files and stage files have nothing that lint finds, by its rules and by the SDK."""

from __future__ import annotations

import json

from sources import ROOT, files

from mlops.cli import main


def test_lint_finds_nothing_in_the_repository() -> None:
    said: list[str] = []
    assert main(["lint", "--json"], said.append) == 0, said
    report = json.loads(said[0])
    assert report["findings"] == [] and report["asked_sdk"]


def test_it_has_looked_at_each_job_and_component() -> None:
    said: list[str] = []
    main(["lint", "--json"], said.append)
    jobs = [path for path in files() if path.as_posix().startswith("mlops/jobs/") and path.suffix in (".yml", ".yaml")]
    assert json.loads(said[0])["files"] >= len(jobs) > 0 and (ROOT / "mlops" / "jobs").is_dir()
