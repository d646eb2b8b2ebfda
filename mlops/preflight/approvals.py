"""Whether people must agree before a pipeline touches a stage: in qa and production somebody should."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mlops.names import STAGES
from mlops.ports import CheckLine
from mlops.preflight.line import ok, warning

CHECK = "approvals"


def lines(environment: str, place: str, guards: Collection[str] | None, approval: str) -> Iterator[CheckLine]:
    """Yield what guards an environment at `place`; `guards` None: there is no such environment.

    `approval` is the guard that asks people, as the place calls it.
    """
    if guards is None:
        yield warning(CHECK, f"{place} has no environment '{environment}': make it, with approvals, as README says")
    elif approval in guards:
        yield ok(CHECK, f"environment '{environment}' waits for people ({', '.join(sorted(guards))})")
    elif environment == STAGES[0]:
        yield ok(CHECK, f"environment '{environment}' lets everything in, as the first stage may")
    else:
        yield warning(CHECK, f"environment '{environment}' asks nobody: add {approval} in {place}")


def unknown(environment: str, why: str) -> Iterator[CheckLine]:
    """Yield that nobody could be asked."""
    yield warning(CHECK, f"environment '{environment}' not looked at: {why}")
