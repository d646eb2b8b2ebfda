"""A model that is not taken in. It is no fault of the program and none of the contract file's form: a verdict."""

from __future__ import annotations

from vision.errors import VisionError


class Refused(VisionError):
    """The model can't be taken: the reason, and a way out for whoever brought it. One line, whatever a name holds."""

    def __init__(self, message: str) -> None:
        """Make each sign that breaks or colours a line a space: names in a model are a stranger's."""
        printable = "".join(sign if sign.isprintable() else " " for sign in message)
        super().__init__(" ".join(printable.split()))
