"""Logs a training to MLflow where the environment names a server (MLFLOW_TRACKING_URI); else to nobody.

Experiment and run come from MLflow's own variables (MLFLOW_EXPERIMENT_NAME, MLFLOW_RUN_ID), which Azure ML sets. A
server that fails costs one warning line and never the training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from vision.distributed import World

# MLflow's own defaults would hold the training for minutes at each call to a server that does not answer.
IMPATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


Log = Callable[[Mapping[str, float], int], None]  # takes the metrics and the number of an epoch


@contextmanager
def track(parameters: Mapping[str, Any], world: World, report: Callable[[str], None]) -> Iterator[Log]:
    """Give a function that logs the metrics of an epoch; only the first process's does anything."""
    tracking = _Tracking(report)
    if world.is_first and os.environ.get("MLFLOW_TRACKING_URI"):
        tracking.start(parameters)
    try:
        yield tracking.log
    except BaseException:
        tracking.end("FAILED")
        raise
    tracking.end("FINISHED")


class _Tracking:
    """One MLflow run. Silent before its start and after the first failure."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._mlflow: Any = None

    def start(self, parameters: Mapping[str, Any]) -> None:
        self._attempt(lambda: self._start(parameters))

    def log(self, metrics: Mapping[str, float], epoch: int) -> None:
        if self._mlflow:
            self._attempt(lambda: self._mlflow.log_metrics(dict(metrics), step=epoch))

    def end(self, status: str) -> None:
        if self._mlflow:
            self._attempt(lambda: self._mlflow.end_run(status))

    def _start(self, parameters: Mapping[str, Any]) -> None:
        for name, value in IMPATIENCE.items():
            os.environ.setdefault(name, value)
        import mlflow  # here, because it takes a second and most runs on a laptop have no server

        self._mlflow = mlflow
        mlflow.start_run()
        mlflow.log_params(dict(parameters))

    def _attempt(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:  # whatever a server, a network or a plugin raises: the training is worth more
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            self._report(f"warning: MLflow logging stopped ({reason}): check MLFLOW_TRACKING_URI; training goes on")
            failed, self._mlflow = self._mlflow, None
            with suppress(Exception):
                failed.end_run("FAILED")
