"""Lint finds triggers that never fire, or at other times than they say, and inputs that a schedule's job lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azureml_files import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


CRONS = [
    ("0 99 * * *", "hour '99' is not in 0-23"),
    ("60 3 * * *", "minute '60' is not in 0-59"),
    ("0 3 * * 7", "weekday '7' is not in 0-6"),
    ("0 3 * *", "has 4 fields: give five"),
    ("0 0 3 * * *", "has 6 fields: give five"),
    ("0 3 1 * *", "day 1 would be ignored by Azure ML"),
    ("0 3 * 6 *", "month 6 would be ignored by Azure ML"),
    ("0 three * * *", "hour 'three' is not in 0-23"),
    ("0 9-5 * * *", "hour '9-5' ends before it begins"),
    ("*/0 3 * * *", "minute '*/0' has a step of nothing"),
    ("0 3 * * 1;2", "weekday '1;2' is no *"),
    ("", "has 0 fields"),
]


@pytest.mark.parametrize("expression, says", CRONS, ids=[expression for expression, _ in CRONS])
def test_a_wrong_cron_is_found(place: Place, expression: str, says: str) -> None:
    place.change("nightly.yml", "trigger", "expression", value=expression)
    found = place.refusal("nightly.yml", f"trigger: cron '{expression}': ".rstrip())
    assert says in found.text and found.line == place.line("nightly.yml", "expression")


@pytest.mark.parametrize("expression", ["*/15 0-6,22 * * mon-fri", "0 3 * * Sunday", "5,10 * * * 0"])
def test_a_right_cron_is_taken(place: Place, expression: str) -> None:
    place.change("nightly.yml", "trigger", "expression", value=expression)
    assert place.findings() == []


@pytest.mark.parametrize("file", ["nightly.yml", "weekly.yml"])
@pytest.mark.parametrize("zone", ["Mars", "Europe/Berlin", "W. Europe standard"])
def test_an_unknown_time_zone_is_found(place: Place, file: str, zone: str) -> None:
    place.change(file, "trigger", "time_zone", value=zone)
    place.refusal(file, f"time_zone '{zone}' is unknown: use a name that Windows gives")


RECURRENCES: list[tuple[tuple[str, ...], Any, str]] = [
    (("interval",), 0, "trigger.interval: is 0"),
    (("schedule", "hours"), [3, 24], "trigger.schedule.hours: 24 is not in 0-23"),
    (("schedule", "minutes"), 60, "trigger.schedule.minutes: 60 is not in 0-59"),
    (("schedule", "month_days"), [0], "trigger.schedule.month_days: 0 is not in 1-31"),
    (("start_time",), "next week", "trigger.start_time: 'next week' is no time"),
]


@pytest.mark.parametrize("keys, value, says", RECURRENCES, ids=[says for _, _, says in RECURRENCES])
def test_a_wrong_recurrence_is_found(place: Place, keys: tuple[str, ...], value: Any, says: str) -> None:
    place.change("weekly.yml", "trigger", *keys, value=value)
    place.refusal("weekly.yml", says)


def test_an_end_before_the_start_is_found(place: Place) -> None:
    place.change("nightly.yml", "trigger", "end_time", value="2025-12-31T00:00:00Z")
    place.refusal("nightly.yml", "trigger.end_time: is not after start_time")


def test_an_input_that_the_job_does_not_have_is_found(place: Place) -> None:
    place.change("weekly.yml", "create_job", "inputs", "epoch", value=3)
    place.refusal("weekly.yml", "create_job.inputs.epoch: pipeline.yml has no such input: it has raw, epochs")
