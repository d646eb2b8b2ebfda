"""`mlops expire` prints what it would delete, and deletes what it prints, by a stand-in for az that writes it down."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from mlops.cli import main

TODAY = date.today()
STAND_IN = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in "group list"*) printf '%b' "$GROUPS_TOLD" ;; esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for az on the path, which knows four groups; return where it writes its calls."""
    (tmp_path / "az").write_text(STAND_IN)
    (tmp_path / "az").chmod(0o755)
    days = {"rg-over": TODAY - timedelta(days=1), "rg-last-day": TODAY, "rg-stays": TODAY + timedelta(days=9)}
    told = "".join(f"{name}\\t{day}\\n" for name, day in {**days, "rg-mistyped": "soon"}.items())
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
    assert sum("delete" in line for line in said) == 1
    assert "# rg-mistyped: its tag ttl is 'soon', which is no day, as 2026-01-31: it stays" in said
    (asked,) = calls.read_text().splitlines()
    assert "tags.project=='visionline'" in asked and "tags.stage!='production'" in asked


def test_what_is_listed_is_deleted_where_it_is_said(calls: Path) -> None:
    assert expired("--apply")[0] == 0
    assert calls.read_text().splitlines()[1:] == ["group delete --name rg-over --yes --no-wait"]
