"""`mlops bootstrap` prints what it would do and does what it prints, by stand-ins for gh and az that write it down."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from infra_stages import deployed

from mlops.bootstrap.azuredevops import APPROVAL, TASK
from mlops.cli import main
from mlops.names import STAGES

GOLDEN = Path(__file__).resolve().parents[1] / "bootstrap"
GITHUB: tuple[str, ...] = ("--ci", "github", "--repository", "octo/camera", "--name", "camera")
GITHUB += ("--reviewer", "User:583231", "--reviewer", "Team:12")
DEVOPS = ("--ci", "azure-devops", "--repository", "org/edge cameras/camera", "--name", "camera", "--reviewer", "abc-1")
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
INFRA = tuple(f"infra-{stage}" for stage in STAGES)
ALL = (*STAGES, "operations", "plan", *INFRA)
BOTH = pytest.mark.parametrize("flags", [GITHUB, DEVOPS], ids=["github", "azure-devops"])
STAND_IN = """#!/bin/sh
{ printf '%s\\037' "${0##*/}" "$@"; printf '\\n'; } >> "$CALLS"
case "$*" in *"${FAILS:-nothing fails}"*) echo "ERROR: $COMPLAINT" >&2; exit 1 ;; esac
case "$*" in *length\\(*) echo "${THERE:-0}" ;; *--query*|*--jq*) echo "an-id" ;; esac
"""


@dataclass(frozen=True)
class Tools:
    """Where the stand-ins write down how they were called."""

    record: Path

    def calls(self) -> list[list[str]]:
        """Return the calls since the last look, each as its words."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return [line.split("\x1f")[:-1] for line in lines]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gh", "az"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    for name in ("FAILS", "THERE", "VISIONLINE_BRANCHES"):
        monkeypatch.delenv(name, raising=False)
    return Tools(tmp_path / "calls")


def bootstrapped(*flags: str) -> tuple[int, list[str]]:
    said: list[str] = []
    return main(["bootstrap", *flags], said.append), said


@BOTH
def test_it_prints_the_commands_and_runs_none(flags: tuple[str, ...], tools: Tools) -> None:
    code, said = bootstrapped(*flags)
    assert code == 0 and tools.calls() == []
    assert said == (GOLDEN / f"{flags[1]}.sh").read_text(encoding="utf-8").splitlines()


@BOTH
@pytest.mark.parametrize("there", ["0", "1"])
def test_what_it_runs_is_what_the_printed_script_runs(
    flags: tuple[str, ...], there: str, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THERE", there)
    script = "\n".join(bootstrapped(*flags)[1])
    subprocess.run(["bash", "-c", script], check=True, env=dict(os.environ))
    printed = tools.calls()
    assert bootstrapped(*flags, "--apply")[0] == 0
    assert tools.calls() == printed != []


def test_what_is_there_is_not_made_again(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrapped(*DEVOPS, "--apply")
    first = made(tools.calls())
    assert {"az pipelines create", "az repos policy", "az repos ref", "az rest --method"} <= first
    monkeypatch.setenv("THERE", "1")
    bootstrapped(*DEVOPS, "--apply")
    # What is left are calls that Azure takes again as they are.
    assert made(tools.calls()) == {"az identity federated-credential"}


def made(calls: list[list[str]]) -> set[str]:
    return {" ".join(call[:3]) for call in calls if "create" in call or "post" in call}


@BOTH
def test_identities_and_roles_are_infrastructures_alone(flags: tuple[str, ...], tools: Tools) -> None:
    bootstrapped(*flags, "--apply")
    calls = [" ".join(call) for call in tools.calls()]
    assert not any(words in call for call in calls for words in ("identity create", "az role ", "group create"))
    # What is asked for here is what infra/ makes, each in its group.
    asked = {(call[call.index("--name") + 1], call[call.index("--resource-group") + 1]) for call in shown(calls)}
    made = [one.id for stage in STAGES for one in deployed("terraform", stage).resources if one.kind == IDENTITIES]
    known = {one.rpartition("/")[2].replace("visionline", "camera") for one in made}
    assert {name for name, _ in asked} == {one for one in known if not one.endswith(("-jobs", "-serving"))}
    assert {group for name, group in asked if name in ("id-camera-operations", "id-camera-plan")} == {"rg-camera-dev"}


def shown(calls: list[str]) -> list[list[str]]:
    return [call.split() for call in calls if call.startswith("az identity show")]


def test_whom_each_identity_trusts_is_told_alike_by_infrastructure(tools: Tools) -> None:
    bootstrapped(*GITHUB, "--apply")
    trusts = [call for call in tools.calls() if "federated-credential" in call]
    told = {
        (options["--identity-name"], options["--name"]): (options["--issuer"], options["--subject"])
        for call in trusts
        for options in [dict(zip(call, call[1:], strict=False))]
    }
    # Not by infra/: an environment that nobody has set up would let anybody's pull request in.
    assert told.pop(("id-camera-dev-ci", "pull-requests"))[1] == "repo:octo/camera:environment:pull-requests"
    assert told == {pair: trust for stage in STAGES for pair, trust in trusted(stage).items()}


def trusted(stage: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return issuer and subject by identity and credential, as Bicep would make them for the repository."""
    found = deployed("bicep", stage).of(f"{IDENTITIES}/federatedIdentityCredentials")
    return {
        (one.id.split("/")[-3].replace("visionline", "camera"), one.name): (
            one.attributes["properties"]["issuer"],
            one.attributes["properties"]["subject"].replace("owner/repository", "octo/camera"),
        )
        for one in found
    }


def test_each_body_is_json_with_the_answers_in_it(tools: Tools) -> None:
    bootstrapped(*DEVOPS, "--apply")
    bodies = [json.loads(call[call.index("--body") + 1]) for call in tools.calls() if "--body" in call]
    approvals = [one for one in bodies if one.get("type") == APPROVAL]
    assert [one["resource"]["name"] for one in approvals] == ["qa", "production", *INFRA]
    assert approvals[0]["resource"]["id"] == "an-id" and approvals[0]["settings"]["approvers"] == [{"id": "abc-1"}]
    connections = [one for one in bodies if one.get("type") == "azurerm"]
    assert [one["name"] for one in connections] == [f"visionline-{name}" for name in ALL]
    assert all(one["authorization"]["scheme"] == "WorkloadIdentityFederation" for one in connections)
    assert "$" not in json.dumps(bodies)


MAIN, PULLS = "refs/heads/main", "refs/pull/*/merge"
# Nobody has read a pull request's code yet: it is who plans, and nobody else. What applies infra/ stands on main.
PLANNED = {"plan": [MAIN, PULLS], **{name: [MAIN] for name in INFRA}}
BY_BRANCHES = {
    "dev": [MAIN, "refs/heads/dev"],
    "qa": [MAIN, "refs/heads/qa"],
    "production": [MAIN],
    "operations": [MAIN, "refs/heads/dev", "refs/heads/qa"],
    **PLANNED,
}
BY_TAGS = {
    "dev": [MAIN],
    "qa": [MAIN, "refs/tags/qa/*"],
    "production": [MAIN, "refs/tags/production/*"],
    "operations": [MAIN, "refs/tags/qa/*", "refs/tags/production/*"],
    **PLANNED,
}
WAYS = pytest.mark.parametrize("way, refs", [("branches", BY_BRANCHES), ("single", BY_TAGS)])


@WAYS
def test_azure_devops_lets_only_a_stages_branches_use_its_environment_and_connection(
    way: str, refs: dict[str, list[str]], tools: Tools
) -> None:
    bootstrapped(*DEVOPS, "--branches", way, "--apply")
    bodies = [json.loads(call[call.index("--body") + 1]) for call in tools.calls() if "--body" in call]
    found = {one["resource"]["name"]: one for one in bodies if one.get("type") == TASK}
    allowed = {name: one["settings"]["inputs"]["allowedBranches"].split(", ") for name, one in found.items()}
    connections = {f"visionline-{name}": refs[name] for name in ALL}
    assert allowed == {**{name: refs[name] for name in (*STAGES, *INFRA)}, **connections}
    assert {name: one["resource"]["type"] for name, one in found.items()} == {
        name: "endpoint" if name.startswith("visionline-") else "environment" for name in allowed
    }
    must = {name: one["settings"]["inputs"]["ensureProtectionOfBranch"] == "true" for name, one in found.items()}
    assert must == {name: all(one.startswith("refs/heads/") for one in allowed[name]) for name in allowed}


@WAYS
def test_github_lets_only_a_stages_branches_use_its_environment(
    way: str, refs: dict[str, list[str]], tools: Tools
) -> None:
    bootstrapped(*GITHUB, "--branches", way, "--apply")
    calls = [call for call in tools.calls() if call[:2] == ["gh", "api"] and "--method" in call]
    allowed: dict[str, list[str]] = {}
    for call in calls:
        if call[5].endswith("/deployment-branch-policies"):
            kind = {"type=branch": "refs/heads/", "type=tag": "refs/tags/"}[call[9]]
            name = call[7].removeprefix("name=")
            allowed.setdefault(call[5].split("/")[4], []).append(name if name == PULLS else kind + name)
    assert allowed == {**refs, "pull-requests": [PULLS]}
    made = [call for call in calls if "PUT" in call and "/environments/" in call[5]]
    assert len(made) == len(ALL) + 1
    assert all("deployment_branch_policy[custom_branch_policies]=true" in call for call in made)


@BOTH
def test_no_command_holds_or_asks_for_a_secret(flags: tuple[str, ...], tools: Tools) -> None:
    script = "\n".join(bootstrapped(*flags)[1]).lower()
    assert not any(word in script for word in ("password", "secret", "create-for-rbac", "credential reset", "pat "))


@BOTH
def test_it_stops_at_the_first_that_fails_with_one_line(
    flags: tuple[str, ...], tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILS", "federated-credential create")
    monkeypatch.setenv("COMPLAINT", "(AuthorizationFailed) no right\nsecond line")
    assert bootstrapped(*flags, "--apply")[0] == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "(AuthorizationFailed) no right second line: mend it and run this again" in line
    assert line.startswith("error: command ") and "federated-credential create" in line
    assert "federated-credential" in tools.calls()[-1]


def test_a_branch_that_is_there_already_is_no_failure(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "git/refs -f")
    monkeypatch.setenv("COMPLAINT", "gh: Reference already exists (HTTP 422)")
    assert bootstrapped(*GITHUB, "--apply")[0] == 0
    monkeypatch.setenv("COMPLAINT", "gh: Object does not exist (HTTP 422)")
    assert bootstrapped(*GITHUB, "--apply")[0] == 1


def test_an_answer_that_is_empty_stops_it(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THERE", " ")
    assert bootstrapped(*DEVOPS, "--apply")[0] == 1
    assert "answers nothing" in capsys.readouterr().err


def test_without_the_tool_it_says_which_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrapped(*GITHUB, "--apply")[0] == 1
    assert "gh: can't be run" in capsys.readouterr().err


def test_people_agree_where_something_is_released_or_applied_and_to_a_pull_requests_training(tools: Tools) -> None:
    bootstrapped(*GITHUB, "--apply")
    calls = [call for call in tools.calls() if call[0] == "gh" and "PUT" in call]
    asked = [call[5].rpartition("/")[2] for call in calls if "reviewers[][id]=583231" in call]
    assert asked == ["qa", "production", *INFRA, "pull-requests"]


def test_the_single_branch_way_protects_main_and_releases_by_tags(tools: Tools) -> None:
    script = "\n".join(bootstrapped(*GITHUB, "--branches", "single")[1])
    assert "branches/main/protection" in script and "branches/dev/" not in script and "git/refs" not in script
    assert "'name=qa/*'" in script and "'name=production/*'" in script and "--body single" in script


@pytest.mark.parametrize("way, first, others", [("branches", "dev", ("qa", "main")), ("single", "main", ())])
def test_only_where_work_begins_must_a_pull_request_be_up_to_date(
    way: str, first: str, others: tuple[str, ...], tools: Tools
) -> None:
    bootstrapped(*GITHUB, "--branches", way, "--apply")
    bootstrapped(*DEVOPS, "--branches", way, "--apply")
    calls = [" ".join(call) for call in tools.calls()]
    for branch in (first, *others):
        # What promotes dev lacks the merges on qa, and can't be brought up to date: nobody pushes to dev.
        (rule,) = [call for call in calls if f"branches/{branch}/protection" in call]
        (policy,) = [call for call in calls if f"policy build create --branch {branch} " in call]
        assert f"[strict]={str(branch == first).lower()}" in rule
        assert f"--queue-on-source-update-only {str(branch != first).lower()}" in policy


def test_release_tags_are_made_by_maintainers_alone_where_tags_are_releases(tools: Tools) -> None:
    for flags in (GITHUB, DEVOPS):
        bootstrapped(*flags, "--branches", "branches", "--apply")
        assert not any("release tags" in call or "security permission" in call for call in map(" ".join, tools.calls()))
    bootstrapped(*GITHUB, "--branches", "single", "--apply")
    (rules,) = [" ".join(call) for call in tools.calls() if "repos/octo/camera/rulesets" in call]
    assert "target=tag -f enforcement=active" in rules
    assert "[include][]=refs/tags/qa/* -f conditions[ref_name][include][]=refs/tags/production/*" in rules
    assert [
        kind for kind in ("creation", "update", "deletion") if f"rules[][type]={kind}" in rules
    ] and "actor_id]=5" in rules
    bootstrapped(*DEVOPS, "--branches", "single", "--apply")
    denied = [call for call in tools.calls() if call[1:5] == ["devops", "security", "permission", "update"]]
    tokens = [call[call.index("--token") + 1] for call in denied]
    # "qa" and "production" in UTF-16, as Azure DevOps writes a ref's folders.
    assert [bytes.fromhex(one.split("/")[-1]).decode("utf-16-le") for one in tokens] == ["qa", "production"]
    assert all(call[call.index("--deny-bit") + 1] == "40" for call in denied)


def test_a_ruleset_that_is_there_already_is_no_failure(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "repos/octo/camera/rulesets")
    monkeypatch.setenv("COMPLAINT", "gh: Validation Failed: Name must be unique (HTTP 422)")
    assert bootstrapped(*GITHUB, "--branches", "single", "--apply")[0] == 0


@pytest.mark.parametrize("ci, repository", [("github", "octo/camera"), ("azure-devops", "org/project/camera")])
def test_nobody_who_agrees_is_refused_unless_it_is_said(
    ci: str, repository: str, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--ci", ci, "--repository", repository)
    assert bootstrapped(*flags, "--apply")[0] == 1 and tools.calls() == []
    assert capsys.readouterr().err.strip().endswith("or say `--reviewer none`")
    code, said = bootstrapped(*flags, "--reviewer", "none")
    assert code == 0 and said[0].startswith("# --reviewer none: nobody is asked before qa and production change")
    # No environment lets a pull request train where nobody agrees to it.
    assert not any("reviewers[]" in line or "pull-requests" in line or "approvers" in line for line in said[1:])


def test_the_setting_decides_the_way_and_a_mistyped_one_is_an_error(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISIONLINE_BRANCHES", "single")
    assert "--body single" in "\n".join(bootstrapped(*GITHUB)[1])
    monkeypatch.setenv("VISIONLINE_BRANCHES", "sigle")
    assert bootstrapped(*GITHUB)[0] == 1
    assert "VISIONLINE_BRANCHES: 'sigle' is unknown: use one of branches, single" in capsys.readouterr().err


def test_without_a_name_nothing_is_asked_of_azure(tools: Tools) -> None:
    script = "\n".join(bootstrapped("--ci", "github", "--repository", "octo/camera", "--reviewer", "none")[1])
    assert "az " not in script and "--body local" in script


@pytest.mark.parametrize(
    "flags, words",
    [
        (("--ci", "github", "--repository", "camera", "--reviewer", "none"), "should be OWNER/NAME"),
        (
            ("--ci", "azure-devops", "--repository", "org/camera", "--reviewer", "none"),
            "should be ORGANIZATION/PROJECT/NAME",
        ),
        (("--ci", "github", "--repository", "o/c", "--reviewer", "me"), "should be User:NUMBER or Team:NUMBER"),
        (
            ("--ci", "github", "--repository", "o/c", "--reviewer", "none", "--name", "My Project"),
            "use 3 to 12 small letters",
        ),
    ],
)
def test_a_name_that_can_be_none_is_one_line(
    flags: tuple[str, ...], words: str, tools: Tools, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bootstrapped(*flags)[0] == 1
    assert words in capsys.readouterr().err
