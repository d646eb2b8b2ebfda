"""Identities in Azure that pipelines use without a secret: each trusts one environment of one repository.

Those of the stages are made by infra/, which is applied once by a person before this; the one that only reads is made
here. Source: learn.microsoft.com, "az identity federated-credential", "az role assignment create".
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from mlops.bootstrap.command import Command
from mlops.bootstrap.plan import AUDIENCE, OPERATIONS, Plan, variable
from mlops.names import STAGES

READS = ("Reader", "Storage Blob Data Reader", "AcrPull")
ENDPOINTS = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
AS_TEXT = ("--output", "tsv")


def account() -> Iterator[Command]:
    """Yield what asks which tenant and subscription az is logged in to."""
    for name, key in (("SUBSCRIPTION_ID", "id"), ("SUBSCRIPTION_NAME", "name"), ("TENANT_ID", "tenantId")):
        yield Command(("az", "account", "show", "--query", key, *AS_TEXT), keeps=name)


def identities(plan: Plan) -> Iterator[Command]:
    """Yield what makes the reading identity and asks for the ids of all, kept as STAGE_CLIENT_ID."""
    group, reader = plan.reader()
    where = ("--resource-group", group, "--subscription", plan.subscription(STAGES[0]))
    yield Command(("az", "identity", "create", "--name", reader, *where, "--output", "none"))
    yield _show(plan, OPERATIONS, "principalId", "PRINCIPAL_ID")
    for environment in (*STAGES, OPERATIONS):
        yield _show(plan, environment, "clientId", "CLIENT_ID")
    asks = f"visionline {plan.name} asks endpoints"
    yield from _role(plan, asks)
    for stage in STAGES:
        scope = _scope(plan, stage)
        for role in (*READS, asks):
            who = ("--assignee-object-id", f"${variable(OPERATIONS, 'PRINCIPAL_ID')}")
            what = ("--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", scope)
            yield Command(("az", "role", "assignment", "create", *who, *what, "--output", "none"))


def credential(plan: Plan, environment: str, issuer: str, subject: str) -> Command:
    """Return what lets an environment's pipelines be its identity: the credential that infra/ makes, or one like it."""
    group, identity = _place(plan, environment)
    where = ("--identity-name", identity, "--resource-group", group, "--subscription", _subscription(plan, environment))
    trust = ("--issuer", issuer, "--subject", subject, "--audiences", AUDIENCE)
    create = ("az", "identity", "federated-credential", "create", "--name", "ci")
    return Command((*create, *where, *trust, "--output", "none"))


def _role(plan: Plan, name: str) -> Iterator[Command]:
    """Yield what makes the role to ask endpoints as the monitor does, which no built-in one has without writing."""
    listed = ("az", "role", "definition", "list", "--name", name, "--custom-role-only", "true")
    yield Command((*listed, "--query", "length(@)", *AS_TEXT), keeps="ROLE_COUNT")
    definition = {
        "Name": name,
        "Description": "May send requests to online endpoints, and change nothing.",
        "Actions": [f"{ENDPOINTS}/{action}/action" for action in ("score", "token", "listKeys")],
        "AssignableScopes": [_scope(plan, stage) for stage in STAGES],
    }
    text = json.dumps(definition, separators=(",", ":"))
    create = ("az", "role", "definition", "create", "--role-definition", text, "--output", "none")
    yield Command(create, unless="ROLE_COUNT")


def _scope(plan: Plan, stage: str) -> str:
    return f"/subscriptions/{plan.subscription(stage)}/resourceGroups/{plan.places(stage)[0]}"


def _show(plan: Plan, environment: str, key: str, what: str) -> Command:
    group, identity = _place(plan, environment)
    where = ("--name", identity, "--resource-group", group, "--subscription", _subscription(plan, environment))
    return Command(("az", "identity", "show", *where, "--query", key, *AS_TEXT), keeps=variable(environment, what))


def _place(plan: Plan, environment: str) -> tuple[str, str]:
    return plan.reader() if environment == OPERATIONS else plan.places(environment)


def _subscription(plan: Plan, environment: str) -> str:
    return plan.subscription(STAGES[0] if environment == OPERATIONS else environment)
