"""Pull requests of a GitOps repository, at GitHub or Azure DevOps: find one by its branch, or open it.

Sources: docs.github.com, "REST API endpoints for pull requests"; learn.microsoft.com/rest/api/azure/devops/git, "Pull
Requests" (Get Pull Requests, Create), version 7.1.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from mlops.adapters.flux.access import TOKENS
from mlops.errors import ConfigError
from mlops.rest import Refused, Rest, field_of, persistently

API = "api-version=7.1"
LONGEST_BODY = 4000  # Azure DevOps takes no more
STATES = {"active": "open", "completed": "merged", "abandoned": "closed"}
ADVICE = {
    401: "the token is not taken: renew it",
    203: "the token is not taken: renew it",
    403: "the token needs to read and write pull requests of this repository",
    404: "the repository is not there, or the token does not reach it",
}


@dataclass(frozen=True)
class Pull:
    """A pull request: its number, its page, and whether it is open, merged or closed without being merged."""

    number: int
    state: str
    link: str


@dataclass(frozen=True)
class GitHubPulls:
    """Pull requests of a repository, `owner/name`, into a branch."""

    api: Rest
    repository: str
    into: str

    def find(self, branch: str) -> Pull | None:
        """Return the newest pull request of a branch. Raises TargetError where GitHub can't be asked."""
        owner = self.repository.partition("/")[0]
        asked = f"head={quote(f'{owner}:{branch}', safe='')}&base={quote(self.into, safe='')}&state=all"
        found = _asked(lambda: self.api.request("GET", f"/repos/{self.repository}/pulls?{asked}"))
        return max((_github(one) for one in _listed(found)), key=lambda pull: pull.number, default=None)

    def open(self, branch: str, title: str, body: str) -> Pull:
        """Open a pull request. Raises TargetError where GitHub refuses."""
        sent = {"head": branch, "base": self.into, "title": title, "body": body}
        return _opened(self, branch, lambda: _github(self.api.request("POST", f"/repos/{self.repository}/pulls", sent)))


@dataclass(frozen=True)
class AzureDevOpsPulls:
    """Pull requests of a repository, whose API's path is `place` and whose page is `page`, into a branch."""

    api: Rest
    place: str
    page: str
    into: str

    def find(self, branch: str) -> Pull | None:
        """Return the newest pull request of a branch. Raises TargetError where Azure DevOps can't be asked."""
        refs = {"sourceRefName": branch, "targetRefName": self.into}
        asked = "".join(f"&searchCriteria.{key}={quote(f'refs/heads/{name}', safe='')}" for key, name in refs.items())
        path = f"{self.place}/pullrequests?{API}&searchCriteria.status=all{asked}"
        found = _asked(lambda: self.api.request("GET", path))
        pulls = [self._pull(one) for one in _listed(found.get("value") if isinstance(found, dict) else None)]
        return max(pulls, key=lambda pull: pull.number, default=None)

    def open(self, branch: str, title: str, body: str) -> Pull:
        """Open a pull request. Raises TargetError where Azure DevOps refuses."""
        refs = {"sourceRefName": f"refs/heads/{branch}", "targetRefName": f"refs/heads/{self.into}"}
        sent = {**refs, "title": title, "description": body[:LONGEST_BODY]}
        path = f"{self.place}/pullrequests?{API}"
        return _opened(self, branch, lambda: self._pull(self.api.request("POST", path, sent)))

    def _pull(self, said: Any) -> Pull:
        number = int(field_of(said, "pullRequestId"))
        return Pull(number, STATES.get(field_of(said, "status"), "closed"), f"{self.page}/pullrequest/{number}")


Pulls = GitHubPulls | AzureDevOpsPulls


def open_pulls(host: str, url: str, token: str, into: str) -> Pulls:
    """Return the pull requests of the repository at an address. Raises ConfigError where none can be there."""
    if not token:
        raise ConfigError(f"flux.policy is pull-request, but there is no token: set {' or '.join(TOKENS[host])}")
    place = _https(url)
    return _on_github(place, token, into) if host == "github" else _on_devops(place, token, into)


def _on_github(place: str, token: str, into: str) -> GitHubPulls:
    parts = urlsplit(place)
    repository = parts.path.strip("/").removesuffix(".git")
    if repository.count("/") != 1:
        raise ConfigError(f"flux.repository: '{place}' is no repository of GitHub, as https://github.com/team/clusters")
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    server = f"{parts.scheme}://{parts.netloc}"
    return GitHubPulls(
        Rest(_github_api(server), {**headers, "Authorization": f"Bearer {token}"}, token), repository, into
    )


def _github_api(server: str) -> str:
    """Return the API of a GitHub server: the one that its own workflows are told, else the usual one."""
    if server == os.environ.get("GITHUB_SERVER_URL") and os.environ.get("GITHUB_API_URL"):
        return os.environ["GITHUB_API_URL"]
    return "https://api.github.com" if server == "https://github.com" else f"{server}/api/v3"


def _on_devops(place: str, token: str, into: str) -> AzureDevOpsPulls:
    project, marked, repository = place.partition("/_git/")
    if not marked:
        raise ConfigError(
            f"flux.repository: '{place}' is none of Azure DevOps, as https://dev.azure.com/org/project/_git/repo"
        )
    login = base64.b64encode(f":{token}".encode()).decode()
    api = Rest(f"{project}/_apis", {"Authorization": f"Basic {login}"}, token)
    return AzureDevOpsPulls(api, f"/git/repositories/{quote(unquote(repository))}", place, into)


def _https(url: str) -> str:
    """Return the address of a repository's page where it is cloned by ssh."""
    devops = re.fullmatch(r"(?:ssh://)?git@ssh\.dev\.azure\.com[:/]v3/([^/]+)/([^/]+)/([^/]+)", url)
    if devops:
        return "https://dev.azure.com/{}/{}/_git/{}".format(*devops.groups())
    short = re.fullmatch(r"(?:ssh://)?[^@/]+@([^:/]+)(?::\d+)?[:/](.+)", url)
    return f"https://{short[1]}/{short[2]}" if short else url


def _asked(ask: Callable[[], Any]) -> Any:
    try:
        return persistently(ask)
    except Refused as error:
        raise type(error)(f"{error}: {ADVICE.get(error.status, 'see the message')}", error.status) from None


def _opened(pulls: Pulls, branch: str, post: Callable[[], Pull]) -> Pull:
    """Open a pull request, unless a try whose answer got lost has opened it."""
    tries: list[int] = []

    def once() -> Pull:
        tries.append(1)
        found = pulls.find(branch) if len(tries) > 1 else None
        return found or post()

    return _asked(once)  # type: ignore[no-any-return]


def _github(said: Any) -> Pull:
    merged = said.get("merged_at") if isinstance(said, dict) else None
    state = "merged" if merged else str(field_of(said, "state"))
    return Pull(int(field_of(said, "number")), state, str(field_of(said, "html_url")))


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []
