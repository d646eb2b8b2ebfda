"""List the resource groups whose day is over, by the tag `ttl` that infra/ gives what was made for a pull request.

It prints the commands of az that delete them, and deletes nothing; --apply runs them one by one. Before a group go the
roles that were made for it and who was given them, since some stand on the subscription. Production is never among
them. It asks in the subscription that az is logged in to, as whoever that is, who has to be allowed to delete. It does
not look into Terraform's state, whose blob it only names.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from datetime import date

from mlops.bootstrap.command import Command, answer, apply
from mlops.config import REPOSITORY
from mlops.names import RESOURCE_NAMES, STAGES
from mlops.records import Outcome

NEEDS_STAGE = False
BACKEND = REPOSITORY / "infra" / "terraform" / "state.tfbackend"
AS_TEXT = ("--output", "tsv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whose groups, and whether they are deleted."""
    parser.add_argument("--name", required=True, help="the project's name in infra/, which its groups have as a tag")
    parser.add_argument("--apply", action="store_true", help="run the commands (default: print them)")


def run(say: Callable[[str], None], options: argparse.Namespace) -> int:
    """Print the commands, or run them."""
    query = f"[?tags.ttl && tags.project=='{options.name}' && tags.stage!='{STAGES[-1]}'].[name, tags.ttl, tags.stage]"
    told = answer(Command(("az", "group", "list", "--query", query, *AS_TEXT)))
    groups = list(_over(told, date.today(), say))
    commands = [command for group, stage in groups for command in _deletions(options.name, group, stage)]
    if options.apply:
        apply(commands, say)
    else:
        for command in commands:
            say(command.text)
    if groups and BACKEND.exists():
        say(f"# Terraform's state stays till somebody deletes it, too: {_state(options.name)}")
    say(f"# {len(groups)} resource groups are past their day")
    return Outcome.PROMOTE


def _over(told: str, today: date, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Yield group and stage of what is past its day."""
    for line in told.splitlines():
        group, day, stage = line.split("\t")
        try:
            is_over = date.fromisoformat(day) < today
        except ValueError:
            say(f"# {group}: its tag ttl is '{day}', which is no day, as 2026-01-31: it stays")
            continue
        if is_over:
            yield group, stage


def _deletions(name: str, group: str, stage: str) -> Iterator[Command]:
    """Yield what deletes a stage, its group last: while that is there, this finds what an earlier run has left."""
    own = f" of {RESOURCE_NAMES['workspace'].format(name=name, stage=stage)}"  # so infra/ calls the roles that it makes
    query = f"[?roleDefinitionName && ends_with(roleDefinitionName, '{own}')].id"
    given = answer(Command(("az", "role", "assignment", "list", "--all", "--query", query, *AS_TEXT)))
    for one in given.splitlines():
        yield Command(("az", "role", "assignment", "delete", "--ids", one))
    listed = ("az", "role", "definition", "list", "--custom-role-only", "true", "--resource-group", group)
    query = f"[?ends_with(roleName, '{own}')].[name, assignableScopes[0]]"
    for line in answer(Command((*listed, "--query", query, *AS_TEXT))).splitlines():
        role, _, scope = line.partition("\t")
        yield Command(("az", "role", "definition", "delete", "--name", role, "--scope", scope))
    yield Command(("az", "group", "delete", "--name", group, "--yes", "--no-wait"))


def _state(name: str) -> str:
    """Return the command that deletes the blob with the state of what was made under a name of its own."""
    said = dict(re.findall(r'^(\w+)\s*=\s*"(.*)"', BACKEND.read_text(encoding="utf-8"), re.MULTILINE))
    account, container = (said.get(f"{what}_name", what.upper()) for what in ("storage_account", "container"))
    where = ("--account-name", account, "--container-name", container)
    return Command(
        ("az", "storage", "blob", "delete", *where, "--name", f"{name}.tfstate", "--auth-mode", "login")
    ).text
