"""Traffic rules: where it goes on after a kill, where it goes back, and when nothing is left to do."""

from __future__ import annotations

import pytest

from mlops.traffic import is_settled, split, steps_to, version_before


def test_the_version_before_is_the_other_one_with_most_traffic() -> None:
    assert version_before({1: 90, 2: 10}, desired=2) == 1
    assert version_before({9: 40, 8: 50, 10: 10}, desired=10) == 8


def test_a_version_without_traffic_is_nothing_to_return_to() -> None:
    assert version_before({1: 0, 2: 100}, desired=2) is None
    assert version_before({}, desired=1) is None


@pytest.mark.parametrize("percent", [10, 50, 99])
def test_a_split_sums_to_a_hundred(percent: int) -> None:
    assert sum(split(1, 2, percent).values()) == 100


def test_at_a_hundred_percent_the_version_before_is_named_no_more() -> None:
    assert split(1, 2, 100) == {2: 100}


def test_the_first_version_gets_everything_at_once() -> None:
    assert steps_to(1, {}, before_is_approved=False, steps=(10, 50)) == (100,)


def test_a_rerun_goes_on_at_the_step_where_it_was_killed() -> None:
    assert steps_to(2, {1: 50, 2: 50}, before_is_approved=True, steps=(10, 50, 100)) == (50, 100)


def test_the_last_step_is_always_a_hundred() -> None:
    assert steps_to(2, {1: 100}, before_is_approved=True, steps=(10,)) == (10, 100)


def test_traffic_leaves_a_revoked_version_without_a_canary() -> None:
    assert steps_to(1, {2: 100}, before_is_approved=False, steps=(10, 50, 100)) == (100,)


def test_a_leftover_deployment_is_not_settled() -> None:
    assert is_settled({2: 100}, [2], 2)
    assert not is_settled({2: 100}, [1, 2], 2)
    assert not is_settled({1: 90, 2: 10}, [1, 2], 2)
