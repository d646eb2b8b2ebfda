"""`mlops expire` prints what it would delete, and deletes what it prints, by a stand-in for az that writes it down."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from mlops.cli import main
from mlops.steps import expire

TODAY = date.today()
STAND_IN = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
"group list"*) printf '%b' "$GROUPS_TOLD" ;;
"role assignment list"*"of mlw-visionline-dev"*) printf '/subscriptions/s/one\\n/subscriptions/s/two\\n' ;;
"role definition list"*"of mlw-visionline-dev"*) printf 'a-guid\\t/subscriptions/s\\n' ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for az on the path, which knows four groups; return where it writes its calls."""
    (tmp_path / "az").write_text(STAND_IN)
    (tmp_path / "az").chmod(0o755)
    days = {"rg-over": TODAY - timedelta(days=1), "rg-last-day": TODAY, "rg-stays": TODAY + timedelta(days=9)}
    told = "".join(f"{name}\\t{day}\\tdev\\n" for name, day in {**days, "rg-mistyped": "soon"}.items())
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GROUPS_TOLD", told)
    return tmp_path / "calls"


def expired(*flags: str) -> tuple[int, list[str]]:
    said: list[str] = []
    return main(["expire", "--name", "visionline", *flags], said.append), said


def test_what_is_past_its_day_is_listed_and_nothing_is_deleted(calls: Path) -> None:
    code, said = expired()
    assert code == 0 and "az group delete --name rg-over --yes --no-wait" in said
    assert not any(name in line for line in said for name in ("rg-last-day", "rg-stays"))
    assert "# rg-mistyped: its tag ttl is 'soon', which is no day, as 2026-01-31: it stays" in said
    asked = calls.read_text().splitlines()
    assert "tags.project=='visionline'" in asked[0] and "tags.stage!='production'" in asked[0]
    assert [line for line in asked if " delete " in line] == []


def test_what_is_listed_is_deleted_where_it_is_said(calls: Path) -> None:
    assert expired("--apply")[0] == 0
    # What the group doesn't hold goes first: only the group tells that something is left to do.
    assert [line for line in calls.read_text().splitlines() if " delete " in line] == [
        "role assignment delete --ids /subscriptions/s/one",
        "role assignment delete --ids /subscriptions/s/two",
        "role definition delete --name a-guid --scope /subscriptions/s",
        "group delete --name rg-over --yes --no-wait",
    ]


def test_a_group_without_such_rights_is_deleted_alone(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUPS_TOLD", f"rg-over\\t{TODAY - timedelta(days=1)}\\ttry\\n")
    assert expired("--apply")[0] == 0
    deleted = [line for line in calls.read_text().splitlines() if " delete " in line]
    assert deleted == ["group delete --name rg-over --yes --no-wait"]


def test_terraforms_state_of_it_is_named_where_there_is_one(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any("blob" in line for line in expired()[1])
    backend = tmp_path / "state.tfbackend"
    backend.write_text('storage_account_name = "stours"\ncontainer_name       = "state"\n', encoding="utf-8")
    monkeypatch.setattr(expire, "BACKEND", backend)
    state = "az storage blob delete --account-name stours --container-name state --name visionline.tfstate"
    assert f"# Terraform's state stays till somebody deletes it, too: {state} --auth-mode login" in expired()[1]
