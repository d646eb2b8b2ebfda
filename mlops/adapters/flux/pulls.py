"""Pull requests of a GitOps repository, at GitHub or Azure DevOps: find one by its branch, open it, or close it.

One that we closed bears a title that says so: what people closed is their decision, what we closed is none.

Sources: docs.github.com, "REST API endpoints for pull requests"; learn.microsoft.com/rest/api/azure/devops/git, "Pull
Requests" (Get Pull Requests, Create, Update), version 7.1.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from mlops.adapters.flux.access import TOKENS
from mlops.errors import ConfigError
from mlops.rest import Refused, Rest, field_of, persistently

API = "api-version=7.1"
LONGEST_BODY = 4000  # Azure DevOps takes no more
PAGE = 100  # pull requests of one answer
WITHDRAWN = "Withdrawn: "  # how the title of one that we closed begins
STATES = {"active": "open", "completed": "merged", "abandoned": "closed"}
ADVICE = {
    401: "the token is not taken: renew it",
    203: "the token is not taken: renew it",
    403: "the token needs to read and write pull requests of this repository",
    404: "the repository is not there, or the token does not reach it",
}


@dataclass(frozen=True)
class Pull:
    """A pull request: its number, its page, its branch and title.

    `state` is open, merged, withdrawn (we closed it) or closed (somebody else did, without merging it).
    """

    number: int
    state: str
    link: str
    branch: str
    title: str


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

    def waiting(self, prefix: str) -> list[Pull]:
        """Return the open pull requests of the repository's own branches that begin so. Raises TargetError."""
        asked = f"/repos/{self.repository}/pulls?state=open&base={quote(self.into, safe='')}&per_page={PAGE}"
        pages = _pages(lambda number: _listed(self.api.request("GET", f"{asked}&page={number + 1}")))
        owned = f"{self.repository.partition('/')[0]}:{prefix}"  # not those of a fork
        return [_github(one) for one in pages if str(field_of(field_of(one, "head"), "label")).startswith(owned)]

    def close(self, pull: Pull) -> Pull:
        """Close a pull request as withdrawn, and return what it is now. Raises TargetError where GitHub refuses."""
        path, sent = f"/repos/{self.repository}/pulls/{pull.number}", {"title": _withdrawn(pull), "state": "closed"}
        return _github(_asked(partial(self.api.request, "PATCH", path, sent)))


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

    def waiting(self, prefix: str) -> list[Pull]:
        """Return the active pull requests of branches that begin so. Raises TargetError."""
        into = quote(f"refs/heads/{self.into}", safe="")
        asked = f"{API}&searchCriteria.status=active&searchCriteria.targetRefName={into}&$top={PAGE}"

        def page(number: int) -> list[Any]:
            found = self.api.request("GET", f"{self.place}/pullrequests?{asked}&$skip={number * PAGE}")
            return _listed(found.get("value") if isinstance(found, dict) else None)

        return [one for one in map(self._pull, _pages(page)) if one.branch.startswith(prefix)]

    def close(self, pull: Pull) -> Pull:
        """Abandon a pull request as withdrawn, and return what it is now. Raises TargetError where that is refused."""
        path, said = f"{self.place}/pullrequests/{pull.number}?{API}", None
        for sent in ({"title": _withdrawn(pull)}, {"status": "abandoned"}):
            said = _asked(partial(self.api.request, "PATCH", path, sent))
        return self._pull(said)

    def _pull(self, said: Any) -> Pull:
        number, title = int(field_of(said, "pullRequestId")), str(field_of(said, "title"))
        state = _told(STATES.get(field_of(said, "status"), "closed"), title)
        branch = str(field_of(said, "sourceRefName")).removeprefix("refs/heads/")
        return Pull(number, state, f"{self.page}/pullrequest/{number}", branch, title)


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
    title, branch = str(field_of(said, "title")), str(field_of(field_of(said, "head"), "ref"))
    state = "merged" if merged else _told(str(field_of(said, "state")), title)
    return Pull(int(field_of(said, "number")), state, str(field_of(said, "html_url")), branch, title)


def _told(state: str, title: str) -> str:
    return "withdrawn" if state == "closed" and title.startswith(WITHDRAWN) else state


def _withdrawn(pull: Pull) -> str:
    return WITHDRAWN + pull.title.removeprefix(WITHDRAWN)


def _pages(ask: Callable[[int], list[Any]]) -> Iterator[Any]:
    """Yield what all pages hold; a page that is not full is the last one."""
    for number in count():
        page = _asked(partial(ask, number))
        yield from page
        if len(page) < PAGE:
            return


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []
