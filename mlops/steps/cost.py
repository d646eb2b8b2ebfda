"""Make a pull request's comment of a plan: what is dangerous first, what changes, what it costs; hold it to a cap.

Exit codes: 0, or 2 where a month would cost more than --cap, or 1 where that can't be told for want of a price.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from mlops.ci import show_page
from mlops.config import REPOSITORY
from mlops.errors import ConfigError
from mlops.infra.change import KEEP
from mlops.infra.comment import comment, over
from mlops.infra.costs import Prices, estimate
from mlops.infra.dangers import dangers
from mlops.infra.plans import BICEP, TERRAFORM, read_plan
from mlops.loading import build, read_mapping, write_text
from mlops.records import Outcome

# A plan may be of what all stages share, which has no stage file.
NEEDS_STAGE = False
PRICES = REPOSITORY / "infra" / "prices.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the plan, the cap, and where prices and the comment are."""
    told = "what `terraform show -json PLAN` or `az deployment sub what-if --no-pretty-print` printed"
    parser.add_argument("--plan", type=Path, required=True, metavar="FILE", help=told)
    parser.add_argument("--language", choices=(TERRAFORM, BICEP), help="default: the plan says itself")
    parser.add_argument("--cap", type=float, metavar="AMOUNT", help="the most that a month may cost")
    parser.add_argument("--prices", type=Path, default=PRICES, metavar="FILE", help="default: infra/prices.yaml")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the comment there (default: show it)")
    parser.add_argument("--show", action="store_true", help="with --out: show it on the pipeline run's page, too")


def run(say: Callable[[str], None], options: argparse.Namespace) -> int:
    """Show or write the comment. Raises ConfigError on a plan or a price file that doesn't do, or a price missing."""
    prices = build(Prices, read_mapping(options.prices, "restore it from the template"), str(options.prices))
    changes = read_plan(options.plan, options.language)
    costs = estimate(changes, prices)
    found = dangers(change for change in changes if change.action != KEEP)
    text = comment(changes, found, costs, prices, options.cap)
    if options.out:
        write_text(options.out, text)
        if options.show:
            show_page(options.out, os.environ, say)
        say(f"{options.out}: written; {costs.price:,.0f} {prices.currency} a month, {len(found)} to look at")
    else:
        say(text)
    if over(costs, options.cap):
        return Outcome.REJECT
    if options.cap is not None and costs.unknown:
        raise ConfigError(f"{options.prices}: {costs.unknown[0].note}: add it, so that --cap can be judged")
    return Outcome.PROMOTE
