"""Set a repository up for its pipelines: environments with reviewers, branch rules, variables, federated credentials.

It prints the commands of gh and az that do it, as a script, and runs none; --apply runs them one by one and stops at
the first that fails. They may be run again. With --name, Azure's identities are set up too: apply infra/ once before.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from mlops.bootstrap import azuredevops, github
from mlops.bootstrap.command import Command, apply, script
from mlops.bootstrap.plan import Plan
from mlops.branches import BRANCHES, SETTING
from mlops.config import HOSTS, load_stage
from mlops.errors import ConfigError
from mlops.names import STAGES
from mlops.records import Outcome

NEEDS_STAGE = False
NOBODY = "none"
UNASKED = "--reviewer none: nobody is asked before qa and production change, nor before infra/ is applied from main"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add for which repository, and who agrees."""
    parser.add_argument("--ci", required=True, choices=HOSTS, help="whose pipelines run")
    where = "OWNER/NAME on GitHub, ORGANIZATION/PROJECT/NAME on Azure DevOps"
    parser.add_argument("--repository", required=True, help=where)
    who = (
        "who agrees in qa and production, once each: User:NUMBER or Team:NUMBER on GitHub, an identity's id else; none"
    )
    parser.add_argument("--reviewer", action="append", default=[], help=who)
    parser.add_argument("--name", help="the project's name in infra/, for identities in Azure (default: none)")
    way = f"the way to work (default: {SETTING}, else branches)"
    parser.add_argument("--branches", choices=tuple(BRANCHES), help=way)
    parser.add_argument("--apply", action="store_true", help="run the commands (default: print them)")


def run(say: Callable[[str], None], options: argparse.Namespace) -> int:
    """Print the commands, or run them."""
    commands = commands_of(options)
    if options.reviewer == [NOBODY]:
        say(f"# {UNASKED}")
    if options.apply:
        apply(commands, say)
        say(f"{len(commands)} commands: all is set up")
    else:
        for line in script(commands):
            say(line)
    return Outcome.PROMOTE


def commands_of(options: argparse.Namespace) -> list[Command]:
    """Return what sets the repository up. Raises ConfigError where a name can't be one, or nobody is named to agree."""
    way = options.branches or os.environ.get(SETTING) or "branches"
    if way not in BRANCHES:
        raise ConfigError(f"{SETTING}: '{way}' is unknown: use one of {', '.join(BRANCHES)}")
    subscriptions = {stage: load_stage(stage).azureml.subscription for stage in STAGES}
    plan = Plan(options.repository, way, _reviewers(options.reviewer), options.name, subscriptions)
    try:
        return github.commands(plan) if options.ci == HOSTS[0] else azuredevops.commands(plan)
    except ValueError:
        raise ConfigError(f"--name {options.name}: use 3 to 12 small letters and digits, as for infra/") from None


def _reviewers(named: list[str]) -> tuple[str, ...]:
    if not named:
        raise ConfigError(f"--reviewer: name who agrees to a release to production, or say `--reviewer {NOBODY}`")
    return () if named == [NOBODY] else tuple(named)
