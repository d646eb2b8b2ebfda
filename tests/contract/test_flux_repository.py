"""A GitOps repository on a real git git_server: what is committed, beside whom, whatever happens to the push."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flux_stages import flux_stage
from gitserver import README, TOKEN, GitServer, running_git_server

from mlops.adapters.flux import git as git_module
from mlops.adapters.flux.access import checked_address, environment
from mlops.adapters.flux.clone import LIST, PUSHES, Clone, Files
from mlops.errors import ConfigError, TargetError

FOLDER = "clusters/production"
ONE = {"kustomization.yaml": "resources: [a]\n", "versions/v1/a.yaml": "a: 1\n"}


@pytest.fixture
def clone(git_server: GitServer) -> Clone:
    return Clone(flux_stage(git_server.url))


def commit(clone: Clone, files: Files, message: str = "production: a test") -> str:
    return str(clone.change(lambda now: files, message, lambda: None).commit)


def test_our_files_are_committed_beside_those_of_others_in_words_and_by_a_name_that_are_fixed(
    git_server: GitServer, clone: Clone
) -> None:
    head = commit(clone, ONE, "production: version 1\n\nStage: production\n")
    assert git_server.head() == head
    listed = {f"{FOLDER}/{LIST}": "kustomization.yaml\nversions/v1/a.yaml\n"}
    assert git_server.files() == {**README, **{f"{FOLDER}/{path}": text for path, text in ONE.items()}, **listed}
    assert git_server.messages()[0] == "production: version 1\n\nStage: production"
    assert git_server.git("log", "-1", "--format=%an %ae %cn") == "visionline visionline@localhost visionline"


def test_what_is_so_already_is_not_committed_again(git_server: GitServer, clone: Clone) -> None:
    head = commit(clone, ONE)
    assert commit(clone, ONE) == commit(Clone(flux_stage(git_server.url)), ONE) == head
    assert len(git_server.messages()) == 2


def test_a_file_that_is_ours_no_more_goes_and_no_other(git_server: GitServer, clone: Clone) -> None:
    commit(clone, ONE)
    git_server.write({f"{FOLDER}/notes.md": "kept by hand\n"}, "Take notes")
    commit(clone, {"kustomization.yaml": "resources: []\n"})
    files = git_server.files()
    assert f"{FOLDER}/versions/v1/a.yaml" not in files
    assert files[f"{FOLDER}/notes.md"] == "kept by hand\n" and README.items() <= files.items()
    assert Clone(flux_stage(git_server.url)).head().files == {"kustomization.yaml": "resources: []\n"}


def test_a_commit_that_comes_second_is_made_again_on_top_of_the_first(git_server: GitServer, clone: Clone) -> None:
    git_server.compete({"other.txt": "1"}, {"other.txt": "2", f"{FOLDER}/notes.md": "mine\n"})
    commit(clone, ONE)
    assert git_server.messages() == ["production: a test", "Somebody was faster", "Somebody was faster", "Begin"]
    files = git_server.files()
    assert (files["other.txt"], files[f"{FOLDER}/notes.md"]) == ("2", "mine\n")
    assert files[f"{FOLDER}/kustomization.yaml"] == ONE["kustomization.yaml"]


def test_whoever_always_comes_second_stops_after_some_tries(git_server: GitServer, clone: Clone) -> None:
    git_server.compete(*({"other.txt": str(number)} for number in range(PUSHES)))
    with pytest.raises(TargetError, match=f"others pushed first, {PUSHES} times: run the step again"):
        commit(clone, ONE)
    assert not any(path.startswith(FOLDER) for path in git_server.files())


def test_a_competing_change_of_our_own_files_is_what_the_next_try_starts_from(
    git_server: GitServer, clone: Clone
) -> None:
    commit(clone, ONE)
    seen: list[Files] = []

    def change(now: Files) -> Files:
        seen.append(dict(now))
        return {**now, "kustomization.yaml": "resources: [b]\n"}

    git_server.compete({f"{FOLDER}/versions/v1/a.yaml": "a: 2\n"})
    clone.change(change, "production: again", lambda: None)
    assert [one["versions/v1/a.yaml"] for one in seen] == ["a: 1\n", "a: 2\n"]
    assert git_server.files()[f"{FOLDER}/versions/v1/a.yaml"] == "a: 2\n"


@pytest.mark.parametrize("handled", [False, True], ids=["before", "after"])
def test_a_connection_that_breaks_in_a_push_costs_nothing_and_commits_once(
    handled: bool, git_server: GitServer, clone: Clone
) -> None:
    git_server.drop(handled)
    commit(clone, ONE)
    assert git_server.messages() == ["production: a test", "Begin"]


def test_a_protected_branch_is_told_in_the_servers_words_and_tried_once(git_server: GitServer, clone: Clone) -> None:
    git_server.protect()
    with pytest.raises(TargetError, match="refused: .*GH006: Protected branch update failed") as caught:
        commit(clone, ONE)
    assert "\n" not in str(caught.value) and git_server.arrived == 1 and len(git_server.messages()) == 1


def test_a_lock_that_was_lost_is_noticed_before_the_push(git_server: GitServer, clone: Clone) -> None:
    def check() -> None:
        raise TargetError("the lock was lost")

    with pytest.raises(TargetError, match="the lock was lost"):
        clone.change(lambda now: ONE, "production: a test", check)
    assert len(git_server.messages()) == 1


def test_the_first_commit_of_an_empty_repository_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITOPS_TOKEN", TOKEN)
    with running_git_server(tmp_path / "git", {}) as git_server:
        commit(Clone(flux_stage(git_server.url)), ONE)
        assert len(git_server.files()) == 3 and len(git_server.messages()) == 1


def test_a_branch_that_is_not_there_is_named(git_server: GitServer) -> None:
    clone = Clone(flux_stage(git_server.url, branch="mian"))
    with pytest.raises(ConfigError, match="flux.branch: the repository has no branch 'mian'"):
        clone.head()


@pytest.mark.parametrize("path", ["kustomization.yaml", "versions/v1/a.yaml"])
def test_a_file_of_somebody_else_is_not_written_over(path: str, git_server: GitServer, clone: Clone) -> None:
    git_server.write({f"{FOLDER}/{path}": "theirs: 1\n"}, "Theirs")
    with pytest.raises(ConfigError, match=f"{FOLDER}/{path} is there already, and not ours"):
        commit(clone, ONE)
    assert git_server.messages()[0] == "Theirs"


def test_a_folder_that_is_a_file_is_not_written_over(git_server: GitServer, clone: Clone) -> None:
    git_server.write({FOLDER: "a file\n"}, "Theirs")
    with pytest.raises(ConfigError, match="is there already, and not ours"):
        commit(clone, ONE)


@pytest.mark.parametrize("token", ["", "another-token"])
def test_a_token_that_is_absent_or_not_taken_is_told_without_a_prompt(
    token: str, git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITOPS_TOKEN", token)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    with pytest.raises(TargetError, match="there is no token, or it is not taken: set GITOPS_TOKEN") as caught:
        Clone(flux_stage(git_server.url)).head()
    assert "\n" not in str(caught.value) and "another-token" not in str(caught.value)


def test_the_token_is_in_no_argument_no_file_and_no_message(
    git_server: GitServer, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    original = subprocess.run

    def run(words: list[str], **options: Any) -> Any:
        lines.append(" ".join(map(str, words)))
        return original(words, **options)

    monkeypatch.setattr(git_module.subprocess, "run", run)
    commit(clone, ONE)
    clone.git.push(clone.git.commit(None, "aside", {}), "refs/heads/aside")
    assert any(line.startswith("git push") for line in lines) and not any(TOKEN in line for line in lines)
    files = [path for path in clone.git.folder.rglob("*") if path.is_file()]
    assert files and not any(TOKEN.encode() in path.read_bytes() for path in files)
    assert TOKEN not in repr(clone.git) and TOKEN not in str(vars(clone))


def test_a_token_that_a_server_repeats_is_hidden(git_server: GitServer, clone: Clone) -> None:
    hook = git_server.folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho 'your token {TOKEN} may not'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(TargetError, match=r"your token \[hidden\] may not"):
        commit(clone, ONE)


def test_git_follows_no_configuration_but_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_TRACE_CURL", "1")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/ask")
    monkeypatch.delenv("GIT_SSL_CAINFO", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates.pem")
    variables = environment("https://git.example.com/a/b.git", "secret")
    assert not {"GIT_DIR", "GIT_TRACE_CURL", "SSH_ASKPASS"} & set(variables)
    assert (variables["GIT_TERMINAL_PROMPT"], variables["GIT_CONFIG_NOSYSTEM"]) == ("0", "1")
    assert variables["GIT_SSL_CAINFO"] == "/certificates.pem"
    keys = {value for name, value in variables.items() if name.startswith("GIT_CONFIG_KEY_")}
    assert "http.https://git.example.com/.extraHeader" in keys


def test_a_token_goes_to_no_other_host_by_a_redirect(git_server: GitServer, clone: Clone) -> None:
    settings = {value for name, value in clone.git.variables.items() if name.startswith("GIT_CONFIG_")}
    assert "http.followRedirects" in settings


@pytest.mark.parametrize(
    "url",
    [
        "https://ci:password@git.example.com/a/b.git",
        "https://token@git.example.com/a/b.git",
        "http://git.example.com/a/b.git",
        "ext::sh -c id",
        "--upload-pack=id",
        "git://git.example.com/a/b.git",
        "https://[bad",
        "https://ci:password@[bad/a/b.git",
        "git@[bad:a/b.git",
        "",
    ],
)
def test_an_address_that_shows_a_secret_or_is_not_safe_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="flux.repository") as caught:
        checked_address(url, "mlops/stages/production.yaml")
    assert "password" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://github.com/t/c.git", "ssh://git@github.com/t/c", "git@github.com:t/c.git", "/srv/c.git"]
)
def test_the_addresses_that_git_hosts_give_are_taken(url: str) -> None:
    assert checked_address(url, "x") == url


@pytest.mark.parametrize("path", ["", "/", "../x", "clusters/../x", ".git/hooks", "a//b", 'a"b', "a\nb"])
def test_a_path_that_is_no_folder_of_its_own_is_refused(path: str, git_server: GitServer) -> None:
    with pytest.raises(ConfigError, match="flux.path"):
        Clone(flux_stage(git_server.url, path=path))


def test_a_commit_of_ours_is_found_in_what_others_added_later(git_server: GitServer, clone: Clone) -> None:
    first = git_server.head()
    ours = commit(clone, ONE)
    later = git_server.write({"other.txt": "1"}, "Later")
    assert clone.contains(ours, ours) and clone.contains(later, ours) and not clone.contains(first, ours)


def test_a_repository_that_is_not_there_is_told_in_one_line(git_server: GitServer) -> None:
    stage = flux_stage(git_server.url.replace("clusters.git", "none.git"))
    with pytest.raises(TargetError, match="the repository is not there, or the token does not reach it") as caught:
        Clone(stage).head()
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_is_tried_again_and_told(git_server: GitServer) -> None:
    git_server.close()
    with pytest.raises(TargetError, match=r"fetching refs/heads/main: .*\(tried 5 times\)"):
        Clone(flux_stage(git_server.url)).head()


def test_where_git_is_not_installed_that_is_said(git_server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Clone(flux_stage(git_server.url))
    clone.git = replace(clone.git, variables={**clone.git.variables, "PATH": "/nowhere"})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TargetError, match="install git"):
        clone.head()
