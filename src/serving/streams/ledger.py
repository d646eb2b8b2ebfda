"""Keeps a budget's account in a file, so that a process that starts again does not begin its hour anew."""

from __future__ import annotations

import json
import time
from pathlib import Path

from serving.files import write_json
from serving.streams.budget import Account, Budget


def write_account(path: Path, account: Account) -> None:
    """Write an account of now. Raises OSError where that fails."""
    write_json(path, {"time": time.time(), "saved": account.saved, "taken": account.taken})


def resume(budget: Budget, path: Path, now: float) -> None:
    """Let a budget go on with the account in a file; where there is none, or none that can be read, it begins anew."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        saved = {str(reason): float(number) for reason, number in told["saved"].items()}
        account = Account(saved, [float(age) for age in told["taken"]])
        ago = max(0.0, time.time() - float(told["time"]))  # a clock that was set back must not earn less than nothing
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return
    budget.resume(account, ago, now)
