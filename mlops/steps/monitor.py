"""Look whether a stage is well: preflight as an alarm for rot, the endpoint, drift of the streams, untold trainings.

Each cause becomes one open issue (GitHub) or work item (Azure DevOps) where the stage file's `report` says so: changed
while it lasts, closed when it is gone. The exit code is 1 where something was found and nobody but this run was told.
"""

from __future__ import annotations

import argparse
import os

from mlops.ci import has_pages, show_page
from mlops.context import Context
from mlops.loading import write_text
from mlops.markdown import table
from mlops.names import stage_record
from mlops.origin import here
from mlops.records import Outcome, write_record
from mlops.steps import preflight
from mlops.watching import Limits, Watch, look, settle

SOURCES = "VISIONLINE_DRIFT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the streams' drift summaries are, and the limits."""
    where = f"a file or https address of JSON lines, once each (default: those in {SOURCES}, a blank between)"
    parser.add_argument("--drift", action="append", metavar="SOURCE", help=where)
    parser.add_argument("--since", metavar="HOURS", type=float, default=24.0, help="how far to look back (default: 24)")
    parser.add_argument("--max-psi", type=float, default=0.2, help="above it a stream has drifted (default: 0.2)")
    errors = "share of live requests that may fail (default: 0.01)"
    parser.add_argument("--max-error-rate", type=float, default=0.01, help=errors)


def run(context: Context, options: argparse.Namespace) -> int:
    """Look, say what is wrong, and let people know."""
    sources = options.drift or os.environ.get(SOURCES, "").split()
    limits = Limits(options.since, options.max_psi, options.max_error_rate)
    watch = look(context, lambda: list(preflight.lines(context)), sources, limits)
    write_record(context.run, stage_record("monitor", context.stage.name), watch)
    _show(context, watch)
    origin = here()
    if context.stage.report == "none" or origin is None:
        return Outcome.ERROR if watch.findings else Outcome.PROMOTE
    settle(context, context.tracker, watch, origin, context.secrets)
    return Outcome.PROMOTE


def page_of(stage: str, watch: Watch) -> str:
    """Return the report: what is wrong, in Markdown."""
    parts = [f"# {stage}: {len(watch.findings) or 'no'} finding{'' if len(watch.findings) == 1 else 's'}"]
    rows = [(one.title, "; ".join(one.details)) for one in watch.findings]
    parts += [table(("what", "seen"), rows)] if rows else []
    return "\n\n".join([*parts, f"Looked at whole: {', '.join(watch.areas) or 'nothing'}."]) + "\n"


def _show(context: Context, watch: Watch) -> None:
    for one in watch.findings:
        for detail in one.details:
            context.report(f"{one.title}: {detail}")
    context.report(f"{context.stage.name}: {len(watch.findings)} findings; looked at whole: {', '.join(watch.areas)}")
    page = context.run / f"{stage_record('monitor', context.stage.name)}.md"
    write_text(page, page_of(context.stage.name, watch))
    if has_pages(os.environ):
        show_page(page, os.environ, context.report)
