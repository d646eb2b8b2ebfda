"""A pull request that asks for what is no longer wanted is closed before anybody merges it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cluster_stages import register
from code_hosts import Call, Reply
from flux_pull_places import Place, numbered
from model_packages import MODEL, make_package

from mlops.adapters.flux.pulls import PAGE
from mlops.adapters.flux.target import open_target
from mlops.adapters.local.registry import open_registry
from mlops.context import Context
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback


def context(place: Place, tmp_path: Path, *approved: int) -> Context:
    """Approve versions, and return what a step is given."""
    for version in approved:
        open_registry(place.stage).set_tag(MODEL, version, "production", "approved")
    return Context(place.stage, tmp_path / "run", lambda line: None)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("packages")
    return [make_package(folder / str(number), version_bias=number / 10) for number in (1, 2)]


@pytest.fixture
def served(pull_place: Place, packages: list[Path], tmp_path: Path) -> Place:
    """Let version 1 of two serve."""
    register(pull_place.stage, packages)
    pushed = replace(pull_place.stage, flux=replace(pull_place.stage.flux, policy="push"))
    deploy(replace(context(pull_place, tmp_path, 1), stage=pushed))
    return pull_place


def test_a_rollback_closes_what_waits_for_the_revoked_version_though_nothing_else_is_to_be_done(
    served: Place, tmp_path: Path
) -> None:
    waits = served.ask(lambda: deploy(context(served, tmp_path, 2)))
    assert "waits: merge it" in waits
    (number,) = served.host.waiting()
    assert rollback(context(served, tmp_path), "it is bad").served == 1
    assert served.host.waiting() == [] and "visionline" not in "".join(served.server.refs())
    assert served.host.pulls[number - 1]["title"] == f"Withdrawn: production: version 2 of {MODEL}"


def test_a_rollback_closes_the_step_that_waits_and_leaves_its_own_request_open(served: Place, tmp_path: Path) -> None:
    served.ask(lambda: deploy(context(served, tmp_path, 2)))
    served.host.merge(*served.host.waiting())
    assert "pull request" in served.ask(lambda: deploy(context(served, tmp_path)))
    (step,) = served.host.waiting()
    assert served.host.pulls[step - 1]["title"] == "production: 100 % to version 2"
    served.ask(lambda: rollback(context(served, tmp_path), "it is bad"))
    (own,) = served.host.waiting()
    assert own != step and served.host.pulls[own - 1]["title"] == "production: version 2 goes"
    served.host.merge(own)
    assert rollback(context(served, tmp_path), "it is bad").served == 1
    assert list(served.target.status().deployments) == [1]


def test_a_release_that_supersedes_closes_the_one_before_which_may_be_asked_for_again(pull_place: Place) -> None:
    pull_place.ask()
    pull_place.ask(lambda: pull_place.target.deploy(numbered(2)))
    assert pull_place.host.waiting() == [2]
    assert "pull request 3" in pull_place.ask(), "people did not refuse it, so it is no 'reopen it'"
    assert pull_place.host.waiting() == [3] and pull_place.host.branch(3) == f"{pull_place.host.branch(1)}-2"


def test_what_other_folders_and_people_ask_for_stays_open(pull_place: Place) -> None:
    pull_place.ask()
    other = replace(pull_place.stage.flux, path="clusters/elsewhere")
    elsewhere = open_target(replace(pull_place.stage, flux=other))
    pull_place.ask(lambda: elsewhere.deploy(numbered(3)))
    assert pull_place.host.waiting() == [1, 2]
    pull_place.host.ask_as_people(PAGE + 20)
    pull_place.ask(lambda: pull_place.target.deploy(numbered(2)))
    assert 1 not in pull_place.host.waiting() and len(pull_place.host.waiting()) == 2 + PAGE + 20


def test_what_can_not_be_closed_is_named_and_what_is_wanted_is_asked_for_all_the_same(pull_place: Place) -> None:
    pull_place.ask()
    pull_place.host.faults.extend([None, None, None, Reply(403, {"message": "Not for you"})])
    said = pull_place.ask(lambda: pull_place.target.deploy(numbered(2)))
    assert "pull request 2 " in said and "waits: merge it, then run again; production: pull request 1 (" in said
    assert "could not be closed: " in said and "Not for you" in said and "close it, then run again" in said
    pull_place.ask(lambda: pull_place.target.deploy(numbered(2)))
    assert pull_place.host.waiting() == [2]


def test_one_that_is_merged_while_it_is_to_be_closed_is_told(served: Place, tmp_path: Path) -> None:
    served.ask(lambda: deploy(context(served, tmp_path, 2)))
    method, path, change = next(route for route in served.host.routes if route[0] == "PATCH")

    def late(call: Call, number: str) -> Reply:
        if int(number) in served.host.waiting():
            served.host.merge(int(number))
        reply: Reply = change(call, number)
        return reply

    served.host.routes = [*served.host.routes[:-1], (method, path, late)]
    said = served.ask(lambda: rollback(context(served, tmp_path), "it is bad"))
    assert "then run again" in said or "was merged just now: run again" in said
    served.ask(lambda: rollback(context(served, tmp_path), "it is bad"))
    served.host.merge(*served.host.waiting())
    assert rollback(context(served, tmp_path), "it is bad").served == 1
    assert list(served.target.status().deployments) == [1]
