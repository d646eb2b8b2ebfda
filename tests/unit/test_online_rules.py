"""The online target's pure rules: names of deployments, valid mirrors, whose fault an answer or a failure is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mlops.adapters.azureml import onlinewait
from mlops.adapters.azureml.arm import Arm
from mlops.adapters.azureml.onlineauth import Authorization
from mlops.adapters.azureml.onlinemetrics import count, is_error
from mlops.adapters.azureml.onlinespec import code_folder, deployment_name, mirrored, version_of
from mlops.adapters.azureml.onlinewait import Conflict, converged, settled
from mlops.errors import TargetError

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(("version", "name"), [(1, "v01"), (9, "v09"), (12, "v12"), (123, "v123")])
def test_a_deployments_name_has_three_characters_at_least_and_tells_its_version(version: int, name: str) -> None:
    assert deployment_name(version) == name
    assert version_of(name) == version


@pytest.mark.parametrize("name", ["blue", "v1", "v012", "v", "vv1", "v1a", "v-1", "v²", "12"])
def test_a_name_that_is_not_ours_tells_no_version(name: str) -> None:
    assert version_of(name) is None


@pytest.mark.parametrize(
    ("traffic", "deployed", "kept"),
    [
        ({"v01": 100}, {"v01", "v02"}, {"v02": 20}),
        ({"v01": 90, "v02": 10}, {"v01", "v02"}, {}),
        ({"v01": 100}, {"v01"}, {}),
    ],
)
def test_a_mirror_is_kept_while_its_deployment_is_there_and_has_no_traffic(
    traffic: dict[str, int], deployed: set[str], kept: dict[str, int]
) -> None:
    assert mirrored({"v02": 20}, traffic, deployed) == kept


@pytest.mark.parametrize(
    ("status", "model_status", "expected"),
    [
        ("200", "200", False),
        ("424", "500", True),
        ("424", "", True),
        ("424", "400", False),
        ("424", "413", False),
        ("408", "", True),
        ("502", "", True),
        ("503", "", True),
        ("401", "", False),
        ("404", "", False),
        ("429", "", False),
        ("unknown", "", False),
    ],
)
def test_an_error_is_the_models_and_not_the_clients(status: str, model_status: str, expected: bool) -> None:
    assert is_error(status, model_status) is expected


class Monitor(Arm):
    """Answers the metrics that it is given, and keeps what it was asked."""

    def __init__(self, *series: Any) -> None:
        object.__setattr__(self, "series", series)
        object.__setattr__(self, "asked", [])

    def get(self, path: str, api_version: str, **query: str) -> Any:
        self.asked.append(query)  # type: ignore[attr-defined]
        return {"value": [{"timeseries": list(self.series)}]}  # type: ignore[attr-defined]


def series(deployment: str, status: str, *points: tuple[str, float | None]) -> dict[str, Any]:
    named = {"Deployment": deployment, "StatusCode": status}
    values = [{"name": {"value": key}, "value": value} for key, value in named.items()]
    data = [{"timeStamp": f"2026-11-21T{time}:00Z", **({} if n is None else {"average": n})} for time, n in points]
    return {"metadatavalues": values, "data": data}


def test_requests_are_summed_over_the_minutes_since_each_deployment_was_started() -> None:
    monitor = Monitor(
        series("v01", "200", ("11:00", 5.0), ("11:30", 3.0), ("11:31", None)),
        series("v01", "503", ("11:30", 2.0)),
        series("v02", "200", ("11:00", 7.0), ("11:59", 1.0)),
    )
    started = {"v01": NOW - timedelta(hours=2), "v02": NOW - timedelta(minutes=5), "v03": NOW}
    assert count(monitor, "/e", started, NOW) == {"v01": (10, 2), "v02": (1, 0), "v03": (0, 0)}
    asked = monitor.asked[0]  # type: ignore[attr-defined]
    assert asked["$filter"] == "deployment eq '*' and statusCode eq '*' and modelStatusCode eq '*'"
    assert asked["timespan"].startswith("2026-11-21T10:00:00Z/") and int(asked["top"]) > 10


def test_an_old_deployment_is_counted_for_a_day() -> None:
    monitor = Monitor()
    assert count(monitor, "/e", {"v01": NOW - timedelta(days=90)}, NOW) == {"v01": (0, 0)}
    assert monitor.asked[0]["timespan"].startswith("2026-11-20T12:00:00Z/")  # type: ignore[attr-defined]


def test_where_nothing_is_deployed_azure_monitor_is_not_asked() -> None:
    monitor = Monitor()
    assert count(monitor, "/e", {}, NOW) == {} and monitor.asked == []  # type: ignore[attr-defined]


def test_what_is_being_changed_is_waited_for_and_what_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["Creating", "Updating", "Succeeded"])
    seen = settled(lambda: SimpleNamespace(provisioning_state=next(states)), "it")
    assert seen is not None and seen.provisioning_state == "Succeeded"
    assert settled(lambda: None, "it") is None
    monkeypatch.setattr(onlinewait, "DEADLINE_SECONDS", 0.0)
    with pytest.raises(TargetError, match="it is stuck in Deleting.*studio"):
        settled(lambda: SimpleNamespace(provisioning_state="Deleting"), "it")


def test_a_conflict_is_looked_at_again_and_no_more_than_three_times() -> None:
    done: list[int] = []

    def work() -> None:
        done.append(1)
        if len(done) != 3:
            raise Conflict("another operation")

    converged(work)
    assert len(done) == 3
    with pytest.raises(Conflict):
        converged(work)
    assert len(done) == 6


def test_a_key_is_not_in_the_representation_of_what_holds_it() -> None:
    assert repr(Authorization(lambda: None, "e", "hunter2")) == "Authorization('e')"  # type: ignore[arg-type]


def test_the_uploaded_code_is_what_the_script_needs_and_the_same_each_time() -> None:
    listed = []
    for _ in range(2):
        with code_folder() as folder:
            listed.append(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))
    assert listed[0] == listed[1]
    assert {"serving/azureml/online.py", "serving/model.py", "modelpackage/release.py"} <= set(listed[0])
    assert not [name for name in listed[0] if "__pycache__" in name or name.startswith(("vision", "serving/streams"))]
