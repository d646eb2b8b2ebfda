"""An Azure DevOps project's pipelines, environments with approvals, branch policies and service connections.

Reviewers are identities' ids: `az devops user show --user MAIL --query id`. Approvals, locks and branch control have no
command of their own, so they are made by `az rest`.

Sources: learn.microsoft.com, "az pipelines", "az repos policy", "az devops service-endpoint"; the REST API of Azure
DevOps: Environments - Add, Check Configurations - Add, Endpoints - Create; for the ids of checks the Terraform provider
microsoft/azuredevops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from mlops.bootstrap import azure
from mlops.bootstrap.command import Command
from mlops.bootstrap.plan import ENVIRONMENTS, GUARDED, INFRA, Plan, variable
from mlops.errors import ConfigError
from mlops.names import STAGES

PIPELINES = ("build-validation", "train", "register", "release", "rollback", "batch-score", "monitor", "infra")
RESOURCE = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps, for every organization
APPROVAL = {"id": "8c6f20a7-a545-4486-9777-f762fafe0d4d", "name": "Approval"}
TASK = {"id": "fe1de3ee-a436-41b4-bb20-f6eb4cb879a7", "name": "Task Check"}
# The task that looks at a run's branch, as the page of approvals and checks adds it.
BRANCHES = {"id": "86b05a0c-73e6-4f7d-b3cf-e38f3b39a75b", "name": "evaluatebranchProtection", "version": "0.0.1"}
BRANCH_CONTROL = "Branch control"
LOCK = {"id": "2ef31ad6-baa0-403a-8b45-2cbc9b4e5563", "name": "ExclusiveLock"}
# A repository's permissions, and "Force push" and "Create tag" of them: learn.microsoft.com, "Security namespace and
# permission reference". A tag's folder is written there as its letters in UTF-16, in hexadecimal digits.
REFS, FORCE, CREATE_TAG = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87", 8, 32
MINUTES = 7 * 24 * 60  # then it is rejected
AS_TEXT = ("--output", "tsv")
SILENT = ("--output", "none")


def commands(plan: Plan) -> list[Command]:
    """Return all commands in order. Raises ConfigError where the repository is not named whole."""
    if plan.repository.count("/") != 2:
        raise ConfigError(f"--repository {plan.repository}: should be ORGANIZATION/PROJECT/NAME")
    return [
        Command(("az", "extension", "add", "--name", "azure-devops", "--upgrade", "--only-show-errors")),
        *_pipelines(plan),
        *_branches(plan),
        *_tags(plan),
        *(part for environment in (*STAGES, *INFRA) for part in _environment(plan, environment)),
        *(_azure(plan) if plan.name else ()),
    ]


def _pipelines(plan: Plan) -> Iterator[Command]:
    repository, place = plan.repository.split("/")[2], _place(plan)
    for name in PIPELINES:
        count = variable(name, "COUNT")
        yield Command(
            ("az", "pipelines", "list", "--name", name, *place, "--query", "length(@)", *AS_TEXT), keeps=count
        )
        what = (
            "--repository",
            repository,
            "--repository-type",
            "tfsgit",
            "--branch",
            "main",
            "--skip-first-run",
            "true",
        )
        path = ("--yaml-path", f".azure-pipelines/{name}.yml")
        yield Command(("az", "pipelines", "create", "--name", name, *place, *what, *path, *SILENT), unless=count)


def _branches(plan: Plan) -> Iterator[Command]:
    repository, place = plan.repository.split("/")[2], _place(plan)
    show = ("az", "repos", "show", "--repository", repository, *place, "--query", "id", *AS_TEXT)
    yield Command(show, keeps="REPOSITORY_ID")
    listed = ("az", "repos", "ref", "list", "--repository", repository, *place)
    yield Command((*listed, "--filter", "heads/main", "--query", "[0].objectId", *AS_TEXT), keeps="MAIN_COMMIT")
    for branch in plan.branches[:-1]:
        count, ref = variable(branch, "BRANCH_COUNT"), f"heads/{branch}"
        query = ("--filter", ref, "--query", f"length([?name=='refs/{ref}'])", *AS_TEXT)
        yield Command((*listed, *query), keeps=count)
        begins = ("--name", ref, "--object-id", "$MAIN_COMMIT", "--repository", repository)
        yield Command(("az", "repos", "ref", "create", *begins, *place, *SILENT), unless=count)
    show = ("az", "pipelines", "show", "--name", PIPELINES[0], *place, "--query", "id", *AS_TEXT)
    yield Command(show, keeps="BUILD_VALIDATION_ID")
    for branch in plan.branches:
        yield from _policy(
            plan, branch, "approver-count", "type.displayName=='Minimum number of reviewers'", _approvers(plan)
        )
        yield from _policy(plan, branch, "build", f"settings.displayName=='{PIPELINES[0]}'", _build(plan, branch))


def _build(plan: Plan, branch: str) -> tuple[str, ...]:
    """Return a build policy's settings: a check holds till the branch moves on where work begins, else for good."""
    pipeline = ("--build-definition-id", "$BUILD_VALIDATION_ID", "--display-name", PIPELINES[0])
    by_source = "false" if plan.is_begun_on(branch) else "true"
    again = ("--valid-duration", "0", "--queue-on-source-update-only", by_source)
    return (*pipeline, *again, "--manual-queue-only", "false")


def _approvers(plan: Plan) -> tuple[str, ...]:
    alone = "false" if plan.is_team else "true"
    counted = ("--minimum-approver-count", "1", "--creator-vote-counts", alone)
    return (*counted, "--allow-downvotes", "false", "--reset-on-source-push", "true")


def _tags(plan: Plan) -> Iterator[Command]:
    """Yield what keeps contributors from making, moving and deleting the tags that are releases, where tags are."""
    if not plan.release_tags:
        return
    yield _project_id(plan)
    group = ("az", "devops", "security", "group", "list", *_place(plan), "--query")
    yield Command(
        (*group, "graphGroups[?displayName=='Contributors'].descriptor | [0]", *AS_TEXT), keeps="CONTRIBUTORS"
    )
    for ref in plan.release_tags:
        folder = ref.removeprefix("refs/tags/").partition("/")[0].encode("utf-16-le").hex()
        token = f"repoV2/$PROJECT_ID/$REPOSITORY_ID/refs/tags/{folder}"
        update = ("az", "devops", "security", "permission", "update", "--id", REFS, "--subject", "$CONTRIBUTORS")
        denied = ("--token", token, "--deny-bit", str(FORCE | CREATE_TAG), "--merge", "true")
        yield Command((*update, *_place(plan)[:2], *denied, *SILENT))


def _project_id(plan: Plan) -> Command:
    show = ("az", "devops", "project", "show", "--project", plan.repository.split("/")[1], *_place(plan)[:2])
    return Command((*show, "--query", "id", *AS_TEXT), keeps="PROJECT_ID")


def _policy(plan: Plan, branch: str, kind: str, same: str, more: tuple[str, ...]) -> Iterator[Command]:
    count, place = variable(branch, f"{kind}_policies"), _place(plan)
    where = ("--branch", branch, "--repository-id", "$REPOSITORY_ID", *place)
    query = ("--query", f"length([?{same}])", *AS_TEXT)
    yield Command(("az", "repos", "policy", "list", *where, *query), keeps=count)
    on = ("--blocking", "true", "--enabled", "true")
    yield Command(("az", "repos", "policy", kind, "create", *where, *on, *more, *SILENT), unless=count)


def _environment(plan: Plan, environment: str) -> Iterator[Command]:
    url, count, kept = _url(plan), variable(environment, "COUNT"), variable(environment, "ID")
    found = f"{url}/distributedtask/environments?name={environment}&api-version=7.1"
    same = f"value[?name=='{environment}']"
    yield _rest("get", found, query=f"length({same})", keeps=count)
    made = {"name": environment, "description": f"for {environment}"}
    yield _rest("post", f"{url}/distributedtask/environments?api-version=7.1", made, unless=count)
    yield _rest("get", found, query=f"{same} | [0].id", keeps=kept)
    resource = {"type": "environment", "id": f"${kept}", "name": environment}
    yield from _check(plan, resource, LOCK, {})
    yield from _check(plan, resource, TASK, _from_branches(plan, environment))
    if environment in GUARDED and plan.reviewers:
        yield from _check(plan, resource, APPROVAL, _agreement(plan, environment))


def _agreement(plan: Plan, environment: str) -> dict[str, Any]:
    return {
        "approvers": [{"id": reviewer} for reviewer in plan.reviewers],
        "minRequiredApprovers": 1,
        "requesterCannotBeApprover": plan.is_team,
        "instructions": f"The summary of the run shows what {environment} would get, and what changes.",
    }


def _from_branches(plan: Plan, environment: str) -> dict[str, Any]:
    """Return the settings of the check that lets only a stage's branches or tags in, and a pull request to its plan."""
    refs = plan.refs(environment)
    # Neither a tag nor a pull request's merge has a policy of its own.
    are_branches = all(ref.startswith("refs/heads/") for ref in refs)
    protected = {"ensureProtectionOfBranch": str(are_branches).lower(), "allowUnknownStatusBranch": "false"}
    inputs = {"allowedBranches": ", ".join(refs), **protected}
    return {"displayName": BRANCH_CONTROL, "definitionRef": BRANCHES, "inputs": inputs, "retryInterval": 5}


def _check(plan: Plan, resource: dict[str, str], kind: dict[str, str], settings: dict[str, Any]) -> Iterator[Command]:
    path = f"{_url(plan)}/pipelines/checks/configurations"
    count = variable(resource["name"], f"{kind['name']}_COUNT".replace(" ", "_"))
    listed = f"{path}?resourceType={resource['type']}&resourceId={resource['id']}&%24expand=settings"
    same = f"type.name=='{kind['name']}'"
    same += f" && settings.displayName=='{settings['displayName']}'" if "displayName" in settings else ""
    yield _rest("get", f"{listed}&api-version=7.1-preview.1", query=f"length(value[?{same}])", keeps=count)
    body = {"type": kind, "settings": settings, "resource": resource, "timeout": MINUTES}
    yield _rest("post", f"{path}?api-version=7.1-preview.1", body, unless=count)


def _azure(plan: Plan) -> Iterator[Command]:
    yield from azure.account()
    yield from azure.identities(plan)
    yield _project_id(plan)
    for environment in ENVIRONMENTS:
        yield from _connection(plan, environment)


def _connection(plan: Plan, environment: str) -> Iterator[Command]:
    name, count = f"visionline-{environment}", variable(environment, "CONNECTION_COUNT")
    listed = ("az", "devops", "service-endpoint", "list", *_place(plan))
    yield Command((*listed, "--query", f"length([?name=='{name}'])", *AS_TEXT), keeps=count)
    url = f"https://dev.azure.com/{plan.repository.split('/')[0]}/_apis/serviceendpoint/endpoints?api-version=7.1"
    yield _rest("post", url, _endpoint(plan, environment, name), unless=count)
    kept = variable(environment, "CONNECTION_ID")
    yield Command((*listed, "--query", f"[?name=='{name}'].id | [0]", *AS_TEXT), keeps=kept)
    resource = {"type": "endpoint", "id": f"${kept}", "name": name}
    yield from _check(plan, resource, TASK, _from_branches(plan, environment))
    trust = []
    for what in ("Issuer", "Subject"):
        key = f"[?name=='{name}'].authorization.parameters.workloadIdentityFederation{what} | [0]"
        yield Command((*listed, "--query", key, *AS_TEXT), keeps=variable(environment, what))
        trust.append(f"${variable(environment, what)}")
    yield azure.credential(plan, environment, trust[0], trust[1])


def _endpoint(plan: Plan, environment: str, name: str) -> dict[str, Any]:
    who = {"tenantid": "$TENANT_ID", "serviceprincipalid": f"${variable(environment, 'CLIENT_ID')}"}
    shared = {"id": "$PROJECT_ID", "name": plan.repository.split("/")[1]}
    subscription = {"subscriptionId": plan.subscription(environment), "subscriptionName": "$SUBSCRIPTION_NAME"}
    return {
        "name": name,
        "type": "azurerm",
        "url": "https://management.azure.com/",
        "authorization": {"scheme": "WorkloadIdentityFederation", "parameters": who},
        "data": {**subscription, "environment": "AzureCloud", "scopeLevel": "Subscription", "creationMode": "Manual"},
        "serviceEndpointProjectReferences": [{"name": name, "projectReference": shared}],
    }


def _rest(
    method: str,
    url: str,
    body: Any = None,
    query: str | None = None,
    keeps: str | None = None,
    unless: str | None = None,
) -> Command:
    sent = ("--body", json.dumps(body, separators=(",", ":"))) if body is not None else ()
    told = ("--query", query, *AS_TEXT) if query else SILENT
    return Command(
        ("az", "rest", "--method", method, "--resource", RESOURCE, "--url", url, *sent, *told), keeps, unless
    )


def _place(plan: Plan) -> tuple[str, ...]:
    organization, project, _ = plan.repository.split("/")
    return ("--organization", f"https://dev.azure.com/{organization}", "--project", project)


def _url(plan: Plan) -> str:
    organization, project, _ = plan.repository.split("/")
    return f"https://dev.azure.com/{organization}/{quote(project)}/_apis"
