"""How a check says what it found: ok, a warning (the steps will run), or a failure (one of them won't)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlops.errors import StepError
from mlops.ports import CheckLine

OK, WARNING, FAILURE = "ok", "warning", "failure"


def ok(check: str, text: str) -> CheckLine:
    """Return a line that all is well."""
    return CheckLine(check, OK, text)


def warning(check: str, text: str) -> CheckLine:
    """Return a line of what may go wrong, or could not be looked at."""
    return CheckLine(check, WARNING, text)


def failure(check: str, text: str) -> CheckLine:
    """Return a line of what will go wrong, with what to do."""
    return CheckLine(check, FAILURE, text)


def failed(lines: Iterable[CheckLine]) -> bool:
    """Tell whether one of the lines is a failure."""
    return any(line.state == FAILURE for line in lines)


def guarded(check: str, lines: Iterator[CheckLine], is_needed: bool = False) -> Iterator[CheckLine]:
    """Yield the lines, and one more where they end in an error: a failure where what was asked for is needed."""
    try:
        yield from lines
    except StepError as error:
        yield failure(check, str(error)) if is_needed else warning(check, f"not looked at: {error}")
