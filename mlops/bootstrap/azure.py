"""Identities in Azure that pipelines use without a secret: each trusts one environment of one repository.

They and their roles are made by infra/, which a person applies once before this, and nowhere else: here each only
learns whom it trusts. Source: learn.microsoft.com, "az identity federated-credential".
"""

from __future__ import annotations

from collections.abc import Iterator

from mlops.bootstrap.command import Command
from mlops.bootstrap.plan import AUDIENCE, ENVIRONMENTS, PULLED, Plan, variable

AS_TEXT = ("--output", "tsv")


def account() -> Iterator[Command]:
    """Yield what asks which tenant and subscription az is logged in to."""
    for name, key in (("SUBSCRIPTION_ID", "id"), ("SUBSCRIPTION_NAME", "name"), ("TENANT_ID", "tenantId")):
        yield Command(("az", "account", "show", "--query", key, *AS_TEXT), keeps=name)


def identities(plan: Plan) -> Iterator[Command]:
    """Yield what asks for the ids of all identities, kept as ENVIRONMENT_CLIENT_ID."""
    for environment in ENVIRONMENTS:
        group, identity = plan.identity(environment)
        where = ("--name", identity, "--resource-group", group, "--subscription", plan.subscription(environment))
        show = ("az", "identity", "show", *where, "--query", "clientId", *AS_TEXT)
        yield Command(show, keeps=variable(environment, "CLIENT_ID"))


def credential(plan: Plan, environment: str, issuer: str, subject: str) -> Command:
    """Return what lets an environment's pipelines be its identity: the credential that infra/ makes, or one like it."""
    group, identity = plan.identity(environment)
    where = ("--identity-name", identity, "--resource-group", group, "--subscription", plan.subscription(environment))
    trust = ("--issuer", issuer, "--subject", subject, "--audiences", AUDIENCE)
    name = PULLED if environment == PULLED else "ci"  # beside that of dev's own pipelines, whose identity it is
    create = ("az", "identity", "federated-credential", "create", "--name", name)
    return Command((*create, *where, *trust, "--output", "none"))
