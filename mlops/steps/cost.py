"""Make a pull request's comment of plans: what is dangerous first, what changes, what it costs; hold each to a cap.

Exit codes: 0, or 2 where a month would cost more than --cap, or 1 where that can't be told: a price is missing, or the
plan has left something out. Whether the comment reached its pull request is said and changes none of them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from mlops.ci import show_page
from mlops.config import REPOSITORY
from mlops.context import comments
from mlops.errors import ConfigError, StepError
from mlops.infra.agreed import digest
from mlops.infra.change import KEEP
from mlops.infra.comment import comment, over
from mlops.infra.costs import Cost, Estimate, Prices, estimate
from mlops.infra.dangers import dangers
from mlops.infra.plans import BICEP, TERRAFORM, read_plan
from mlops.loading import build, read_mapping, write_text
from mlops.origin import here
from mlops.records import Outcome

# A plan may be of what all stages share, which has no stage file.
NEEDS_STAGE = False
PRICES = REPOSITORY / "infra" / "prices.yaml"
KEY = "visionline/plan"
CAP = "VISIONLINE_CAP"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the plans, the cap, and where prices and the comment are."""
    told = "what `terraform show -json PLAN` or `az deployment sub what-if --no-pretty-print` printed; may be repeated"
    parser.add_argument("--plan", type=Path, action="append", required=True, metavar="FILE", help=told)
    parser.add_argument("--language", choices=(TERRAFORM, BICEP), help="default: the plan says itself")
    most = f"the most that a month of any plan may cost (default: {CAP}, else any)"
    parser.add_argument("--cap", type=float, metavar="AMOUNT", help=most)
    parser.add_argument("--prices", type=Path, default=PRICES, metavar="FILE", help="default: infra/prices.yaml")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the comment there (default: show it)")
    parser.add_argument("--show", action="store_true", help="with --out: show it on the pipeline run's page, too")
    own = "write it on the pull request that the pipeline runs for, or change what stands there"
    parser.add_argument("--comment", action="store_true", help=own)
    parser.add_argument("--digest", type=Path, metavar="FILE", help="write there what tells these changes from others")
    same = "apply nothing else: refuse changes that are not those that this file of --digest was written of"
    parser.add_argument("--agreed", type=Path, metavar="FILE", help=same)


def run(say: Callable[[str], None], options: argparse.Namespace) -> int:
    """Show or write the comment. Raises ConfigError on a plan or a price file that doesn't do, or a price missing.

    And on other changes than were agreed to, before anything is shown.
    """
    found = digest(one for path in options.plan for one in read_plan(path, options.language))
    if options.agreed:
        _compare(found, options.agreed)
    prices = build(Prices, read_mapping(options.prices, "restore it from the template"), str(options.prices))
    cap = options.cap if options.cap is not None else _team_cap()
    told = [_of_plan(path, options, prices, cap) for path in options.plan]
    text = "\n".join(words for words, _ in told)
    if options.out:
        write_text(options.out, text)
        if options.show:
            show_page(options.out, os.environ, say)
        total = sum(costs.price for _, costs in told)
        say(f"{options.out}: written; {total:,.0f} {prices.currency} a month")
    else:
        say(text)
    if options.digest:
        write_text(options.digest, f"{found}\n")
    if options.comment:
        say(_commented(text))
    return _verdict([costs for _, costs in told], options, cap)


def _compare(found: str, agreed: Path) -> None:
    try:
        wanted = agreed.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{agreed}: cannot be read ({error.strerror}): plan first, with --digest") from None
    if found != wanted:
        raise ConfigError(f"{agreed}: other changes were agreed to than would be made now: run infra anew, and read it")


def _team_cap() -> float | None:
    """Return the cap that a team's pipelines set. Raises ConfigError where it is no amount."""
    text = os.environ.get(CAP, "")
    try:
        return float(text) if text else None
    except ValueError:
        raise ConfigError(f"{CAP}: '{text}' is no amount: write a number, as 500") from None


def _of_plan(path: Path, options: argparse.Namespace, prices: Prices, cap: float | None) -> tuple[str, Estimate]:
    """Return what is said of a plan, and what it costs; of several plans each bears its file's name."""
    changes = read_plan(path, options.language)
    costs = estimate(changes, prices)
    found = dangers(change for change in changes if change.action != KEEP)
    title = "Infrastructure" if len(options.plan) == 1 else f"Infrastructure, {path.stem}"
    return comment(title, changes, found, costs, prices, cap), costs


def _commented(text: str) -> str:
    """Write the comment on the pull request, and return a line that says whether it got there."""
    origin = here()
    if origin is None or not origin.pull_request:
        return "no comment: this is no pipeline's run for a pull request"
    try:
        return f"the pull request's comment: {comments(origin.host).show(KEY, text, origin)}"
    except StepError as error:
        return f"not shown on the pull request: {error}"


def _verdict(costs: list[Estimate], options: argparse.Namespace, cap: float | None) -> int:
    if any(over(one, cap) for one in costs):
        return Outcome.REJECT
    unknown = [missing for one in costs for missing in one.unknown]
    if cap is not None and unknown:
        raise ConfigError(_unjudged(unknown[0], options.prices))
    return Outcome.PROMOTE


def _unjudged(missing: Cost, prices: Path) -> str:
    """Return why --cap can't be judged, and what to do."""
    if missing.is_seen:
        return f"{prices}: {missing.note}: add it, so that --cap can be judged"
    way_out = "give it parameters that are known before the deployment (aka.ms/WhatIfEvalStopped), or set no cap"
    return f"{missing.place}: {missing.note}, so --cap can't be judged: {way_out}"
