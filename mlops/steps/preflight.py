"""Look whether all that a stage's steps need is there, before anything is spent. It starts nothing and changes nothing.

A line per check: ok, warning or failure, with what to do. The exit code is 1 where one fails.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from mlops.context import Context
from mlops.origin import here
from mlops.ports import CheckLine
from mlops.preflight import approvals, kubeconfig, retired, stagefile
from mlops.preflight.line import failed, guarded, warning
from mlops.records import Outcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how to show it."""
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(context: Context, options: argparse.Namespace) -> int:
    """Look, and exit by what was found."""
    found = []
    for line in lines(context):
        found.append(line)
        if not options.json:
            context.report(f"{line.state:<8}  {line.check:<18}  {line.text}")
    if options.json:
        shown = {"stage": context.stage.name, "ok": not failed(found), "lines": [asdict(line) for line in found]}
        context.report(json.dumps(shown, indent=2))
    return Outcome.ERROR if failed(found) else Outcome.PROMOTE


def lines(context: Context) -> Iterator[CheckLine]:
    """Yield a line per check, as soon as it is known."""
    stage, of_file = context.stage, list(stagefile.lines(context.stage))
    yield from of_file
    yield from context.preflight("local").lines()
    yield from retired.own_lines(stage)
    if stage.images.registry:
        yield from context.preflight("images").lines()
    if stagefile.uses_azure(stage):
        yield from _azure(context, is_complete=not failed(of_file))
    if stage.target == "kubernetes" or (stage.target == "flux" and stage.flux.wait):
        yield from _cluster(context)
    if stage.target == "flux":
        yield from context.preflight("flux").lines()
    yield from guarded(approvals.CHECK, _approvals(context))


def _azure(context: Context, is_complete: bool) -> Iterator[CheckLine]:
    if is_complete:
        yield from context.preflight("azureml").lines()
    else:
        yield warning("azure", "not looked at: complete the stage file first")


def _cluster(context: Context) -> Iterator[CheckLine]:
    path, kubernetes = _kubeconfig(), context.stage.kubernetes
    is_within = kubernetes.context is None and not path.exists() and "KUBERNETES_SERVICE_HOST" in os.environ
    found = [] if is_within or kubernetes.aks else list(kubeconfig.lines(path, kubernetes.context))
    yield from found
    if context.stage.target == "kubernetes" and not failed(found):
        yield from context.preflight("kubernetes").lines()


def _approvals(context: Context) -> Iterator[CheckLine]:
    name, origin = context.stage.name, here()
    if origin is not None:
        yield from context.approvals(origin.host).lines(name, origin)
    elif context.stage.platform != "local":
        yield from approvals.unknown(name, "only a pipeline knows where its environments are: run this in one")


def _kubeconfig() -> Path:
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube" / "config"
