"""A plan as a comment on a pull request, in Markdown: dangers first, then what changes, then what it costs. Pure.

Only names of attributes are shown, never values, since a plan may hold secrets; and who gets which right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlops.infra.change import CREATE, DELETE, KEEP, REPLACE, UNCLEAR, UPDATE, Change
from mlops.infra.costs import Cost, Estimate, Prices
from mlops.infra.dangers import Danger

ORDER = (DELETE, REPLACE, UNCLEAR, UPDATE, CREATE)
PATHS_SHOWN = 6
COSTS_SHOWN = 12


def comment(
    title: str,
    changes: Sequence[Change],
    found: Sequence[Danger],
    costs: Estimate,
    prices: Prices,
    cap: float | None,
) -> str:
    """Return what is said of one plan. `cap` is the most that a month may cost, where there is a limit."""
    real = [one for one in changes if one.action != KEEP]
    parts = [f"## {_text(title)}: {_counts(real)}", _verdict(costs, prices, cap), *_looks(found)]
    return "\n\n".join([*parts, *_table(real), *_prices(costs, prices)]) + "\n"


def over(costs: Estimate, cap: float | None) -> bool:
    """Tell whether a month would cost more than it may."""
    return cap is not None and costs.price > cap


def _counts(changes: Iterable[Change]) -> str:
    actions = [one.action for one in changes]
    counted = [f"{actions.count(action)} to {action}" for action in ORDER if action in actions and action != UNCLEAR]
    unclear = [f"{actions.count(UNCLEAR)} unclear"] if UNCLEAR in actions else []
    return ", ".join([*counted, *unclear]) or "nothing changes"


def _verdict(costs: Estimate, prices: Prices, cap: float | None) -> str:
    change = costs.price - costs.before
    moved = f" ({change:+,.0f})" if round(change) else ""
    said = f"About **{costs.price:,.0f} {prices.currency} a month**{moved}; at most {costs.most:,.0f}, all nodes on."
    if over(costs, cap):
        said += f" **That is over the cap of {cap:,.0f}.**"
    elif cap is not None and costs.unknown:
        said += f" Whether that keeps to the cap of {cap:,.0f} can't be told: something is not in that sum."
    return said


def _looks(found: Sequence[Danger]) -> Iterator[str]:
    if found:
        lines = [f"- {_code(danger.place)}: {_text(danger.words)}" for danger in found]
        yield "\n".join(["### Look at these first", "", *lines])


def _table(changes: Sequence[Change]) -> Iterator[str]:
    if changes:
        rows = sorted(changes, key=lambda one: ORDER.index(one.action))
        lines = [f"| {one.action} | {_code(one.place)} | {_text(one.kind)} | {_paths(one)} |" for one in rows]
        head = ["### What changes", "", "| | where | what | attributes |", "|---|---|---|---|"]
        yield "\n".join([*head, *lines])


def _paths(change: Change) -> str:
    shown = ", ".join(_code(path) for path in change.paths[:PATHS_SHOWN])
    return shown + (f" and {len(change.paths) - PATHS_SHOWN} more" if len(change.paths) > PATHS_SHOWN else "")


def _prices(costs: Estimate, prices: Prices) -> Iterator[str]:
    known = sorted((cost for cost in costs.costs if cost.price), key=_price, reverse=True)
    lines = [f"| {_code(one.place)} | {_price(one):,.0f} | {one.most:,.0f} | {_text(one.note)} |" for one in known]
    head = ["### What it costs a month", "", f"| where | {prices.currency} | at most | |", "|---|---|---|---|"]
    if lines:
        yield "\n".join([*head, *lines[:COSTS_SHOWN], *_others(known[COSTS_SHOWN:])])
    if costs.unknown:
        yield "\n".join(["**Not in that sum:**", "", *(f"- {_code(o.place)}: {_text(o.note)}" for o in costs.unknown)])
    busy = f"{prices.busy_share:.0%} of the month"
    yield f"Prices of {prices.region}, {prices.date} ({_text(prices.source)}); nodes above the minimum run {busy}."


def _others(rest: Sequence[Cost]) -> Iterator[str]:
    if rest:
        yield f"| {len(rest)} others | {sum(map(_price, rest)):,.0f} | {sum(one.most for one in rest):,.0f} | |"


def _price(cost: Cost) -> float:
    return cost.price or 0.0


def _code(text: str) -> str:
    return f"`{_text(text).replace('`', '')}`"


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("@", "@\u200b")
