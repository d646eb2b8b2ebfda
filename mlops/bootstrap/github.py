"""A GitHub repository's environments with reviewers, branch rules, labels, variables and federated credentials.

Reviewers are numbers with their kind, as User:583231 or Team:12; `gh api users/NAME --jq .id` says a person's.

Sources: docs.github.com, "REST API endpoints for deployment environments", "... for deployment branch policies", "...
for protected branches", "... for rules"; github.blog/changelog/2025-11-07, for what a pull request stands on; the
manual of `gh api`.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlops.bootstrap import azure
from mlops.bootstrap.command import Command
from mlops.bootstrap.plan import ENVIRONMENTS, GUARDED, ISSUER, PULLED, PULLS, Plan, stage_of, variable
from mlops.errors import ConfigError
from mlops.issues import MARK

CHECK = "build-validation"  # what the one job of that workflow is shown as that knows of all others
LABELS = {"train": "trains this pull request on Azure ML", MARK: "opened and closed by the monitor"}
KINDS = ("User", "Team")
TAGGERS = (2, 5)  # the roles maintain and admin, as rulesets number them


def commands(plan: Plan) -> list[Command]:
    """Return all commands in order. Raises ConfigError where the repository or a reviewer is no such thing."""
    if plan.repository.count("/") != 1:
        raise ConfigError(f"--repository {plan.repository}: should be OWNER/NAME")
    built = [*_hosting(plan), *_branches(plan), *_tags(plan), *_environments(plan)]
    return [*built, *(_azure(plan) if plan.name else ())]


def _hosting(plan: Plan) -> Iterator[Command]:
    yield _api("PUT", plan, "actions/permissions/workflow", "-f", "default_workflow_permissions=read")
    for label, words in LABELS.items():
        told = ("--description", words, "--repo", plan.repository, "--force")
        yield Command(("gh", "label", "create", label, *told))
    yield _set(plan, "VISIONLINE_BRANCHES", plan.way)
    yield _set(plan, "VISIONLINE_PLATFORM", "azureml" if plan.name else "local")


def _branches(plan: Plan) -> Iterator[Command]:
    head = ("gh", "api", f"repos/{plan.repository}/git/ref/heads/main", "--jq", ".object.sha")
    yield Command(head, keeps="MAIN_COMMIT")
    for branch in plan.branches[:-1]:
        fields = ("-f", f"ref=refs/heads/{branch}", "-f", "sha=$MAIN_COMMIT")
        yield _api("POST", plan, "git/refs", *fields, done_by=("Reference already exists",))
    for branch in plan.branches:
        agreed, strict = int(plan.is_team), str(plan.is_begun_on(branch)).lower()
        rules = (
            *("-F", f"required_status_checks[strict]={strict}", "-f", f"required_status_checks[contexts][]={CHECK}"),
            *("-F", f"required_pull_request_reviews[required_approving_review_count]={agreed}"),
            *("-F", "required_pull_request_reviews[dismiss_stale_reviews]=true"),
            *("-F", "enforce_admins=true", "-F", "restrictions=null", "-F", "allow_force_pushes=false"),
        )
        yield _api("PUT", plan, f"branches/{branch}/protection", *rules)


def _tags(plan: Plan) -> Iterator[Command]:
    """Yield what lets only maintainers make, move and delete the tags that are releases, where tags are."""
    if not plan.release_tags:
        return
    included = (("-f", f"conditions[ref_name][include][]={ref}") for ref in plan.release_tags)
    rules = (("-f", f"rules[][type]={kind}") for kind in ("creation", "update", "deletion"))
    actors = (
        ("-F", f"bypass_actors[][actor_id]={role}", "-f", "bypass_actors[][actor_type]=RepositoryRole")
        + ("-f", "bypass_actors[][bypass_mode]=always")
        for role in TAGGERS
    )
    words = [word for part in (included, rules, actors) for pair in part for word in pair]
    what = ("-f", "name=release tags", "-f", "target=tag", "-f", "enforcement=active", *words)
    yield _api("POST", plan, "rulesets", *what, done_by=("Name must be unique",))


def _known(plan: Plan) -> tuple[str, ...]:
    """Return the environments; a pull request trains only where somebody has to agree to each of its jobs."""
    return (*ENVIRONMENTS, *((PULLED,) if plan.reviewers else ()))


def _environments(plan: Plan) -> Iterator[Command]:
    for environment in _known(plan):
        policy = ("protected_branches]=false", "custom_branch_policies]=true")
        fields = [word for part in policy for word in ("-F", f"deployment_branch_policy[{part}")]
        if environment in (*GUARDED, PULLED):
            fields += ["-F", f"prevent_self_review={str(plan.is_team).lower()}", *_reviewers(plan)]
        yield _api("PUT", plan, f"environments/{environment}", *fields)
        for kind, pattern in _patterns(plan, environment):
            path = f"environments/{environment}/deployment-branch-policies"
            yield _api("POST", plan, path, "-f", f"name={pattern}", "-f", f"type={kind}", done_by=("already exists",))


def _patterns(plan: Plan, environment: str) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what an environment may be used from, as GitHub asks for them."""
    for ref in plan.refs(environment):
        _, kind, name = ref.split("/", 2)
        yield ("branch", ref) if ref == PULLS else ({"heads": "branch", "tags": "tag"}[kind], name)


def _reviewers(plan: Plan) -> Iterator[str]:
    for reviewer in plan.reviewers:
        kind, _, number = reviewer.partition(":")
        if kind not in KINDS or not number.isdecimal():
            raise ConfigError(f"--reviewer {reviewer}: should be User:NUMBER or Team:NUMBER (`gh api users/NAME`)")
        yield from ("-f", f"reviewers[][type]={kind}", "-F", f"reviewers[][id]={number}")


def _azure(plan: Plan) -> Iterator[Command]:
    yield from azure.account()
    yield from azure.identities(plan)
    for environment in _known(plan):
        who = stage_of(environment) if environment == PULLED else environment
        yield azure.credential(plan, environment, ISSUER, f"repo:{plan.repository}:environment:{environment}")
        yield _set(plan, "AZURE_CLIENT_ID", f"${variable(who, 'CLIENT_ID')}", environment)
        yield _set(plan, "AZURE_TENANT_ID", "$TENANT_ID", environment)
        yield _set(plan, "AZURE_SUBSCRIPTION_ID", plan.subscription(environment), environment)


def _set(plan: Plan, name: str, value: str, environment: str | None = None) -> Command:
    where = ("--env", environment) if environment else ()
    return Command(("gh", "variable", "set", name, "--repo", plan.repository, *where, "--body", value))


def _api(method: str, plan: Plan, path: str, *fields: str, done_by: tuple[str, ...] = ()) -> Command:
    what = f"repos/{plan.repository}/{path}"
    return Command(("gh", "api", "--silent", "--method", method, what, *fields), done_by=done_by)
