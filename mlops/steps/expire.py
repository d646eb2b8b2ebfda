"""List the resource groups whose day is over, by the tag `ttl` that infra/ gives what was made for a pull request.

It prints the commands of az that delete them, and deletes nothing; --apply runs them one by one. Production is never
among them. It asks in the subscription that az is logged in to, as whoever that is, who has to be allowed to delete.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from datetime import date

from mlops.bootstrap.command import Command, answer, apply
from mlops.names import STAGES
from mlops.records import Outcome

NEEDS_STAGE = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whose groups, and whether they are deleted."""
    parser.add_argument("--name", required=True, help="the project's name in infra/, which its groups have as a tag")
    parser.add_argument("--apply", action="store_true", help="run the commands (default: print them)")


def run(say: Callable[[str], None], options: argparse.Namespace) -> int:
    """Print the commands, or run them."""
    query = f"[?tags.ttl && tags.project=='{options.name}' && tags.stage!='{STAGES[-1]}'].[name, tags.ttl]"
    told = answer(Command(("az", "group", "list", "--query", query, "--output", "tsv")))
    commands = list(_deletions(told, date.today(), say))
    if options.apply:
        apply(commands, say)
    else:
        for command in commands:
            say(command.text)
    say(f"# {len(commands)} resource groups are past their day")
    return Outcome.PROMOTE


def _deletions(told: str, today: date, say: Callable[[str], None]) -> Iterator[Command]:
    for line in told.splitlines():
        group, _, day = line.partition("\t")
        try:
            is_over = date.fromisoformat(day) < today
        except ValueError:
            say(f"# {group}: its tag ttl is '{day}', which is no day, as 2026-01-31: it stays")
            continue
        if is_over:
            yield Command(("az", "group", "delete", "--name", group, "--yes", "--no-wait"))
