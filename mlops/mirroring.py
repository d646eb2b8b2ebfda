"""What a target may be able to do besides serving: show a version live requests before any client gets its answer."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Mirror(Protocol):
    """Copies live requests. A target that can't is none."""

    def mirror(self, version: int) -> int:
        """Copy live requests to a deployment without traffic, as the stage says, and return their percent; 0: none.

        Nobody gets its answers. It ends when the version gets traffic, or is removed. May be repeated.
        """
