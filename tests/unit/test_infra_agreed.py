"""`mlops cost --digest` and `--agreed`: what is applied is what people have read, though no plan is kept for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops.cli import main
from mlops.infra.agreed import digest
from mlops.infra.change import CREATE, KEEP, UPDATE, Change

PLANS = Path(__file__).resolve().parent.parent / "plans"
ACCOUNT = "Microsoft.Storage/storageAccounts"


def cost(*arguments: object) -> int:
    """Run the step; return its exit code."""
    return main(["cost", *map(str, arguments)], lambda line: None)


def replanned(folder: Path, **after: Any) -> Path:
    """Write Terraform's plan again, with other values in what it changes."""
    content = json.loads((PLANS / "terraform.json").read_text(encoding="utf-8"))
    for one in content["resource_changes"]:
        if one["change"]["actions"] == ["create"]:
            one["change"]["after"] |= after
    (folder / "again.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "again.json"


@pytest.mark.parametrize("name", ["terraform.json", "what-if.json"])
def test_the_same_plan_made_again_may_be_applied(name: str, tmp_path: Path) -> None:
    made = tmp_path / "runs" / "dev.sha256"
    assert cost("--plan", PLANS / name, "--digest", made) == 0
    assert made.read_text(encoding="utf-8").startswith("sha256:")
    assert cost("--plan", PLANS / name, "--agreed", made) == 0


def test_another_plan_than_was_agreed_to_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "dev.sha256"
    cost("--plan", PLANS / "terraform.json", "--digest", made)
    assert cost("--plan", replanned(tmp_path), "--agreed", made) == 0
    assert cost("--plan", replanned(tmp_path, name="other"), "--agreed", made) == 1
    assert capsys.readouterr().err == (
        f"error: {made}: other changes were agreed to than would be made now: run infra anew, and read it\n"
    )
    assert cost("--plan", PLANS / "terraform.json", "--agreed", tmp_path / "absent") == 1
    assert "absent: cannot be read (No such file or directory): plan first, with --digest" in capsys.readouterr().err


def test_neither_the_order_nor_what_stays_nor_what_a_reader_is_not_shown_makes_it_another() -> None:
    new = Change(CREATE, ACCOUNT, "a", {}, {"name": "a"})
    changed = Change(UPDATE, ACCOUNT, "b", {"key": "s3cret"}, {"key": "s3cret", "tls": "1.2"}, ("tls",))
    hidden = Change(UPDATE, ACCOUNT, "b", {"key": None}, {"key": None, "tls": "1.2"}, ("tls",))
    kept = Change(KEEP, ACCOUNT, "c", {"key": 1}, {"key": 1})
    assert digest([new, changed]) == digest([hidden, kept, new])
    assert digest([new, changed]) != digest([new])
    assert digest([changed]) != digest([Change(UPDATE, ACCOUNT, "b", {}, {"tls": "1.0"}, ("tls",))])
