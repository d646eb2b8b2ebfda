"""Pull requests at the code hosts of the tests, whose branches are those of a git server.

Sources: docs.github.com, "REST API endpoints for pull requests"; learn.microsoft.com/rest/api/azure/devops/git, "Pull
Requests".
"""

from __future__ import annotations

from typing import Any

from code_hosts import AzureDevOpsHost, Call, GitHubHost, Reply
from gitserver import TOKEN, GitServer


class GitHubPullHost(GitHubHost):
    """The repository team/clusters at GitHub."""

    def __init__(self, server: GitServer) -> None:
        super().__init__()
        self.server, self.pulls = server, list[dict[str, Any]]()
        self.tokens = {TOKEN: "app"}
        pulls = "/repos/team/clusters/pulls"
        self.routes = [("GET", pulls, self.list_pulls), ("POST", pulls, self.create_pull)]

    def list_pulls(self, call: Call) -> Reply:
        """Answer the pull requests of a branch, the newest first."""
        assert call.query["state"] == "all" and call.query["base"] == "main"
        found = [one for one in self.pulls if f"team:{one['head']['ref']}" == call.query["head"]]
        return Reply(200, found[::-1])

    def create_pull(self, call: Call) -> Reply:
        """Make a pull request of a branch that is there and has none that is open."""
        branch = call.body["head"]
        if not self.server.head(f"refs/heads/{branch}") or not call.body["title"]:
            return Reply(422, {"message": "Validation Failed"})
        if any(one["head"]["ref"] == branch and one["state"] == "open" for one in self.pulls):
            return Reply(422, {"message": f"A pull request already exists for team:{branch}."})
        number = len(self.pulls) + 1
        link = f"https://github.com/team/clusters/pull/{number}"
        made = {"number": number, "state": "open", "merged_at": None, "html_url": link, "head": {"ref": branch}}
        self.pulls.append({**made, "title": call.body["title"], "body": call.body["body"]})
        return Reply(201, self.pulls[-1])

    def branch(self, number: int) -> str:
        """Return the branch of a pull request."""
        return str(self.pulls[number - 1]["head"]["ref"])

    def merge(self, number: int) -> None:
        """Merge it, as a person does."""
        squash(self.server, self.branch(number))
        self.pulls[number - 1] |= {"state": "closed", "merged_at": "2026-01-01T00:00:00Z"}

    def shut(self, number: int) -> None:
        """Close it without merging it."""
        self.pulls[number - 1] |= {"state": "closed"}


class AzureDevOpsPullHost(AzureDevOpsHost):
    """The repository `clusters` of project `edge cameras`."""

    def __init__(self, server: GitServer) -> None:
        super().__init__()
        self.server, self.pulls = server, list[dict[str, Any]]()
        self.logins = {basic(TOKEN)}
        pulls = "/org/edge cameras/_apis/git/repositories/clusters/pullrequests"
        self.routes = [("GET", pulls, self.list_pulls), ("POST", pulls, self.create_pull)]

    def list_pulls(self, call: Call) -> Reply:
        """Answer the pull requests of a branch, the newest first."""
        assert call.query["searchCriteria.status"] == "all"
        assert call.query["searchCriteria.targetRefName"] == "refs/heads/main"
        wanted = call.query["searchCriteria.sourceRefName"]
        return self._page([one for one in self.pulls if one["sourceRefName"] == wanted][::-1])

    def create_pull(self, call: Call) -> Reply:
        """Make a pull request of a branch that is there and has none that is active."""
        ref = call.body["sourceRefName"]
        if not self.server.head(ref) or len(call.body["description"]) > 4000:
            return Reply(400, {"message": "TF401398: The pull request cannot be activated"})
        if any(one["sourceRefName"] == ref and one["status"] == "active" for one in self.pulls):
            return Reply(409, {"message": "TF401179: An active pull request for the source and target already exists"})
        self.pulls.append({**call.body, "pullRequestId": len(self.pulls) + 1, "status": "active"})
        return Reply(201, self.pulls[-1])

    def branch(self, number: int) -> str:
        """Return the branch of a pull request."""
        return str(self.pulls[number - 1]["sourceRefName"].removeprefix("refs/heads/"))

    def merge(self, number: int) -> None:
        """Complete it, as a person does."""
        squash(self.server, self.branch(number))
        self.pulls[number - 1] |= {"status": "completed"}

    def shut(self, number: int) -> None:
        """Abandon it."""
        self.pulls[number - 1] |= {"status": "abandoned"}


def squash(server: GitServer, branch: str) -> None:
    """Put what a branch changed onto main in one commit, and delete the branch, as hosts are often told to."""
    tree = server.git("merge-tree", "--write-tree", "main", branch).splitlines()[0]
    commit = server.git("-c", "user.name=A", "-c", "user.email=a@b", "commit-tree", tree, "-p", "main", "-m", "Merged")
    server.git("update-ref", "refs/heads/main", commit)
    server.git("update-ref", "-d", f"refs/heads/{branch}")


def basic(token: str) -> str:
    """Return the header of a login without a name."""
    import base64

    return f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"
