"""What tells a plan's changes from any others, so that what is applied is what people have read and agreed to.

A plan holds all that Terraform's state holds, secrets too, so it is kept nowhere: whoever applies plans again, and
compares. The digest says nothing of what stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from mlops.infra.change import CREATE, KEEP, REPLACE, Change, value_at


def digest(changes: Iterable[Change]) -> str:
    """Return the sha256 of what a plan changes, whatever the order in which it says so."""
    told = sorted(json.dumps(_told(one), sort_keys=True, default=str) for one in changes if one.action != KEEP)
    return f"sha256:{hashlib.sha256(json.dumps(told).encode()).hexdigest()}"


def _told(change: Change) -> list[Any]:
    """Return a change without what was there before: who plans may not be shown all that who applies is."""
    is_new = change.action in (CREATE, REPLACE)
    after = dict(change.after) if is_new else {path: value_at(change.after, path) for path in change.paths}
    return [change.action, change.kind, change.place, change.cause, after]
