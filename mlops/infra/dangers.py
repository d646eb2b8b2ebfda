"""What in a plan a person should look at first: lost data, deletions, doors that open, rights that are given. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlops.infra.change import CREATE, DELETE, KEEP, REPLACE, UNCLEAR, UPDATE, Change, State, first_at, value_at
from mlops.infra.roles import STRONG, role_name

TRUST = "microsoft.managedidentity/userassignedidentities/federatedidentitycredentials"
ROLE = "microsoft.authorization/roledefinitions"
ROLE_ASSIGNMENT = "microsoft.authorization/roleassignments"
# Kinds that hold what nobody can make again: models, frames, images, keys, records.
DATA = {
    "microsoft.storage/storageaccounts": "frames, data sets and models",
    "microsoft.storage/storageaccounts/blobservices/containers": "frames, data sets and models",
    "microsoft.keyvault/vaults": "secrets and keys",
    "microsoft.containerregistry/registries": "images",
    "microsoft.machinelearningservices/workspaces": "jobs, models and endpoints",
    "microsoft.machinelearningservices/registries": "models that stages share",
    "microsoft.operationalinsights/workspaces": "logs",
    "microsoft.monitor/accounts": "metrics",
}
# Attribute, the value that opens a door, and what it then does; Terraform's name and Azure's of each.
OPEN = (
    ("public_network_access_enabled", True, "is reached from the internet"),
    ("properties.publicNetworkAccess", "Enabled", "is reached from the internet"),
    ("network_rules.0.default_action", "Allow", "lets every network in"),
    ("network_acls.0.default_action", "Allow", "lets every network in"),
    ("network_rule_set.0.default_action", "Allow", "lets every network in"),
    ("properties.networkRuleSet.defaultAction", "Allow", "lets every network in"),
    ("properties.networkAcls.defaultAction", "Allow", "lets every network in"),
    ("allow_nested_items_to_be_public", True, "lets containers be read by anybody"),
    ("properties.allowBlobPublicAccess", True, "lets containers be read by anybody"),
    ("anonymous_pull_enabled", True, "lets anybody pull images"),
    ("properties.anonymousPullEnabled", True, "lets anybody pull images"),
    ("admin_enabled", True, "has an admin user"),
    ("properties.adminUserEnabled", True, "has an admin user"),
    ("shared_access_key_enabled", True, "lets in whoever holds a key"),
    ("properties.allowSharedKeyAccess", True, "lets in whoever holds a key"),
    ("local_account_disabled", False, "has local accounts"),
    ("properties.disableLocalAccounts", False, "has local accounts"),
    ("purge_protection_enabled", False, "can be purged"),
)
_RANKS = ("loses data", "deleted", "replaced", "opened", "any right", "right", "unclear", "public from the start")


@dataclass(frozen=True)
class Danger:
    """One thing to look at, in words, the worst having the lowest rank."""

    rank: int
    place: str
    words: str


def dangers(changes: Iterable[Change]) -> list[Danger]:
    """Return what to look at, the worst first, else in the plan's order."""
    found = (danger for change in changes for danger in _dangers(change))
    return sorted(found, key=lambda danger: danger.rank)


def _dangers(change: Change) -> Iterator[Danger]:
    kind = change.kind.lower()
    if kind in _RIGHTS and change.action not in (DELETE, KEEP):
        yield from _of_right(change, kind)
    if kind == ROLE_ASSIGNMENT:
        yield from _of_role(change)
    elif change.action in (DELETE, REPLACE):
        yield _of_loss(change, DATA.get(kind))
    elif change.action == UNCLEAR:
        yield _danger("unclear", change, f"can't be told before it is deployed: {change.cause}")
    if change.action in (UPDATE, REPLACE):
        yield from (_danger("opened", change, words) for words in _opened(change.before, change.after))
    elif change.action == CREATE:
        yield from (_danger("public from the start", change, f"new, and {w}") for w in _opened({}, change.after))


def _of_loss(change: Change, data: str | None) -> Danger:
    verb = "deleted" if change.action == DELETE else "deleted and made anew"
    if data:
        return _danger("loses data", change, f"{verb}, with its {data}")
    return _danger("deleted" if change.action == DELETE else "replaced", change, f"{verb}{_because(change)}")


def _because(change: Change) -> str:
    return f" ({', '.join(change.paths[:5])})" if change.action == REPLACE and change.paths else ""


def _of_role(change: Change) -> Iterator[Danger]:
    if change.action in (CREATE, DELETE, UPDATE, REPLACE, UNCLEAR):
        state = change.after or change.before
        role = role_name(str(first_at(state, *ROLE_PATHS) or "a role that is not known yet"))
        if change.action == DELETE:
            yield _danger("right", change, f"takes away {role}")
        elif role in STRONG:
            yield _danger("any right", change, f"gives {role}: with it one can do almost anything")
        else:
            yield _danger("right", change, f"gives {role}")


ROLE_PATHS = ("role_definition_name", "role_definition_id", "properties.roleDefinitionId")


def _of_right(change: Change, kind: str) -> Iterator[Danger]:
    """Yield who may act as an identity, or what a role may do, where that is new: either may be any right."""
    words, before = (_RIGHTS[kind](state) for state in (change.after, change.before))
    if words != before or change.action == CREATE:
        yield _danger("any right", change, words)


def _trust(state: State) -> str:
    subject, issuer = (first_at(state, name, f"properties.{name}") for name in ("subject", "issuer"))
    return f"trusts {_literal(subject)} of {_literal(issuer)}, who may do what this identity may"


def _role(state: State) -> str:
    allowed, withheld = (_listed(state, *names) for names in (ALLOWED, WITHHELD))
    return f"is a role that may do {_literal(allowed)}{f', and not {_literal(withheld)}' if withheld else ''}"


def _listed(state: State, *names: str) -> str:
    parts = first_at(state, "permissions", "properties.permissions") or ()
    return ", ".join(one for part in parts for name in names for one in value_at(part, name) or ())


def _literal(said: object) -> str:
    # A star is Markdown's own sign, too, and actions are full of them.
    return f"`{str(said or 'what is not known yet').replace('`', '')}`"


ALLOWED = ("actions", "data_actions", "dataActions")
WITHHELD = ("not_actions", "notActions", "not_data_actions", "notDataActions")
_RIGHTS = {TRUST: _trust, ROLE: _role}


def _opened(before: State, after: State) -> Iterator[str]:
    said = set()
    for path, value, words in OPEN:
        if value_at(after, path) == value and value_at(before, path) != value and words not in said:
            said.add(words)
            yield words


def _danger(rank: str, change: Change, words: str) -> Danger:
    return Danger(_RANKS.index(rank), change.place, words)
