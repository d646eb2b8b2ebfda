"""GitHub's workflows for releases, run by act from events: what becomes of registry, endpoint and jobs.

Each starts from the state that a run before kept, as on GitHub, and leaves its own for the next. The models are small
ones made here, so no workflow trains. `make test` runs the two that let a version in and keep one out, and
`make test-pipelines` all.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import pytest
from evaluations import DATA_VERSION, LABELS, evaluation, model
from model_packages import MODEL, make_unsealed
from registries import give_database
from running_endpoint import picture
from workflow_runs import WORKFLOWS, CodeRepository

from mlops.adapters.local.stop import stop_endpoints
from mlops.carrying import pack
from mlops.loading import write_json
from mlops.records import DeployRecord, PromoteRecord, read_record, stage_tag
from mlops.steps.deploy import deploy
from modelpackage import digest_file, seal_package

pytestmark = [
    pytest.mark.skipif(not WORKFLOWS.exists(), reason="this project keeps no pipelines on GitHub"),
    pytest.mark.timeout(900),
]
TRAINED = "100"  # the run that kept the state which a test starts from
thorough = pytest.mark.skipif(not os.environ.get("VISIONLINE_PIPELINES"), reason="takes a minute: make test-pipelines")


@pytest.fixture
def repository(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeRepository]:
    """A repository whose canaries wait for two seconds at each step, and blame no busy machine."""
    made = CodeRepository(own_platform / "github")
    monkeypatch.setenv("VISIONLINE_HOME", str(made.home))
    for stage in ("qa", "production"):
        made.set_stage(stage, release={"verify": {"requests": 2, "bake_seconds": 2, "max_latency_ratio": 1e6}})
    made.push("refs/heads/dev", "refs/heads/qa", "refs/heads/main", "refs/tags/qa/1")
    give_database(made.home)
    yield made
    stop_endpoints(made.home)
    made.host.close()


def register(repository: CodeRepository, *stages: str, right: int = 92, frame_size: int | None = None) -> int:
    """Register one more version, of `right` percent, as a training does; approve it for these stages too."""
    dev = repository.at("dev")
    number = len(dev.registry.versions(MODEL)) + 1
    folder = repository.root / f"model{number}"
    make_unsealed(folder, version_bias=number / 10, classes=LABELS, frame_size=frame_size)
    made = model(right, folder.name)
    files = {name: digest_file(folder / f"model_{name}.onnx") for name in made.variants}
    made = replace(made, variants={name: replace(one, sha256=files[name]) for name, one in made.variants.items()})
    write_json(folder / "evaluation.json", asdict(evaluation(made)))
    (folder / "MODEL_CARD.md").write_text(f"# {MODEL}\n", encoding="utf-8")
    seal_package(folder, MODEL, "c0ffee", DATA_VERSION, made.checkpoint)
    dev.registry.register(MODEL, folder, {})
    for stage in ("dev", *stages):
        dev.registry.set_tag(MODEL, number, stage, "approved")
    return number


def keep(repository: CodeRepository) -> None:
    """Keep the state that a test has laid down, as the run that trained keeps it."""
    stop_endpoints(repository.home)
    pack(repository.home, repository.keep(TRAINED, "home", "dev") / "home.tar.gz")


def tags(repository: CodeRepository, run: str, stage: str) -> dict[int, str | None]:
    """Return what each version is in a stage, in the state that a run kept."""
    return {number: stage_tag(one, stage) for number, one in repository.versions(run).items()}


@contextmanager
def cameras(repository: CodeRepository, stage: str) -> Iterator[list[int]]:
    """Send frames to a stage's endpoint whenever it is there, while the block runs; yields the statuses."""
    statuses: list[int] = []
    ended = threading.Event()

    def send() -> None:
        frame = picture((200, 10, 10))  # of another size than the golden ones
        with httpx.Client(trust_env=False, timeout=10) as client:
            while not ended.wait(0.02):
                with suppress(OSError, ValueError, httpx.HTTPError):
                    url = json.loads((repository.home / "endpoints" / stage / "server.json").read_text())["url"]
                    statuses.append(client.post(f"{url}/score", content=frame).status_code)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def test_a_push_to_qa_releases_the_version_of_dev(repository: CodeRepository) -> None:
    register(repository)
    keep(repository)
    ended = repository.run("release", "push.qa", run="101")
    assert ended.results == {"candidate": "success", "release": "success", "gate": "success"}, ended.said
    assert tags(repository, "101", "qa") == {1: "approved"}
    assert repository.at("qa").target.status().traffic == {1: 100}
    assert (repository.kept("101", "runs") / "101" / "approval.qa.md").read_text().startswith("# Release version 1")


def test_a_worse_version_is_held_back_before_anyone_is_asked(repository: CodeRepository) -> None:
    register(repository, right=81)
    keep(repository)
    ended = repository.run("release", "push.qa", run="101")
    assert ended.results == {"candidate": "failure", "release": "skipped", "gate": "failure"}, ended.said
    verdict = read_record(repository.kept("101", "runs") / "101", "promote.qa", PromoteRecord).verdict
    assert verdict.outcome == "reject" and "0.82" in verdict.reason
    assert not repository.kept("101", "home").exists() and not (repository.home / "endpoints" / "qa").exists()


@thorough
def test_the_version_that_qa_tested_gets_into_production_by_a_canary(repository: CodeRepository) -> None:
    register(repository, "qa", "production")
    deploy(repository.at("production"))
    register(repository, "qa")
    keep(repository)
    ended = repository.run("release", "push.main", run="101")
    assert ended.results == {"candidate": "success", "release": "success", "gate": "success"}, ended.said
    record = read_record(repository.kept("101", "runs") / "101", "deploy.production", DeployRecord)
    assert [event.traffic for event in record.events] == [{"1": 90, "2": 10}, {"1": 50, "2": 50}, {"2": 100}]
    assert tags(repository, "101", "production") == {1: "approved", 2: "approved"}
    assert repository.at("production").target.status().traffic == {2: 100}


def test_a_canary_that_fails_gives_the_traffic_back_and_revokes_its_version(repository: CodeRepository) -> None:
    register(repository, "qa", "production")
    deploy(repository.at("production"))
    register(repository, "qa", frame_size=28)
    keep(repository)
    with cameras(repository, "production") as statuses:
        ended = repository.run("release", "push.main", run="101")
    assert ended.results == {"candidate": "success", "release": "failure", "gate": "failure"}, ended.said
    record = read_record(repository.kept("101", "runs") / "101", "deploy.production", DeployRecord)
    assert (record.outcome, record.version) == ("reverted", 1) and "live requests failed" in record.verdict.reason
    assert [event.traffic for event in record.events] == [{"1": 90, "2": 10}, {"1": 100}]
    assert tags(repository, "101", "production") == {1: "approved", 2: "revoked"}
    assert repository.at("production").target.status().traffic == {1: 100}
    assert set(statuses[statuses.index(200) :]) == {200}  # before that the new machine starts its endpoint


@thorough
def test_a_version_that_is_not_verified_after_its_release_is_left(repository: CodeRepository) -> None:
    stop_before(repository, "verify")
    register(repository, "qa", "production")
    deploy(repository.at("production"))
    register(repository, "qa")
    keep(repository)
    ended = repository.run("release", "push.main", run="101")
    assert ended.results == {"candidate": "success", "release": "failure", "gate": "failure"}, ended.said
    deployed = read_record(repository.kept("101", "runs") / "101", "deploy.production", DeployRecord)
    assert (deployed.outcome, deployed.version) == ("served", 2)
    assert tags(repository, "101", "production") == {1: "approved", 2: "revoked"}
    assert "not verified after its release" in json.dumps(repository.versions("101")[2].tags)
    assert repository.at("production").target.status().traffic == {1: 100}


def stop_before(repository: CodeRepository, step: str) -> None:
    """Let the machines lose their endpoints before a step, as where one runs out of memory."""
    python = repository.root / "machine" / "python"
    first, _, rest = python.read_text(encoding="utf-8").partition("\n")
    lost = f'case "$*" in "-m mlops {step} "*) "$PYTHON" -m mlops.adapters.local.stop ;; esac'
    python.write_text(f"{first}\n{lost}\n{rest}", encoding="utf-8")


def state_of_two(repository: CodeRepository) -> None:
    """Let production serve version 2, after 1."""
    for _ in range(2):
        register(repository, "qa", "production")
        deploy(repository.at("production"))
    keep(repository)


@thorough
def test_a_rollback_serves_the_version_before(repository: CodeRepository) -> None:
    state_of_two(repository)
    ended = repository.run("rollback", "workflow_dispatch.rollback", run="101")
    assert set(ended.results.values()) == {"success"}, ended.said
    assert tags(repository, "101", "production") == {1: "approved", 2: "revoked"}
    assert repository.at("production").target.status().traffic == {1: 100}
    assert "cameras at night" in json.dumps(repository.versions("101")[2].tags)


@thorough
def test_a_drill_changes_nothing(repository: CodeRepository) -> None:
    state_of_two(repository)
    ended = repository.run("rollback", "workflow_dispatch.drill", run="101")
    assert set(ended.results.values()) == {"success"}, ended.said
    assert tags(repository, "101", "production") == {1: "approved", 2: "approved"}
    assert repository.at("production").target.status().traffic == {2: 100}


@thorough
def test_by_one_branch_a_push_to_another_releases_nothing_and_a_tag_does(repository: CodeRepository) -> None:
    repository.variables["VISIONLINE_BRANCHES"] = "single"
    register(repository, right=81)
    keep(repository)
    skipped = {"candidate": "skipped", "release": "skipped", "gate": "skipped"}
    assert repository.run("release", "push.qa", run="101").results == skipped
    ended = repository.run("release", "push.tag", run="102")
    assert ended.results == {"candidate": "failure", "release": "skipped", "gate": "failure"}, ended.said
    assert read_record(repository.kept("102", "runs") / "102", "promote.qa", PromoteRecord).stage == "qa"
