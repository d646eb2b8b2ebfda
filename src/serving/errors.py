"""The errors that somebody can act on: the operator, the client or the model's maker. Any other is a defect."""

from __future__ import annotations

import sys
from collections.abc import Callable

from modelpackage import PackageError


class ServingError(Exception):
    """Something the operator can act on. The message is one line, whatever is quoted in it: what, where, what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(" ".join(reason.split()))


class RequestError(Exception):
    """A request that can't be answered: an HTTP status and the reason, in one line, for the client.

    `retry_after` is in seconds, where the client may well ask again.
    """

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that the refusal bears."""
        return () if self.retry_after is None else (("retry-after", str(self.retry_after)),)


class ModelError(Exception):
    """A model that can't score what it is given: the model's fault, or its maker's, not the client's."""


def exit_code(command: Callable[[], None]) -> int:
    """Run a command and return its exit code: 0, or 1 after one line on stderr where a known error ended it."""
    try:
        command()
    except (ServingError, ModelError, PackageError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def one_line(error: BaseException) -> str:
    """Return an exception's kind and message in one line, as far as a reader wants it."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
