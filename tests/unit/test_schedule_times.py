"""A time that Azure ML would not keep as it reads is refused, with what is wrong in it."""

from __future__ import annotations

import pytest

from mlops.errors import ConfigError
from mlops.jobfile.triggers import check_cron, check_time_zone


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "0 3 * * *",
        "59 23 * * 0,6",
        "0-30/10 */6 * * 1-5",
        "15,45 0-23 * * mon-fri",
        "0 3 * * Sunday",
        "5/20 3 * * TUE,thu",
        "  0   3 * * *  ",
    ],
)
def test_an_expression_that_azure_ml_runs_as_it_reads_passes(expression: str) -> None:
    check_cron(expression, "here")


@pytest.mark.parametrize(
    "expression, words",
    [
        ("0 99 * * *", "hour '99' is not in 0-23"),
        ("60 3 * * *", "minute '60' is not in 0-59"),
        ("-1 3 * * *", "minute '-1' is no"),
        ("0 3 * * 7", "weekday '7' is not in 0-6"),
        ("0 3 * * someday", "weekday 'someday' is not in 0-6"),
        ("0 mon * * *", "hour 'mon' is not in 0-23"),
        ("0 3 1 * *", "day 1 would be ignored"),
        ("0 3 * jan *", "month jan would be ignored"),
        ("0 3 ? * *", "day [?] would be ignored"),
        ("0 5-3 * * *", "hour '5-3' ends before it begins"),
        ("*/0 3 * * *", r"minute '[*]/0' has a step of nothing"),
        ("0, 3 * * *", "minute '' is no"),
        ("0 3.5 * * *", "hour '3.5' is no"),
        ("0 3 * *", "has 4 fields: give five"),
        ("0 0 3 * * *", "has 6 fields: give five"),
        ("@daily", "has 1 fields: give five"),
        ("", "has 0 fields: give five"),
    ],
)
def test_another_is_refused_and_its_field_is_named(expression: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^here: cron '.*': {words}"):
        check_cron(expression, "here")


@pytest.mark.parametrize("name", ["UTC", "W. Europe Standard Time", "Tokyo Standard Time"])
def test_the_names_of_windows_pass(name: str) -> None:
    check_time_zone(name, "here")


@pytest.mark.parametrize(
    "name, near", [("Europe/Berlin", "'"), ("w. europe standard time", "'W. Europe Standard Time'"), ("", "'UTC'")]
)
def test_another_time_zone_is_refused_and_a_name_is_offered(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"^here: time_zone '{name}' is unknown: .*{near}"):
        check_time_zone(name, "here")
