"""What every notifier does at every code host: the verdict arrives once, whatever fails on the way; no token leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from azurefake import quota
from azurefake.stages import write_stages as write_azure_stages
from azurefake.state import Azure
from code_hosts import AzureDevOpsHost, CodeHost, Drop, GitHubHost, Reply
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from evaluations import DATA_VERSION, duel
from frozen_stages import based
from pipelines import make_workshop
from submissions import options as options_of

from mlops import rest
from mlops.adapters.azuredevops.notifier import AzureDevOpsNotifier
from mlops.adapters.github.notifier import GitHubNotifier
from mlops.adapters.local.jobs import LocalJobRunner
from mlops.adapters.local.notifier import SilentNotifier
from mlops.config import REPOSITORY, load_stage
from mlops.context import Context
from mlops.errors import ConfigError, JobError, JobFailed, OutputMissing, StepError
from mlops.loading import read_json, write_json
from mlops.names import EVALUATION_FILE
from mlops.origin import decoded, encoded
from mlops.ports import JobResult, Notice, Notifier
from mlops.records import NotifyRecord, Origin, RegisterRecord, RuleResult, Verdict, SubmittedRecord
from mlops.steps import notify, train

PASSED = Notice("m/dev/34", "m/dev", "promote", "version 3: passed", "| a |", "https://ml.azure.com/runs/j", "m-3")
REJECTED = replace(PASSED, outcome="reject", title="no version: rejected: floor", tag="m-reject")
TOKEN = "ghs_workflow"
APP_KEY = rsa.generate_private_key(65537, 2048)


class Known:
    """Secrets of a test's own."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def read(self, name: str) -> str:
        return self.values[name]

    def token(self, scope: str) -> str:
        assert scope.startswith("499b84ac-")
        return "entra-token"


class Place:
    """A code host, a notifier that reports to it, and the origin of a training that was started there."""

    def __init__(self, host: Any, notifier: Notifier, origin: Origin, secrets: Known) -> None:
        self.host, self.notifier, self.origin, self.secrets = host, notifier, origin, secrets

    def report(self, notice: Notice = PASSED) -> str | None:
        return self.notifier.report(notice, self.origin, self.secrets)


def github_origin(host: CodeHost) -> Origin:
    return Origin("github", host.url, "octo/camera", "", "c0ffee", "5", "34", "https://github.com/octo/camera/actions")


def devops_origin(host: CodeHost) -> Origin:
    return Origin("azure-devops", f"{host.url}/org/", "repo-id", "edge cameras", "c0ffee", "12", "34", "https://build")


def app_secret(key: rsa.RSAPrivateKey = APP_KEY) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps({"app": "Iv1.app", "key": pem.decode()})


def by_workflow() -> Place:
    host = GitHubHost()
    return Place(host, GitHubNotifier(None), github_origin(host), Known())


def by_person() -> Place:
    host = GitHubHost()
    return Place(host, GitHubNotifier("pat"), github_origin(host), Known(pat="github_pat_mine\n"))


def by_app() -> Place:
    host = GitHubHost(APP_KEY.public_key())
    return Place(host, GitHubNotifier("app"), github_origin(host), Known(app=app_secret()))


def by_identity() -> Place:
    host = AzureDevOpsHost()
    return Place(host, AzureDevOpsNotifier(None), devops_origin(host), Known())


def by_personal_token() -> Place:
    host = AzureDevOpsHost()
    return Place(host, AzureDevOpsNotifier("pat"), devops_origin(host), Known(pat="personal"))


def by_commit() -> Place:
    place = by_identity()
    place.origin = replace(place.origin, pull_request=None)
    return place


PLACES = (by_workflow, by_person, by_app, by_identity, by_personal_token, by_commit)


@pytest.fixture(autouse=True)
def workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow's token, no Azure pipeline's, and no long waits."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.delenv("SYSTEM_ACCESSTOKEN", raising=False)
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture(params=PLACES, ids=lambda make: make.__name__)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made = request.param()
    yield made
    made.host.close()


def test_the_verdict_is_shown(place: Place) -> None:
    assert place.report()
    ((state, words),) = place.host.shown
    assert state in ("success", "succeeded") and words == PASSED.title


def test_the_same_again_adds_nothing(place: Place) -> None:
    assert place.report() == place.report()
    assert len(place.host.shown) == 1 and len(place.host.statuses) <= 1


def test_another_verdict_changes_what_is_shown(place: Place) -> None:
    place.report()
    place.report(REJECTED)
    ((state, words),) = place.host.shown
    assert state in ("failure", "failed") and words == REJECTED.title


@pytest.mark.parametrize("outcome, states", [("reject", ("failure", "failed")), ("error", ("failure", "error"))])
def test_what_did_not_pass_is_no_success(place: Place, outcome: str, states: tuple[str, ...]) -> None:
    place.report(replace(PASSED, outcome=outcome))
    assert place.host.shown[0][0] in states


TRANSIENT: dict[str, Reply | Drop] = {
    "throttled": Reply(429, {"message": "slow down"}, {"Retry-After": "0"}),
    "throttled by a date": Reply(429, {"message": "slow down"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "down": Reply(503, "<html>down</html>"),
    "bad gateway": Reply(502, "<html>"),
    "secondary limit": Reply(403, {"message": "secondary rate limit"}, {"Retry-After": "0"}),
    "dropped": Drop(),
    "dropped after it was done": Drop(handled=True),
}


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("at", range(4))
def test_a_passing_fault_at_any_request_ends_with_one_entry(place: Place, fault: str, at: int) -> None:
    place.host.faults.extend([*[None] * at, TRANSIENT[fault]])
    place.report()
    place.report()
    assert [words for _, words in place.host.shown] == [PASSED.title]
    assert len(place.host.statuses) <= 1


def test_a_host_that_stays_down_is_given_up_after_a_few_tries(place: Place) -> None:
    place.host.faults.extend([Reply(503, None)] * 99)
    with pytest.raises(StepError, match=r"503 .*\(tried 5 times\)$"):
        place.report()
    assert len(place.host.calls) == rest.ATTEMPTS


def test_a_wait_of_an_hour_is_not_waited_for(place: Place) -> None:
    place.host.faults.append(Reply(429, {"message": "later"}, {"Retry-After": "3600"}))
    with pytest.raises(StepError, match="asks to wait 3600 s"):
        place.report()
    assert len(place.host.calls) == 1


REFUSED = {401: "renew", 403: "needs", 404: "not there"}


@pytest.mark.parametrize("status", REFUSED)
def test_a_refusal_is_one_line_with_what_to_do_and_without_the_token(place: Place, status: int) -> None:
    said = {"message": "no: ghs_workflow github_pat_mine entra-token personal ghs_installed\nmore"}
    place.host.faults.extend([None] * 2 if place.notifier == GitHubNotifier("app") else [])
    place.host.faults.append(Reply(status, said))
    with pytest.raises(StepError, match=REFUSED[status]) as raised:
        place.report()
    used = place.host.calls[-1].headers["authorization"].split()[-1]
    assert used not in str(raised.value) and "\n" not in str(raised.value)
    assert len(place.host.shown) == 0


@pytest.mark.parametrize("answer", [Reply(200, "<html>"), Reply(200, []), Reply(200, {"value": 3}), Reply(200, None)])
@pytest.mark.parametrize("at", range(4))
def test_an_odd_answer_is_no_defect(place: Place, answer: Reply, at: int) -> None:
    place.host.faults.extend([*[None] * at, answer])
    try:
        place.report()
    except StepError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"external_id": PASSED.key},
        {"context": None, "sourceRefCommit": None},
        {"sourceRefCommit": {"commitId": "c0ffee"}},
        {"id": "x", "context": {"genre": "visionline", "name": PASSED.name}},
    ],
)
@pytest.mark.parametrize("at", range(3))
def test_an_odd_entry_in_an_answer_is_no_defect(place: Place, entry: dict[str, Any], at: int) -> None:
    for body in ({"check_runs": [entry, 3], "value": [entry, 3]}, [entry, 3]):
        place.host.faults.extend([*[None] * at, Reply(200, body)])
        try:
            place.report()
        except StepError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("token", ["t0ken\nwith: more", "t0ken\x01", "t\u00f6ken"])
def test_a_token_that_is_none_is_not_quoted(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = by_identity()
    monkeypatch.setenv("SYSTEM_ACCESSTOKEN", token)
    with pytest.raises(ConfigError, match="line break") as raised:
        place.report()
    assert "ken\n" not in str(raised.value) and place.host.calls == []
    place.host.close()


def test_an_origin_that_is_no_address_is_one_line(place: Place) -> None:
    for repository in ("octo/c\u00e4mera", "octo/a b", "octo/\n"):
        place.origin = replace(place.origin, repository=repository)
        with pytest.raises(StepError) as raised:
            place.report()
        assert "\n" not in str(raised.value)


def test_a_redirect_is_not_followed_with_the_token(place: Place) -> None:
    elsewhere = GitHubHost()
    place.host.faults.append(Reply(302, "", {"Location": f"{elsewhere.url}/repos/octo/camera"}))
    with pytest.raises(StepError, match="302"):
        place.report()
    elsewhere.close()
    assert elsewhere.calls == []


def test_no_token_is_sent_without_tls(place: Place) -> None:
    place.origin = replace(place.origin, api="http://example.com")
    with pytest.raises(ConfigError, match="should begin with https://"):
        place.report()


def test_a_training_from_another_host_is_refused(place: Place) -> None:
    place.origin = replace(place.origin, host="elsewhere")
    with pytest.raises(ConfigError, match="started from elsewhere: change the stage file"):
        place.report()


def test_a_check_run_has_the_figures_and_the_link() -> None:
    place = by_workflow()
    assert place.report() == "https://github.com/octo/camera/runs/1"
    (check,) = place.host.checks
    assert check["output"]["summary"] == PASSED.summary and check["details_url"] == PASSED.link
    assert (check["name"], check["head_sha"], check["external_id"]) == ("visionline/m/dev", "c0ffee", "m/dev/34")
    place.host.close()


def test_another_run_on_the_same_commit_has_a_check_of_its_own() -> None:
    place = by_workflow()
    place.report()
    place.report(replace(PASSED, key="m/dev/35"))
    assert [one["external_id"] for one in place.host.checks] == ["m/dev/34", "m/dev/35"]
    place.host.close()


@pytest.mark.parametrize("secret", ["{", "{}", '{"app": "a", "key": "no key"}', '{"app": "a", "key": 3}'])
def test_a_spoilt_secret_of_an_app_is_said_and_not_shown(secret: str) -> None:
    place = by_app()
    place.secrets = Known(app=secret)
    with pytest.raises(ConfigError, match="should be") as raised:
        place.report()
    assert "no key" not in str(raised.value)
    place.host.close()


def test_an_app_with_another_key_is_refused() -> None:
    place = by_app()
    place.secrets = Known(app=app_secret(rsa.generate_private_key(65537, 2048)))
    with pytest.raises(StepError, match="401 A JSON web token"):
        place.report()
    place.host.close()


def test_without_any_token_github_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    place = by_workflow()
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(ConfigError, match="report_secret"):
        place.report()
    assert place.host.calls == []
    place.host.close()


def test_a_pull_requests_status_is_of_the_iteration_that_was_trained() -> None:
    place = by_identity()
    place.report()
    assert [(one["place"], one["iterationId"]) for one in place.host.statuses] == [("pullRequests/12", 2)]
    assert place.host.tags == ["m-3"]
    place.host.close()


def test_a_commit_that_was_pushed_away_gets_the_status_itself() -> None:
    place = by_identity()
    place.host.iterations.pop()
    place.report()
    assert [one["place"] for one in place.host.statuses] == ["commits/c0ffee"]
    place.host.close()


def test_a_token_that_azure_devops_does_not_know_is_named_as_that() -> None:
    place = by_identity()
    place.host.logins.clear()
    with pytest.raises(StepError, match="the token is not taken: renew it, or add the job's identity"):
        place.report()
    place.host.close()


def test_reporting_nowhere_asks_nobody() -> None:
    host = GitHubHost()
    assert SilentNotifier().report(PASSED, github_origin(host), Known()) is None
    host.close()
    assert host.calls == []


# The step.


def write_training(folder: Path, outcome: str = "promote") -> Path:
    """Write what register and evaluate leave behind."""
    verdict = Verdict(outcome, "all rules pass", (RuleResult("floor", outcome, "0.9 | 0.8"),))
    version = 3 if outcome == "promote" else None
    record = RegisterRecord("camera", version, "sha256:1" if version else None, DATA_VERSION, "c0ffee", verdict)
    write_json(folder / "registration" / "register.json", record)
    write_json(folder / "evaluation" / EVALUATION_FILE, duel())
    return folder


def write_stages(folder: Path, report: str) -> Path:
    """Write stage files that differ from the repository's in where they report."""
    based(folder)
    for name in ("dev", "qa", "production"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"report": report}))
    return folder


def notified(tmp_path: Path, *flags: str, report: str = "github") -> subprocess.CompletedProcess[str]:
    """Run the step as a process of its own, in run 34."""
    stages = tmp_path / report
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "SYSTEM_", "BUILD_"))},
        "GITHUB_TOKEN": TOKEN,
        "VISIONLINE_STAGES": str(stages if stages.exists() else write_stages(stages, report)),
    }
    command = [sys.executable, "-m", "mlops", "notify", "--stage", "dev", "--run", "34", *flags]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def in_job(folder: Path, origin: Origin) -> list[str]:
    """Return the flags that the training job gives."""
    places = ["--registration", f"{folder}/registration", "--evaluation", f"{folder}/evaluation"]
    return [*places, "--origin", encoded(origin), "--out", f"{folder}/out"]


def test_the_job_tells_its_verdict_with_the_figures(tmp_path: Path) -> None:
    host, folder = GitHubHost(), write_training(tmp_path / "training")
    ended = notified(tmp_path, *in_job(folder, github_origin(host)))
    host.close()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "github: version 3: passed: all rules pass: https://github.com/octo/camera/runs/1\n"
    summary = host.checks[0]["output"]["summary"]
    assert "| challenger | int8 | 0.9000 |" in summary and "| champion, version 3 | int8 |" in summary
    assert "| floor | pass | 0.9 \\| 0.8 |" in summary
    assert read_json(NotifyRecord, folder / "out" / "notify.json").delivered


def test_a_report_that_fails_does_not_fail_the_training_and_is_sent_again_by_hand(tmp_path: Path) -> None:
    host, folder = GitHubHost(), write_training(tmp_path / "training")
    host.faults.append(Reply(403, {"message": "no"}))
    ended = notified(tmp_path, *in_job(folder, github_origin(host)))
    assert (ended.returncode, ended.stderr, len(ended.stdout.splitlines())) == (0, "", 1)
    assert "not delivered to github: " in ended.stdout
    assert "python -m mlops notify --stage dev --run 34" in ended.stdout
    record = read_json(NotifyRecord, folder / "out" / "notify.json")
    assert not record.delivered and "403 no" in record.reason
    run = tmp_path / "runs" / "34"
    write_json(run / "register.json", read_json(RegisterRecord, folder / "registration" / "register.json"))
    write_json(run / "origin.json", github_origin(host))
    assert notified(tmp_path).returncode == 0 and len(host.checks) == 1
    assert read_json(NotifyRecord, run / "notify.json").delivered
    host.faults.append(Reply(403, {"message": "no"}))
    assert notified(tmp_path).returncode == 1 and len(host.checks) == 1
    host.close()


@pytest.mark.parametrize("origin", ["nonsense", "e30", "bnVsbA", "..."])
def test_a_spoilt_origin_fails_no_training(tmp_path: Path, origin: str) -> None:
    folder = write_training(tmp_path / "training")
    ended = notified(tmp_path, *in_job(folder, github_origin(GitHubHost()))[:4], "--origin", origin)
    assert (ended.returncode, ended.stderr) == (0, "") and "not delivered to github: --origin" in ended.stdout


def test_a_stage_that_reports_nowhere_says_so(tmp_path: Path) -> None:
    host, folder = GitHubHost(), write_training(tmp_path / "training")
    ended = notified(tmp_path, *in_job(folder, github_origin(host)), report="none")
    host.close()
    assert (ended.returncode, ended.stdout, host.calls) == (0, "none: the stage file reports nowhere\n", [])


def test_in_an_azure_ml_job_the_token_is_the_vaults_and_the_link_the_studios(
    azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, folder = GitHubHost(APP_KEY.public_key()), write_training(tmp_path / "training")
    quota.of(azure).secrets["app"] = app_secret()
    write_azure_stages(tmp_path / "github", dev={"report": "github", "report_secret": "app"})
    monkeypatch.setenv("AZUREML_ROOT_RUN_ID", "lucky_rice_1")
    ended = notified(tmp_path, *in_job(folder, github_origin(host)))
    host.close()
    assert (ended.returncode, ended.stderr) == (0, "") and ended.stdout.startswith("github: version 3: passed")
    assert host.checks[0]["details_url"].startswith("https://ml.azure.com/runs/lucky_rice_1?wsid=/subscriptions/1111")
    written = (folder / "out" / "notify.json").read_text()
    assert azure.SECRET not in ended.stdout + written and "PRIVATE KEY" not in ended.stdout + written


def test_a_vault_that_refuses_fails_no_training(azure: Azure, tmp_path: Path) -> None:
    folder = write_training(tmp_path / "training")
    write_azure_stages(tmp_path / "github", dev={"report": "github", "report_secret": "absent"})
    ended = notified(tmp_path, *in_job(folder, github_origin(GitHubHost())))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "put the secret 'absent' into key vault kv-ws" in ended.stdout


def test_train_hands_on_where_it_was_started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo/camera")
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    context = Context(load_stage("dev"), tmp_path)
    word = train._origin_input(context)["origin"]
    assert decoded(word) == read_json(Origin, tmp_path / "origin.json") and decoded(word).repository == "octo/camera"


class EndedJob:
    """A job runner whose job ended: with these outputs, or in this error."""

    def __init__(self, end: dict[str, str] | JobError) -> None:
        self.end = end

    def result(self, job: str, report: Callable[[str], None]) -> JobResult:
        if isinstance(self.end, JobError):
            raise self.end
        return JobResult(job, {}, self.end)

    def output(self, job: str, name: str) -> Path:
        raise OutputMissing(f"job {job}: output {name}: is not there")


def told(host: CodeHost, tmp_path: Path, end: dict[str, str] | JobError, *flags: str) -> int:
    """Tell how a job ended, in the run that started it; job j, unless the run says which."""
    submitted = (tmp_path / "run" / "submitted.json").exists()
    stage = replace(load_stage("dev"), report="github")
    lines = list[str]()
    context = Context(stage, tmp_path / "run", lines.append)
    context.__dict__["jobs"] = EndedJob(end)
    return notify.run(context, options_of(notify, *(() if submitted else ("--job", "j")), *flags))


def test_the_end_of_a_submitted_job_is_told_by_hand(tmp_path: Path) -> None:
    host, folder = GitHubHost(), write_training(tmp_path / "training")
    outputs = {name: f"{folder}/{name}" for name in ("registration", "evaluation")}
    assert told(host, tmp_path, outputs, "--origin", encoded(github_origin(host))) == 0
    host.close()
    assert host.shown == [("success", "version 3: passed: all rules pass")]
    assert "| challenger | int8 | 0.9000 |" in host.checks[0]["output"]["summary"]


def test_a_job_that_failed_and_so_could_not_tell_is_told_by_hand(tmp_path: Path) -> None:
    host = GitHubHost()
    write_json(tmp_path / "run" / "origin.json", github_origin(host))
    assert told(host, tmp_path, JobFailed("job j: step train failed: out of memory")) == 0
    host.close()
    ((state, words),) = host.shown
    assert state == "failure" and "step train failed: out of memory" in words


def test_a_job_whose_end_cannot_be_had_is_told_as_nothing(tmp_path: Path) -> None:
    host = GitHubHost()
    write_json(tmp_path / "run" / "origin.json", github_origin(host))
    assert told(host, tmp_path, JobError("job j: 503 The service is unavailable")) == 1
    host.close()
    assert host.shown == []
    assert "503" in read_json(NotifyRecord, tmp_path / "run" / "notify.json").reason


def test_a_run_knows_the_job_that_it_submitted(tmp_path: Path) -> None:
    host = GitHubHost()
    write_json(tmp_path / "run" / "origin.json", github_origin(host))
    write_json(tmp_path / "run" / "submitted.json", SubmittedRecord("k", "https://ml.azure.com/runs/k", "d1"))
    assert told(host, tmp_path, JobFailed("job k: step export failed")) == 0
    host.close()
    ((state, words),) = host.shown
    assert state == "failure" and "step export failed" in words


def test_a_job_of_an_unknown_origin_is_not_told(tmp_path: Path) -> None:
    assert told(GitHubHost(), tmp_path, {}) == 1
    record = read_json(NotifyRecord, tmp_path / "run" / "notify.json")
    assert "name the training's --run, or its --origin" in record.reason


def test_by_hand_without_a_run_it_says_what_is_missing(tmp_path: Path) -> None:
    write_json(tmp_path / "runs" / "34" / "origin.json", github_origin(GitHubHost()))
    ended = notified(tmp_path)
    assert ended.returncode == 1 and "holds no verdict: name --job" in ended.stdout


def test_the_local_platform_runs_the_jobs_own_report_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLINE_STAGES", str(write_stages(tmp_path / "stages", "github")))
    host, shop = GitHubHost(), make_workshop(tmp_path / "shop")
    folder = write_training(tmp_path / "training")
    node = yaml.safe_load((REPOSITORY / "mlops" / "jobs" / "training.yml").read_text())["jobs"]["report"]
    node["component"] = str(REPOSITORY / "mlops" / "jobs" / "components" / "notify.yml")
    inputs = {name: f"${{{{parent.inputs.{name}}}}}" for name in node["inputs"]}
    kinds = {"stage": "dev", "origin": "", **{name: {"type": "uri_folder"} for name in ("registration", "evaluation")}}
    shop.job({"report": {**node, "inputs": inputs}}, inputs=kinds, outputs={"notification": {"type": "uri_folder"}})
    given = {name: f"{folder}/{name}" for name in ("registration", "evaluation")}
    runner, lines = LocalJobRunner(tmp_path / "home", REPOSITORY / "environments", 1), list[str]()
    result = runner.run(shop.job_file, {**given, "origin": encoded(github_origin(host))}, lines.append)
    assert read_json(NotifyRecord, Path(result.outputs["notification"]) / "notify.json").delivered and host.checks
    runner.run(shop.job_file, given, lines.append)
    host.close()
    assert any("started outside CI: nobody to tell" in line for line in lines) and len(host.checks) == 1
