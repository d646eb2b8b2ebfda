"""Pure rules of traffic: which version gets which percent, in which steps. Percents are integers that sum to 100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def version_before(traffic: Mapping[int, int], desired: int, beside: Sequence[int] = ()) -> int | None:
    """Return the version, other than the desired one, that has most of the traffic; None where there is none.

    Where the desired one has all of it, as where a release was killed before its end, it is the highest `beside` it.
    """
    others = {version: percent for version, percent in traffic.items() if version != desired and percent > 0}
    if not others and traffic.get(desired):
        return max((version for version in beside if version != desired), default=None)
    return max(others, key=lambda version: (others[version], version)) if others else None


def split(before: int | None, desired: int, percent: int) -> dict[int, int]:
    """Return the traffic in which the desired version has `percent` and the version before it the rest."""
    if before is None or percent == 100:
        return {desired: 100}
    return {before: 100 - percent, desired: percent}


def steps_to(
    desired: int, traffic: Mapping[int, int], before_is_approved: bool, steps: Sequence[int]
) -> tuple[int, ...]:
    """Return the percents that the desired version is still to be given, in order.

    A rerun goes on at the step where the last run was killed. Where the version before is revoked, or there is none,
    a canary would only prolong the harm: everything moves at once.
    """
    if not before_is_approved:
        return (100,)
    given = traffic.get(desired, 0)
    return tuple(step for step in sorted({*steps, 100}) if step >= given)


def is_settled(traffic: Mapping[int, int], deployments: Sequence[int], desired: int) -> bool:
    """Tell whether the desired version has all the traffic and nothing else is deployed."""
    return dict(traffic) == {desired: 100} and list(deployments) == [desired]
