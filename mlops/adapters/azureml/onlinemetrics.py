"""How many requests each deployment of an endpoint answered, and how many of them failed by the model's fault.

Azure Monitor counts them by minute, and says so some minutes later: what is not there yet counts 0. It counts each
request, those of a verification too. Azure ML answers 424 where the model's server answered anything but 200; what
that was, modelStatusCode says, and where it is a 4xx the client is to blame.

Sources: learn.microsoft.com, "Supported metrics for Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
(RequestsPerMinute, Average, PT1M; dimensions deployment, statusCode, statusCodeClass, modelStatusCode); the Azure
Monitor REST API, "Metrics - List"; "Troubleshoot online endpoints deployment and scoring", HTTP status codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mlops.adapters.azureml.arm import Arm

API_VERSION = "2018-01-01"
METRIC = "RequestsPerMinute"
DIMENSIONS = ("deployment", "statusCode", "modelStatusCode")
MOST_SERIES = "1000"
LONGEST = timedelta(days=1)
TIMED_OUT, MODEL_ERROR, SERVER_ERROR = 408, 424, 500


def count(arm: Arm, endpoint_id: str, started: Mapping[str, datetime], now: datetime) -> dict[str, tuple[int, int]]:
    """Return requests and errors by deployment since each was started, at most since a day before `now`.

    Raises StepError where Azure Monitor does not answer: without its numbers no canary can be judged.
    """
    if not started:
        return {}
    begins = {name: max(since, now - LONGEST).replace(second=0, microsecond=0) for name, since in started.items()}
    query = {
        "metricnames": METRIC,
        "timespan": f"{_text(min(begins.values()))}/{_text(datetime.now(UTC) + timedelta(minutes=1))}",
        "interval": "PT1M",
        "aggregation": "Average",
        "$filter": " and ".join(f"{name} eq '*'" for name in DIMENSIONS),
        "top": MOST_SERIES,
    }
    answer = arm.get(f"{endpoint_id}/providers/Microsoft.Insights/metrics", API_VERSION, **query)
    series = [one for metric in answer["value"] for one in metric["timeseries"]]
    return {
        name: _counts([one for one in series if _of(one)["deployment"] == name], since)
        for name, since in begins.items()
    }


def is_error(status: str, model_status: str) -> bool:
    """Tell whether an answer with these status codes, as Azure Monitor words them, is the model's fault."""
    code = _number(status)
    if code == MODEL_ERROR:
        return not 400 <= _number(model_status) < 500
    return code == TIMED_OUT or code >= SERVER_ERROR


def _counts(series: list[Any], since: datetime) -> tuple[int, int]:
    totals = [(_of(one), _total(one, since)) for one in series]
    errors = sum(total for named, total in totals if is_error(named["statuscode"], named["modelstatuscode"]))
    return round(sum(total for _, total in totals)), round(errors)


def _of(series: Any) -> dict[str, str]:
    empty = {name.lower(): "" for name in DIMENSIONS}
    return {**empty, **{one["name"]["value"].lower(): str(one["value"]) for one in series["metadatavalues"]}}


def _total(series: Any, since: datetime) -> float:
    points = (point for point in series["data"] if datetime.fromisoformat(point["timeStamp"]) >= since)
    return float(sum(point.get("average") or 0.0 for point in points))


def _number(code: str) -> int:
    return int(code) if code.isdigit() else 0


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
