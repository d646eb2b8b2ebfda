"""One thing that is wrong in one line of a file, and how the rules of jobfile/ become such things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlops.errors import ConfigError


@dataclass(frozen=True, order=True)
class Finding:
    """`file` is relative to the repository, `line` counts from 1, `text` says what is wrong and what to do."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """Return it as editors and CI systems read it."""
        return f"{self.file}:{self.line}: {self.text}"


def refusals(check: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """Yield what a check that raises ConfigError says, or nothing."""
    try:
        check(*arguments)
    except ConfigError as error:
        yield str(error)
