"""Valid JSON that says the wrong thing: a good value, altered where an input's bytes say. It knows no format.

Altered as text, nearly all JSON ends at the JSON parser; this goes on to what reads the values.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

STEP = 4  # bytes of one edit: which, where, what, which key
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 256, 2**31, 2**63, 2**64, -(2**63), 0.5, -0.0, 1e308, float("nan"), 10**30),
    *("", "a", "a\nb", "\0", "\ud800", "\u2028", "9" * 400, "true", "1", [], {}, [[]], [{}], {"": None}, [0] * 300),
)


def altered(trees: Sequence[Any], words: Sequence[str], data: bytes) -> Any:
    """Return one of the trees after the edits that the bytes mean; any bytes mean some."""
    tree = {"": copy.deepcopy(trees[data[0] % len(trees)] if data else trees[0])}
    for start in range(1, len(data) - STEP + 1, STEP):
        which, where, what, key = data[start : start + STEP]
        places = list(_places(tree))
        _edit(*places[where % len(places)], which % 4, _value(places, words, what), words[key % len(words)])
    return tree.get("")


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place of the tree as the dict or list that it is in, and its key or index."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


def _value(places: list[tuple[Any, Any]], words: Sequence[str], number: int) -> Any:
    """Return one of VALUES, one of the words, or a copy of some part of the tree."""
    pool = (*VALUES, *words)
    if number < len(pool):
        return copy.deepcopy(pool[number])
    parent, key = places[number % len(places)]
    return copy.deepcopy(parent[key])


def _edit(parent: Any, place: Any, which: int, value: Any, word: str) -> None:
    """Put the value in the place, or beside it, or move or take away what is there; the root stays a value."""
    if which == 0 or place == "":
        parent[place] = value
    elif isinstance(parent, list):
        parent[place : place + (which == 1)] = [] if which == 1 else [value]
    elif which == 1:
        del parent[place]
    elif which == 2:
        parent[word] = value
    else:
        parent[word] = parent.pop(place)
