"""The lock of a stage in its GitOps repository: one holder, who is named, and which a killed one loses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flux_stages import flux_stage
from gitserver import TOKEN, GitServer, running_git_server
from running_endpoint import wait_for

from mlops import rest
from mlops.adapters.flux import lock
from mlops.adapters.flux.clone import Clone
from mlops.adapters.flux.git import Git
from mlops.adapters.flux.lock import Claim, held, lock_ref
from mlops.adapters.flux.target import open_target
from mlops.errors import BusyError, TargetError

FOLDER = "clusters/production"
REF = lock_ref("production", FOLDER)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    monkeypatch.setenv("GITOPS_TOKEN", TOKEN)
    monkeypatch.setattr(rest, "FIRST_WAIT_SECONDS", 0.0)
    for name in ("GITHUB_RUN_ID", "BUILD_BUILDID"):
        monkeypatch.delenv(name, raising=False)
    with running_git_server(tmp_path / "git") as running:
        yield running


@pytest.fixture
def git(server: GitServer) -> Iterator[Git]:
    clone = Clone(flux_stage(server.url))
    yield clone.git


def claim(git: Git, nonce: str, stage: str = "production") -> Claim:
    return Claim(git, stage, FOLDER, nonce, "2026-01-01T00:00:00Z")


def test_the_ref_is_there_while_the_block_runs_and_goes_however_it_ends(server: GitServer, git: Git) -> None:
    with pytest.raises(ValueError, match="of the block"), held(git, "production", FOLDER):
        assert server.refs() == ["refs/heads/main", REF]
        raise ValueError("of the block")
    assert server.refs() == ["refs/heads/main"]
    with held(git, "production", FOLDER), held(git, "qa", FOLDER):
        assert len(server.refs()) == 3, "stages share a repository, and no lock"


def test_projects_whose_stages_are_named_alike_share_a_repository_and_no_lock(server: GitServer) -> None:
    ours, theirs = (open_target(flux_stage(server.url, path=path, wait=False)) for path in ("plates", "fashion"))
    with ours.lock(), theirs.lock():
        assert len(server.refs()) == 3
        with pytest.raises(BusyError), open_target(flux_stage(server.url, path="./plates/", wait=False)).lock():
            raise AssertionError("two hold it")
    assert server.refs() == ["refs/heads/main"]


def test_whoever_comes_second_is_told_who_holds_it_and_since_when(server: GitServer, git: Git) -> None:
    with held(git, "production", FOLDER):
        with pytest.raises(BusyError, match=r"production: process \d+ on .* since 20\d\d-.*Z: run again") as caught:
            with held(git, "production", FOLDER):
                raise AssertionError("two hold it")
        assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_holder_that_was_killed_locks_nobody_out_for_longer_than_its_lease(
    server: GitServer, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(git, "killed").take()
    with pytest.raises(BusyError):
        claim(git, "next").take()
    later = time.time() + lock.LEASE_SECONDS + 1
    monkeypatch.setattr(lock.time, "time", lambda: later)
    waited = watch(monkeypatch)
    with held(git, "production", FOLDER) as lease:
        assert waited == [lock.LOOK_SECONDS] * 12, "nobody changed it for a lease"
        assert server.messages(REF)[1].endswith("nonce: killed"), "who was there before stays in the ref's history"
        lease.check()


@pytest.mark.parametrize("wrong", [3600.0, -3600.0])
def test_a_clock_that_is_wrong_takes_no_lock_from_a_holder_that_lives(
    wrong: float, server: GitServer, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = claim(git, "alive")
    renewed = [alive.take()]
    now = time.time() + wrong
    monkeypatch.setattr(lock.time, "time", lambda: now)
    waited = watch(monkeypatch, lambda: len(waited) == 3 and renewed.append(alive.renew(renewed[-1])))
    with pytest.raises(BusyError, match="is releasing to it since 2026-01-01T00:00:00Z"), held(
        git, "production", FOLDER
    ):
        raise AssertionError("two hold it")
    assert len(waited) == 3 and server.head(REF) == renewed[-1]


def watch(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None) -> list[float]:
    """Let the lock's waits take no time but that of its clock, and return them; `meanwhile` is called in each."""
    waited: list[float] = []
    monotonic = time.monotonic

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        meanwhile()

    monkeypatch.setattr(lock, "sleep", sleep)
    began = monotonic()
    monkeypatch.setattr(lock, "monotonic", lambda: began + sum(waited))
    return waited


def test_of_two_that_see_it_free_one_gets_it(server: GitServer, git: Git) -> None:
    server.pushes.append(lambda: bool(server.write({}, f"visionline lock\n\nuntil: {time.time() + 60:.0f}", REF)))
    with pytest.raises(BusyError, match="is releasing to it"):
        with held(git, "production", FOLDER):
            raise AssertionError("two hold it")


def test_a_lock_whose_push_broke_off_after_it_was_taken_is_ours(server: GitServer, git: Git) -> None:
    server.drop(handled=True)
    with held(git, "production", FOLDER):
        assert REF in server.refs()
    assert REF not in server.refs()


def test_a_lock_is_renewed_while_it_is_held(server: GitServer, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    with held(git, "production", FOLDER) as lease:
        first = server.head(REF)
        wait_for(lambda: len(server.messages(REF)) >= 3)
        assert server.head(REF) != first
        lease.check()
    assert REF not in server.refs()


def test_a_renewal_whose_answer_got_lost_loses_nothing(
    server: GitServer, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)
    with held(git, "production", FOLDER) as lease:
        server.drop(handled=True)
        wait_for(lambda: not server.pushes)
        seen = server.arrived
        wait_for(lambda: server.arrived >= seen + 3)
        lease.check()
    assert REF not in server.refs()


def test_a_lock_that_somebody_else_took_is_noticed_before_the_next_change_and_not_given_back(
    server: GitServer, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.01)

    def is_lost() -> bool:
        try:
            lease.check()
        except TargetError as error:
            return "the lock was lost" in str(error)
        return False

    with held(git, "production", FOLDER) as lease:
        theirs = server.write({}, "visionline lock\n\nnonce: theirs", REF)
        wait_for(is_lost)
    assert server.head(REF) == theirs


def test_a_ref_that_says_nothing_of_a_lock_is_taken_over(server: GitServer, git: Git) -> None:
    server.write({}, "no lock", REF)
    with held(git, "production", FOLDER):
        assert "holder: process" in server.messages(REF)[0]


def test_no_secret_gets_into_the_ref(server: GitServer, git: Git) -> None:
    with held(git, "production", FOLDER):
        assert TOKEN not in json.dumps(server.messages(REF))


def test_a_lock_that_may_not_be_pushed_is_told_in_one_line(server: GitServer, git: Git) -> None:
    hook = server.folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'refs/visionline is not for you'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(
        TargetError, match="push to refs/visionline/locks/production-[0-9a-f]{12} is refused.*not for you"
    ):
        with held(git, "production", FOLDER):
            raise AssertionError("it was not locked")
