"""The port by which a pipeline writes on a pull request: one comment under a key, changed and not repeated."""

from __future__ import annotations

from typing import Protocol

from mlops.records import Origin

MOST = 60_000  # characters; GitHub takes 65,536, Azure DevOps 150,000


class Comments(Protocol):
    """A code host's comments on pull requests. Only those that we wrote are looked at, and it may be repeated."""

    def show(self, key: str, text: str, origin: Origin) -> str | None:
        """Write the comment of a key on the origin's pull request, or change the one there; return its page.

        `text` is Markdown. Raises StepError where it can't be written, as where the origin is no pull request.
        """


def marked(key: str, text: str, link: str | None) -> str:
    """Return what is written: a line that nobody sees and that names the key, and the text, cut where it is too long.

    `link` leads to where all of it stands.
    """
    mark = f"{mark_of(key)}\n"
    if len(mark) + len(text) <= MOST:
        return mark + text
    ending = f"\n\nCut here: all of it is on the run's page{f': {link}' if link else ''}.\n"
    whole_lines = text[: MOST - len(mark) - len(ending)].rpartition("\n")[0]
    return mark + whole_lines + ending


def mark_of(key: str) -> str:
    """Return the line that a key's comment begins with."""
    return f"<!-- {key} -->"
