"""The batch endpoint of a stage on the fake of Azure: released, verified by jobs that really score, and scored with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azurefake.batch import batch, fail
from azurefake.faults import THROTTLED, UNAVAILABLE, Drop
from azurefake.message import refusal
from azurefake.stages import azure_stage, write_stages
from azurefake.state import Azure
from model_packages import MODEL, make_package
from running_endpoint import REPOSITORY, picture, wait_for
from step_process import StepProcess, run_step

from mlops.adapters.azureml import batchjobs, onlinelock, registry
from mlops.adapters.azureml.batch import BatchTarget, open_target
from mlops.context import Context
from mlops.errors import BusyError, ConfigError, TargetError
from mlops.ports import Deployment
from mlops.records import DataRecord, ModelVersion, ScoreRecord, read_record, write_record
from mlops.steps.deploy import deploy
from mlops.steps.score import run as run_score
from mlops.steps.score import score
from mlops.steps.verify import verify

NAME = f"{MODEL}-dev-batch"
RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def _context(tmp_path: Path, **changes: Any) -> Context:
    lines: list[str] = []
    stage = azure_stage("dev", target="azureml-batch", azureml={"batch": {"mini_batch_size": 5, **changes}})
    return Context(stage, tmp_path / "run", lines.append)


@pytest.fixture(autouse=True)
def nobody_else_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry not wait for other writers of its tags: here are none."""
    monkeypatch.setattr(registry, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def context(azure: Azure, tmp_path: Path) -> Context:
    return _context(tmp_path)


def _approve(context: Context, folder: Path, bias: float = 0.0) -> ModelVersion:
    """Register a package that is approved in dev."""
    return context.registry.register(MODEL, make_package(folder, version_bias=bias), {"dev": "approved"})


def _deployment(context: Context, version: ModelVersion) -> Deployment:
    package = context.package(version.version)
    return Deployment(MODEL, version.version, version.digest, package, context.stage.release.variant)


def _changes(azure: Azure) -> list[str]:
    """Return what was changed on the endpoint, or asked of it, in order."""
    seen = []
    for one in azure.sent():
        if one.method in ("PUT", "DELETE") and "/batchEndpoints/" in one.path:
            seen.append(f"{one.method} {one.path.rpartition('/batchEndpoints/')[2]}")
        if one.method == "POST" and one.path == "/jobs":
            seen.append(f"job {one.headers['azureml-model-deployment']}")
    return seen


def _publish(context: Context, folder: Path, files: dict[str, bytes]) -> DataRecord:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return context.data.publish(context.stage.data.name, folder)


def _target(context: Context) -> BatchTarget:
    return open_target(context.stage)


def test_a_version_is_made_verified_by_a_job_and_gets_all_jobs(azure: Azure, context: Context, tmp_path: Path) -> None:
    version = _approve(context, tmp_path / "package")
    record = deploy(context)
    assert (record.outcome, record.version, record.verdict.outcome) == ("served", 1, "promote")
    assert [event.traffic for event in record.events] == [{"1": 100}]
    assert _changes(azure) == [f"PUT {NAME}", f"PUT {NAME}/deployments/v01", "job v01", f"PUT {NAME}"]
    status = context.target.status()
    assert status.url == f"https://{NAME}.westeurope.inference.ml.azure.com/jobs"
    assert status.traffic == {1: 100} and not status.deployments[1].is_online
    assert (status.deployments[1].state, status.deployments[1].digest) == ("ready", version.digest)


def test_what_is_sent_for_a_deployment_is_what_the_stage_says(azure: Azure, tmp_path: Path) -> None:
    context = _context(tmp_path, nodes=2, max_failed=3)
    version = _approve(context, tmp_path / "package")
    deploy(context)
    (put,) = azure.sent("PUT", "/deployments/")
    given = put.json["properties"]
    assert given["model"]["assetId"].endswith(f"/models/{MODEL}/versions/1")
    assert given["compute"].endswith("/computes/cpu-cluster")
    assert given["codeConfiguration"]["scoringScript"] == "serving/azureml/batch.py"
    assert "/environments/visionline-batch/versions/" in given["environmentId"]
    assert (given["miniBatchSize"], given["errorThreshold"], given["resources"]["instanceCount"]) == (5, 3, 2)
    assert (given["outputAction"], given["maxConcurrencyPerInstance"]) == ("AppendRow", 1)
    assert given["retrySettings"] == {"maxRetries": 3, "timeout": "PT10M"}
    assert given["environmentVariables"] == {
        "VISIONLINE_DIGEST": version.digest,
        "VISIONLINE_VARIANT": "int8",
        "VISIONLINE_VERSION": "1",
    }


def test_the_next_version_takes_the_jobs_and_the_last_one_goes(azure: Azure, context: Context, tmp_path: Path) -> None:
    _approve(context, tmp_path / "one")
    deploy(context)
    _approve(context, tmp_path / "two", bias=0.5)
    seen = len(_changes(azure))
    record = deploy(context)
    assert (record.outcome, record.version, record.previous) == ("served", 2, 1)
    assert _changes(azure)[seen:] == [
        f"PUT {NAME}/deployments/v02",
        "job v02",
        f"PUT {NAME}",
        f"DELETE {NAME}/deployments/v01",
    ]
    assert (context.target.status().traffic, list(context.target.status().deployments)) == ({2: 100}, [2])
    assert verify(context).verdict.outcome == "promote"


def test_a_rerun_changes_nothing(azure: Azure, context: Context, tmp_path: Path) -> None:
    version = _approve(context, tmp_path / "package")
    deploy(context)
    seen = _changes(azure)
    assert deploy(context).outcome == "unchanged"
    context.target.deploy(_deployment(context, version))
    context.target.set_traffic({1: 100})
    assert _changes(azure) == seen


def test_a_version_that_predicts_otherwise_is_revoked_and_taken_away(
    azure: Azure, context: Context, tmp_path: Path
) -> None:
    _approve(context, tmp_path / "one")
    deploy(context)
    package = tmp_path / "other"
    make_package(package, version_bias=3.0)
    _spoil_golden(package)
    context.registry.register(MODEL, package, {"dev": "approved"})
    record = deploy(context)
    assert (record.outcome, record.version, record.verdict.outcome) == ("reverted", 1, "reject")
    assert "golden predictions changed since evaluation" in record.verdict.reason
    assert context.registry.versions(MODEL)[2].tags["dev"] == "revoked"
    assert (context.target.status().traffic, list(context.target.status().deployments)) == ({1: 100}, [1])


def _spoil_golden(package: Path) -> None:
    from modelpackage import seal_package

    golden = json.loads((package / "golden.json").read_text(encoding="utf-8"))
    for variant in golden["variants"].values():
        variant["labels"] = ["green" if label == "red" else "red" for label in variant["labels"]]
    (package / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    (package / "release.json").unlink()
    seal_package(package, MODEL, "0" * 40, "00112233445566aa", "sha256:0")


def test_a_script_that_fails_revokes_the_version_and_is_quoted(azure: Azure, context: Context, tmp_path: Path) -> None:
    version = _approve(context, tmp_path / "package")
    context.package(version.version)
    (labels,) = (key for key in azure.blobs if key[2].endswith("labels.json"))
    azure.blobs[labels] = b'["blue", "red", "green"]'  # what the node gets is not what was registered
    record = deploy(context)
    assert record.verdict.outcome == "reject"
    assert "its script failed" in record.verdict.reason and "labels.json: is sha256:" in record.verdict.reason
    assert "https://ml.azure.com/runs/batchjob-" in record.verdict.reason
    assert context.registry.versions(MODEL)[version.version].tags["dev"] == "revoked"


def test_a_job_that_failed_is_told_as_failed_where_its_log_cannot_be_read(
    azure: Azure, context: Context, tmp_path: Path
) -> None:
    version = _approve(context, tmp_path / "package")
    batch(azure).broken.append("Execution failed.")
    azure.fail("*", "/history/", *[refusal(403, "Forbidden", "Not from this network.")] * 50)
    with pytest.raises(TargetError, match="is Failed, and why can't be read: the job's history: 403.*: see https://ml"):
        deploy(context)
    assert context.registry.versions(MODEL)[version.version].tags["dev"] == "approved"


def test_a_job_that_fails_for_another_reason_blames_no_version(azure: Azure, context: Context, tmp_path: Path) -> None:
    version = _approve(context, tmp_path / "package")
    batch(azure).broken.append("Your cluster could not start: OutOfQuota. Ask for more cores.")
    with pytest.raises(
        TargetError, match="is Failed: Your cluster could not start: OutOfQuota.*no version is to blame"
    ):
        deploy(context)
    assert context.registry.versions(MODEL)[version.version].tags["dev"] == "approved"
    assert context.target.status().traffic == {}
    assert deploy(context).outcome == "served"


@pytest.mark.parametrize("what", [NAME, "v01"])
def test_a_failed_operation_is_told_and_a_rerun_converges(
    what: str, azure: Azure, context: Context, tmp_path: Path
) -> None:
    _approve(context, tmp_path / "package")
    fail(azure, what, "InternalServerError", "An internal error has occurred.")
    with pytest.raises(TargetError, match="An internal error has occurred.*run the step again"):
        deploy(context)
    assert deploy(context).outcome == "served"


def test_a_quota_that_is_used_up_is_told_with_what_to_do(azure: Azure, context: Context, tmp_path: Path) -> None:
    _approve(context, tmp_path / "package")
    fail(azure, "v01", "OutOfQuota", "Not enough quota available for Standard_D4s_v5. Current usage/limit: 4/4.")
    with pytest.raises(TargetError, match="Not enough quota.*portal: Quotas.*azureml.batch.nodes"):
        deploy(context)


def test_jobs_go_to_the_deployment_that_is_meant_whatever_was_asked_before(
    azure: Azure, context: Context, tmp_path: Path
) -> None:
    target, versions = _target(context), [_approve(context, tmp_path / str(n), bias=float(n)) for n in range(2)]
    deployments = [_deployment(context, version) for version in versions]
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    for one in deployments:
        target.deploy(one)
    for one in (*deployments, deployments[0]):
        (row,) = target.score(one, data)
        assert (row.model_version, row.digest) == (one.version, one.digest)


def test_a_data_version_is_scored_by_what_is_served_and_recorded(
    azure: Azure, context: Context, tmp_path: Path
) -> None:
    version = _approve(context, tmp_path / "package")
    deploy(context)
    images = {f"line/{number:02}.png": picture((RED, GREEN, BLUE)[number % 3]) for number in range(12)}
    data = _publish(context, tmp_path / "data", {**images, "line/12.png": b"broken", "other/notes.txt": b"text"})
    record = score(context, data.version)
    assert (record.version, record.digest, record.data, record.files) == (1, version.digest, data, 14)
    assert (record.failed, record.labels) == (2, {"red": 4, "green": 4, "blue": 4})
    assert record.verdict.outcome == "reject"
    assert "scored 12 of 14 files" in record.verdict.reason and "line/12.png: " in record.verdict.reason
    rows = [json.loads(line) for line in Path(record.rows).read_text(encoding="utf-8").splitlines()]
    assert [row["file"] for row in rows] == sorted([*images, "line/12.png", "other/notes.txt"])
    assert read_record(context.run, "score.dev", ScoreRecord) == record


def test_as_many_files_may_fail_as_the_stage_says(azure: Azure, tmp_path: Path) -> None:
    context = _context(tmp_path, max_failed=1)
    _approve(context, tmp_path / "package")
    deploy(context)
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED), "b.png": b"broken"})
    write_record(context.run, "data", data)
    options = type("Options", (), {"data": None})()
    assert run_score(context, options) == 0


def test_the_answer_to_429_is_to_wait_and_an_answer_that_was_lost_starts_no_second_job(
    azure: Azure, context: Context, tmp_path: Path
) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    target.deploy(_deployment(context, version))
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    azure.fail("POST", "/jobs?", THROTTLED)
    assert [row.label for row in target.score(_deployment(context, version), data)] == ["red"]
    before = len(azure.sent("POST", "inference.ml.azure.com/jobs"))
    azure.fail("POST", "/jobs?", Drop(handled=True))
    with pytest.raises(TargetError, match=f"{NAME}: job: "):
        target.score(_deployment(context, version), data)
    assert len(azure.sent("POST", "inference.ml.azure.com/jobs")) == before + 1


def test_a_refused_job_is_told_in_azures_words(azure: Azure, context: Context, tmp_path: Path) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    target.deploy(_deployment(context, version))
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    azure.fail("POST", "/jobs?", refusal(403, "Forbidden", "Missing batchEndpoints/jobs/write."))
    with pytest.raises(TargetError, match="403.*Missing batchEndpoints/jobs/write.*lacks a role"):
        target.score(_deployment(context, version), data)


def test_a_wait_outlives_a_service_that_is_away(azure: Azure, context: Context, tmp_path: Path) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    target.deploy(_deployment(context, version))
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    azure.fail("GET", "/jobs/batchjob", UNAVAILABLE)
    assert len(target.score(_deployment(context, version), data)) == 1


def test_who_stops_the_wait_stops_the_job(
    azure: Azure, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    target.deploy(_deployment(context, version))
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    batch(azure).held = threading.Event()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batchjobs.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        target.score(_deployment(context, version), data)
    batch(azure).held.set()
    assert len(batch(azure).cancelled) == 1


def test_a_step_that_ci_stops_cancels_its_job(azure: Azure, context: Context, tmp_path: Path) -> None:
    _approve(context, tmp_path / "package")
    deploy(context)
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    batch(azure).held = threading.Event()
    stages = write_stages(tmp_path / "stages", dev={"target": "azureml-batch"})
    words = ["score", "--data", data.version, "--stage", "dev", "--run", "first"]
    azure.requests.clear()
    process = StepProcess(words, {**os.environ, "VISIONLINE_STAGES": str(stages)}, REPOSITORY)
    wait_for(lambda: azure.sent("GET", "/jobs/batchjob"))
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate()
    batch(azure).held.set()
    assert (process.returncode, len(batch(azure).cancelled)) == (130, 1), error
    assert "run the same command again" in error and "Traceback" not in out + error


def test_a_job_that_does_not_end_is_cancelled_and_named(
    azure: Azure, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    target.deploy(_deployment(context, version))
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    batch(azure).held = threading.Event()
    monkeypatch.setattr(batchjobs, "DEADLINE_SECONDS", 0.0)
    with pytest.raises(TargetError, match="did not end in 0 hours: it is cancelled"):
        target.score(_deployment(context, version), data)
    batch(azure).held.set()
    assert len(batch(azure).cancelled) == 1


def test_traffic_can_be_given_to_one_version_only(azure: Azure, context: Context, tmp_path: Path) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    target.deploy(_deployment(context, version))
    with pytest.raises(TargetError, match="gives all jobs to one version"):
        target.set_traffic({1: 50, 2: 50})
    target.set_traffic({1: 100})
    with pytest.raises(TargetError, match="version 1 has traffic"):
        target.remove(1)
    target.set_traffic({})
    assert target.status().traffic == {}
    target.remove(1)
    target.remove(1)
    assert target.status().deployments == {}


def test_an_endpoint_whose_default_somebody_else_named_is_left_alone(
    azure: Azure, context: Context, tmp_path: Path
) -> None:
    _approve(context, tmp_path / "package")
    deploy(context)
    endpoint = next(body for id, body in azure.resources.items() if id.endswith(f"/batchendpoints/{NAME}"))
    endpoint["properties"]["defaults"] = {"deploymentName": "blue"}
    with pytest.raises(TargetError, match="deployment blue, its default, is not of ours.*azureml.batch.endpoint"):
        context.target.status()


def test_scoring_needs_a_deployment_and_data_on_azure(azure: Azure, context: Context, tmp_path: Path) -> None:
    target, version = _target(context), _approve(context, tmp_path / "package")
    with pytest.raises(ConfigError, match="platform: azureml"):
        target.score(_deployment(context, version), DataRecord("images", "0", str(tmp_path)))
    with pytest.raises(TargetError, match="serves nothing: run `deploy --stage dev`"):
        score(context, "0123456789abcdef")
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    with pytest.raises(TargetError, match="is not there: run `deploy --stage dev`"):
        target.score(_deployment(context, version), data)


def test_one_release_at_a_time(azure: Azure, context: Context) -> None:
    with _target(context).lock(), pytest.raises(BusyError, match=f"{NAME}: process"), _target(context).lock():
        pass


def test_no_secret_is_in_what_is_said_and_kept(azure: Azure, context: Context, tmp_path: Path) -> None:
    _approve(context, tmp_path / "package")
    deploy(context)
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED)})
    score(context, data.version)
    kept = [path.read_text(encoding="utf-8") for path in context.run.rglob("*") if path.is_file()]
    assert kept and not any(Azure.SECRET in text for text in kept)


def test_the_steps_run_as_processes_of_their_own(azure: Azure, context: Context, tmp_path: Path) -> None:
    _approve(context, tmp_path / "package")
    data = _publish(context, tmp_path / "data", {"a.png": picture(RED), "b.png": picture(GREEN)})
    stages = write_stages(tmp_path / "stages", dev={"target": "azureml-batch"})
    environment = {**os.environ, "VISIONLINE_STAGES": str(stages)}

    def step(*words: str) -> subprocess.CompletedProcess[str]:
        return run_step(*words, "--stage", "dev", "--run", "first", env=environment, fresh=words[0] == "score")

    seen = [step("deploy"), step("verify"), step("score", "--data", data.version)]
    assert [one.returncode for one in seen] == [0, 0, 0], [one.stderr for one in seen]
    assert "dev: served, serving version 1" in seen[0].stdout
    assert "version 1 scored 2 of 2 files" in seen[2].stdout
    said = "".join(one.stdout + one.stderr for one in seen)
    assert Azure.SECRET not in said and "Traceback" not in said


@pytest.mark.parametrize("changes", [{"nodes": 3}, {"mini_batch_size": 9}, {"max_failed": 2}])
def test_settings_that_changed_since_are_taken_up_in_place(
    azure: Azure, context: Context, tmp_path: Path, changes: dict[str, int]
) -> None:
    _approve(context, tmp_path / "package")
    deploy(context)
    azure.requests.clear()
    later = replace(_context(tmp_path, **changes), run=tmp_path / "later")
    assert not later.target.status().deployments[1].is_current
    assert deploy(later).outcome == "served"
    assert f"PUT {NAME}/deployments/v01" in _changes(azure)
    assert later.target.status().deployments[1].is_current and later.target.status().traffic == {1: 100}
    assert deploy(later).outcome == "unchanged"


def test_who_has_lost_the_lock_changes_nothing_more(
    azure: Azure, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _approve(context, tmp_path / "package")
    deploy(context)
    second = _deployment(context, _approve(context, tmp_path / "second", 0.1))
    target = context.target
    with target.lock():
        seen = _changes(azure)
        monkeypatch.setattr(onlinelock, "LEASE_SECONDS", 0.0)
        for change in (lambda: target.deploy(second), lambda: target.set_traffic({})):
            with pytest.raises(TargetError, match="lock was lost"):
                change()
        assert _changes(azure) == seen
    assert context.target.status().traffic == {version.version: 100}
