"""What to set up, and for whom: the same for both code hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops.branches import BRANCHES, RELEASE_TAGS
from mlops.names import STAGES, resource_name

OPERATIONS = "operations"  # looks at what runs and changes no stage: its identity reads versions, images, endpoints
PLANNING = "plan"  # asks what a change of infra/ would do: its identity reads what resources are, and Terraform's state
INFRA = {f"infra-{stage}": stage for stage in STAGES}  # applies infra/: its identities may do everything
PULLED = "pull-requests"  # trains a pull request in dev, as dev: each job is agreed to
SHARED = (OPERATIONS, PLANNING)  # one identity for all stages: the first stage's infra/ makes it
ENVIRONMENTS = (*STAGES, *SHARED, *INFRA)
GUARDED = (*STAGES[1:], *INFRA)  # where people have to agree
PULLS = "refs/pull/*/merge"  # what a pull request's run stands on, on both code hosts
ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "api://AzureADTokenExchange"
_NO_SUFFIX = "000"  # resource groups and identities have none in their names


@dataclass(frozen=True)
class Plan:
    """A repository, as OWNER/NAME or ORGANIZATION/PROJECT/NAME, and how its team works.

    `way` is branches or single; `reviewers` are who agrees in qa and production, as the code host numbers them; `name`
    is the project's in Azure, None where nothing is there; `subscriptions` by stage, where a stage file names one.
    """

    repository: str
    way: str
    reviewers: tuple[str, ...]
    name: str | None
    subscriptions: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_team(self) -> bool:
        """Tell whether there is somebody else to agree with: one person alone could let nothing of their own in."""
        return len(self.reviewers) > 1

    @property
    def branches(self) -> tuple[str, ...]:
        """Return the branches that nobody pushes to directly."""
        return BRANCHES[self.way]

    @property
    def release_tags(self) -> tuple[str, ...]:
        """Return the patterns of the git tags that are releases; none where branches are."""
        return tuple(f"refs/tags/{name}*" for name in RELEASE_TAGS) if self.way == "single" else ()

    def is_begun_on(self, branch: str) -> bool:
        """Tell whether work begins on a branch, so that a pull request to it can be brought up to date with it first.

        What promotes dev to qa can't: qa's merges are not on dev, and nobody pushes to dev to get them there.
        """
        return branch == self.branches[0]

    def refs(self, environment: str) -> tuple[str, ...]:
        """Return from where an environment may be used: its stage's branch or tags, and main, to start it by hand.

        What only looks is used from wherever something is released. Nobody has read yet what stands on a pull request:
        it is only planned, or each of its jobs is agreed to.
        """
        if environment == PULLED:
            return (PULLS,)
        if environment == PLANNING:
            return ("refs/heads/main", PULLS)
        if environment == OPERATIONS:
            return tuple(dict.fromkeys(ref for stage in STAGES for ref in self.refs(stage)))
        own = {"dev": ("refs/heads/dev",), "qa": ("refs/heads/qa",)}.get(environment, ())
        tagged = (f"refs/tags/{environment}/*",) if environment in STAGES[1:] else ()
        return ("refs/heads/main", *(tagged if self.way == "single" else own))

    def identity(self, environment: str) -> tuple[str, str]:
        """Return the resource group and the name of the identity that an environment's jobs are; infra/ makes both."""
        stage = stage_of(environment)
        kind = environment if environment in SHARED else "infra" if environment in INFRA else "ci"
        group, name = (resource_name(one, str(self.name), stage, _NO_SUFFIX) for one in ("resource_group", kind))
        return group, name

    def subscription(self, environment: str) -> str:
        """Return the subscription of an environment's stage: its file's, or the one that az is logged in to."""
        return self.subscriptions.get(stage_of(environment)) or "$SUBSCRIPTION_ID"


def stage_of(environment: str) -> str:
    """Return the stage whose resources an environment's identity is among; the first where it is for all stages."""
    return INFRA.get(environment, environment if environment in STAGES else STAGES[0])


def variable(environment: str, what: str) -> str:
    """Return the name under which a command's answer is kept: DEV_CLIENT_ID."""
    return f"{environment}_{what}".upper().replace("-", "_")
