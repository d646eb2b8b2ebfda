"""summary.json: the run's figures under names that stay; and the dozen lines that a person reads.

A figure that the run does not hold is null, and named under `missing`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops.report import words
from mlops.report.collect import ModelRun, Run
from mlops.report.story import rollback_of, serving, shown_model

FIGURES = (
    "accuracy_fp32",
    "accuracy_int8",
    "parity_max_abs_diff",
    "stream_accuracy",
    "requests_total",
    "requests_failed",
    "rollback_seconds",
    "wall_seconds",
    "steps",
    "model_version",
    "data_version",
)


def summarise(run: Run) -> dict[str, Any]:
    """Return each of FIGURES, and under `missing` the names of those that are null.

    Shares are in 0..1, durations in seconds; accuracies and parity are those of the model that the report shows.
    """
    rollback, now = rollback_of(run), serving(run)
    found = {
        **_model_figures(shown_model(run)),
        **_request_figures(run),
        "stream_accuracy": run.stream.figures.accuracy if run.stream else None,
        "rollback_seconds": rollback.seconds if rollback else None,
        "wall_seconds": run.demo.wall_seconds if run.demo else None,
        "steps": _steps(run) or None,
        "model_version": now[1] if now else _newest_version(run),
        "data_version": _data_version(run),
    }
    figures = {name: _known(found[name]) for name in FIGURES}
    return {**figures, "missing": [name for name, value in figures.items() if value is None]}


def lines(summary: Mapping[str, Any], page: Path) -> list[str]:
    """Return the summary for a person: aligned, one figure a line, the report's path last."""
    slowest = max((summary["steps"] or {}).items(), key=lambda step: step[1], default=None)
    rows = {
        "model version": _shown(summary["model_version"]),
        "data version": _shown(summary["data_version"]),
        "accuracy fp32": words.percent(summary["accuracy_fp32"], 2),
        "accuracy int8": words.percent(summary["accuracy_int8"], 2),
        "parity": f"{_shown(summary['parity_max_abs_diff'], '.2g')} largest difference of logits",
        "stream accuracy": words.percent(summary["stream_accuracy"]),
        "requests": f"{words.count(summary['requests_total'])}, failed {words.count(summary['requests_failed'])}",
        "rollback": words.seconds(summary["rollback_seconds"]),
        "wall time": words.seconds(summary["wall_seconds"]),
        "slowest step": f"{slowest[0]}, {words.seconds(slowest[1])}" if slowest else words.DASH,
        "missing": ", ".join(summary["missing"]) or "nothing",
        "report": str(page),
    }
    return [f"{name:16} {text}" for name, text in rows.items()]


def _model_figures(model: ModelRun | None) -> dict[str, float | None]:
    challenger = model.evaluation.challenger if model and model.evaluation else None
    variants = challenger.variants if challenger else {}
    fp32, int8 = variants.get("fp32"), variants.get("int8")
    parity = challenger.parity.get("fp32") if challenger else None
    return {
        "accuracy_fp32": fp32.accuracy if fp32 else None,
        "accuracy_int8": int8.accuracy if int8 else None,
        "parity_max_abs_diff": parity.max_abs_diff if parity else None,
    }


def _request_figures(run: Run) -> dict[str, int | None]:
    """Return what the clients counted; where they were killed before they wrote it down, what their log holds."""
    if run.load:
        return {"requests_total": run.load.requests_total, "requests_failed": run.load.requests_failed}
    return {
        "requests_total": len(run.log.requests) if run.log else None,
        "requests_failed": run.log.failed if run.log else None,
    }


def _steps(run: Run) -> dict[str, float]:
    if run.demo:
        return run.demo.steps
    job = run.own.train.steps.items() if run.own.train else ()
    deployed = {f"deploy {stage}": record.seconds for stage, record in run.own.deployments.items()}
    return {name: step.seconds for name, step in job} | deployed


def _newest_version(run: Run) -> int | None:
    return max((model.version for model in run.models if model.version is not None), default=None)


def _data_version(run: Run) -> str | None:
    if run.demo:
        return run.demo.data_version
    registered = [model.registration.data_version for model in run.models if model.registration]
    return registered[-1] if registered else run.own.data.version if run.own.data else None


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Any, form: str = "") -> str:
    return words.DASH if value is None else format(value, form)
