"""What to set up, and for whom: the same for both code hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops.branches import BRANCHES
from mlops.names import STAGES, resource_name

OPERATIONS = "operations"  # looks and changes nothing: its identity reads
ENVIRONMENTS = (*STAGES, OPERATIONS)
GUARDED = STAGES[1:]  # where people have to agree
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

    def is_begun_on(self, branch: str) -> bool:
        """Tell whether work begins on a branch, so that a pull request to it can be brought up to date with it first.

        What promotes dev to qa can't: qa's merges are not on dev, and nobody pushes to dev to get them there.
        """
        return branch == self.branches[0]

    def refs(self, environment: str) -> tuple[str, ...]:
        """Return from where an environment may be used: its stage's branch or tags, and main, to start it by hand.

        What only looks is used from wherever something is released.
        """
        if environment == OPERATIONS:
            return tuple(dict.fromkeys(ref for stage in STAGES for ref in self.refs(stage)))
        own = {"dev": ("refs/heads/dev",), "qa": ("refs/heads/qa",)}.get(environment, ())
        tagged = (f"refs/tags/{environment}/*",) if environment in GUARDED else ()
        return ("refs/heads/main", *(tagged if self.way == "single" else own))

    def places(self, stage: str) -> tuple[str, str]:
        """Return the resource group of a stage in Azure, and the identity of its pipelines; infra/ makes both."""
        group, identity = (resource_name(kind, str(self.name), stage, _NO_SUFFIX) for kind in ("resource_group", "ci"))
        return group, identity

    def reader(self) -> tuple[str, str]:
        """Return the resource group and the name of the identity that only reads: the first stage's infra/ makes it."""
        return self.places(STAGES[0])[0], resource_name(OPERATIONS, str(self.name), STAGES[0], _NO_SUFFIX)

    def subscription(self, stage: str) -> str:
        """Return a stage's subscription: its file's, or the one that az is logged in to."""
        return self.subscriptions.get(stage) or "$SUBSCRIPTION_ID"


def variable(environment: str, what: str) -> str:
    """Return the name under which a command's answer is kept: DEV_CLIENT_ID."""
    return f"{environment}_{what}".upper().replace("-", "_")
