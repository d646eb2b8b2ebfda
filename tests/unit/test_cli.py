"""The command line: exit codes that can't be mistaken for each other, one line for what a person can mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops import cli
from mlops.steps import status


def test_a_mistyped_flag_is_an_error_and_no_rejection(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["deploy", "--stagee", "dev"]) == 1
    assert "--stagee" in capsys.readouterr().err


def test_help_is_no_failure() -> None:
    assert cli.main(["--help"]) == 0


def test_an_unknown_stage_is_one_line_that_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--stage", "prod"]) == 1
    assert capsys.readouterr().err == "error: --stage prod: unknown stage: use one of dev, qa, production\n"


def test_an_unforeseen_exception_is_a_defect_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(status, "run", broken)
    assert cli.main(["status"]) == cli.DEFECT


def test_a_stop_by_the_keyboard_is_said_and_has_the_shells_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", stopped)
    assert cli.main(["status"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_a_step_that_writes_no_record_leaves_no_folder(own_platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "run", lambda context, options: 0)
    assert cli.main(["status"]) == 0
    assert not (own_platform / "runs").exists()
