"""The lock of an online endpoint: one holder, who is named, whose lease is kept, and which dies with the holder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azurefake.blobs import Side, side_of
from azurefake.datastores import use_entra
from azurefake.faults import FORBIDDEN
from azurefake.message import Answer
from azurefake.stages import azure_stage
from azurefake.state import ACCOUNT, Azure
from running_endpoint import wait_for

from mlops.adapters.azureml import onlinelock
from mlops.adapters.azureml.onlinelock import held, holder
from mlops.config import Stage
from mlops.errors import BusyError, TargetError

NAME = "fashion-classifier-production"
BLOB = (ACCOUNT, "azureml-blobstore", f"visionline/locks/{NAME}")
LEASE = f"/{BLOB[1]}/{BLOB[2]}?comp=lease"


@pytest.fixture
def stage(azure: Azure) -> Stage:
    return azure_stage("production", target="azureml-online")


@pytest.fixture
def lock(azure: Azure) -> Iterator[Side]:
    yield side_of(azure, BLOB)


def renewals(azure: Azure) -> int:
    """Return how often a lease was renewed, or tried to be."""
    return sum(one.headers["x-ms-lease-action"] == "renew" for one in azure.sent("PUT", LEASE))


def test_the_lease_is_held_while_the_block_runs_and_given_back_however_it_ends(stage: Stage, lock: Side) -> None:
    with pytest.raises(ValueError, match="of the block"), held(stage, NAME):
        assert lock.lease
        raise ValueError("of the block")
    assert not lock.lease
    with held(stage, NAME):
        assert lock.lease


def test_whoever_comes_second_is_told_who_holds_it_and_since_when(stage: Stage, lock: Side) -> None:
    with held(stage, NAME):
        with pytest.raises(BusyError, match=rf"{NAME}: process \d+ on .* since 20\d\d-.*Z: run again") as caught:
            with held(stage, NAME):
                raise AssertionError("two hold it")
    assert "\n" not in str(caught.value)


def test_the_holder_is_named_by_its_pipeline_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_RUN_ID", "BUILD_BUILDID"):
        monkeypatch.delenv(name, raising=False)
    assert holder().startswith("process ")
    monkeypatch.setenv("BUILD_BUILDID", "41")
    monkeypatch.setenv("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "https://dev.azure.com/acme/")
    monkeypatch.setenv("SYSTEM_TEAMPROJECT", "vision")
    assert holder() == "https://dev.azure.com/acme/vision/_build/results?buildId=41"
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/vision")
    assert holder() == "https://github.com/acme/vision/actions/runs/7"


def test_a_lease_is_renewed_while_it_is_held(azure: Azure, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onlinelock, "RENEW_SECONDS", 0.01)

    with held(stage, NAME) as lease:
        wait_for(lambda: renewals(azure) >= 2)
        lease.check()


def test_a_lease_that_somebody_else_took_is_noticed_before_the_next_change(
    azure: Azure, stage: Stage, lock: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onlinelock, "RENEW_SECONDS", 0.01)

    def is_lost() -> bool:
        try:
            lease.check()
        except TargetError as error:
            return "lock was lost" in str(error)
        return False

    with held(stage, NAME) as lease:
        lock.lease = "another's"
        wait_for(is_lost)
    assert lock.lease == "another's", "what is not ours is not given back"


def test_a_renewal_that_fails_once_loses_nothing(azure: Azure, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onlinelock, "RENEW_SECONDS", 0.01)
    with held(stage, NAME) as lease:
        azure.fail("PUT", LEASE, FORBIDDEN)
        seen = renewals(azure)
        wait_for(lambda: renewals(azure) >= seen + 3)
        lease.check()
    assert not side_of(azure, BLOB).lease


def test_a_holder_that_was_killed_locks_nobody_out_for_longer_than_its_lease(
    azure: Azure, stage: Stage, lock: Side
) -> None:
    with held(stage, NAME):
        asked = [one for one in azure.sent("PUT", LEASE) if one.headers["x-ms-lease-action"] == "acquire"]
    assert asked[0].headers["x-ms-lease-duration"] == "30"


def test_a_store_that_lets_in_identities_alone_is_entered_by_our_own(azure: Azure, stage: Stage, lock: Side) -> None:
    use_entra(azure)
    with held(stage, NAME):
        assert lock.lease
    assert azure.sent("POST", "/listsecrets") == []
    assert azure.sent("PUT", LEASE)[0].headers["authorization"].startswith("Bearer ")


def test_a_store_that_refuses_is_told_in_one_line(azure: Azure, stage: Stage) -> None:
    azure.fail("PUT", LEASE, Answer(403, "", {"x-ms-error-code": "AuthorizationPermissionMismatch"}))
    with pytest.raises(TargetError, match=f"{NAME}: lock: 403.*role") as caught:
        with held(stage, NAME):
            raise AssertionError("it was not locked")
    assert "\n" not in str(caught.value)


def test_no_secret_gets_into_the_blob_or_what_is_said(azure: Azure, stage: Stage, lock: Side, tmp_path: Path) -> None:
    with held(stage, NAME):
        assert Azure.SECRET not in str(lock.metadata) and azure.blobs[BLOB] == b""
