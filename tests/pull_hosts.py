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
        self.routes += [("PATCH", rf"{pulls}/(?P<number>\d+)", self.change_pull)]

    def list_pulls(self, call: Call) -> Reply:
        """Answer the pull requests of a branch, or a page of those that are open, the newest first."""
        assert call.query["base"] == "main"
        if call.query["state"] == "open":
            return Reply(200, page(open_ones(self.pulls, "state", "open"), call, int(call.query["page"]) - 1))
        assert call.query["state"] == "all"
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
        head = {"ref": branch, "label": f"team:{branch}"}
        made = {"number": number, "state": "open", "merged_at": None, "html_url": link, "head": head}
        self.pulls.append({**made, "title": call.body["title"], "body": call.body["body"]})
        return Reply(201, self.pulls[-1])

    def change_pull(self, call: Call, number: str) -> Reply:
        """Change its title and state, as far as it is open."""
        pull = self.pulls[int(number) - 1]
        assert set(call.body) <= {"title", "state"}
        pull |= call.body if pull["state"] == "open" else {"title": call.body.get("title", pull["title"])}
        return Reply(200, pull)

    def ask_as_people(self, number: int) -> None:
        """Open pull requests of other branches."""
        for one in range(len(self.pulls) + 1, len(self.pulls) + 1 + number):
            head = {"ref": f"feature/{one}", "label": f"team:feature/{one}"}
            made = {"number": one, "state": "open", "merged_at": None, "html_url": "x", "head": head}
            self.pulls.append({**made, "title": "Ours", "body": ""})

    def waiting(self) -> list[int]:
        """Return the numbers of those that can be merged."""
        return [one["number"] for one in self.pulls if one["state"] == "open"]

    def branch(self, number: int) -> str:
        """Return the branch of a pull request."""
        return str(self.pulls[number - 1]["head"]["ref"])

    def merge(self, number: int) -> None:
        """Merge it, as a person does."""
        assert number in self.waiting()
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
        self.routes += [("PATCH", rf"{pulls}/(?P<number>\d+)", self.change_pull)]

    def list_pulls(self, call: Call) -> Reply:
        """Answer the pull requests of a branch, or a page of those that are active, the newest first."""
        assert call.query["searchCriteria.targetRefName"] == "refs/heads/main"
        if call.query["searchCriteria.status"] == "active":
            skipped = int(call.query["$skip"]) // int(call.query["$top"])
            return self._page(page(open_ones(self.pulls, "status", "active"), call, skipped))
        assert call.query["searchCriteria.status"] == "all"
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

    def change_pull(self, call: Call, number: str) -> Reply:
        """Change title and status of one that is active."""
        pull = self.pulls[int(number) - 1]
        if pull["status"] != "active":
            return Reply(403, {"message": "TF401181: The pull request cannot be edited due to its state."})
        assert set(call.body) <= {"title", "status"}
        pull |= call.body
        return Reply(200, pull)

    def ask_as_people(self, number: int) -> None:
        """Open pull requests of other branches."""
        for one in range(len(self.pulls) + 1, len(self.pulls) + 1 + number):
            refs = {"sourceRefName": f"refs/heads/feature/{one}", "targetRefName": "refs/heads/main"}
            self.pulls.append({**refs, "title": "Ours", "pullRequestId": one, "status": "active"})

    def waiting(self) -> list[int]:
        """Return the numbers of those that can be completed."""
        return [one["pullRequestId"] for one in self.pulls if one["status"] == "active"]

    def branch(self, number: int) -> str:
        """Return the branch of a pull request."""
        return str(self.pulls[number - 1]["sourceRefName"].removeprefix("refs/heads/"))

    def merge(self, number: int) -> None:
        """Complete it, as a person does."""
        assert number in self.waiting()
        squash(self.server, self.branch(number))
        self.pulls[number - 1] |= {"status": "completed"}

    def shut(self, number: int) -> None:
        """Abandon it."""
        self.pulls[number - 1] |= {"status": "abandoned"}


def open_ones(pulls: list[dict[str, Any]], key: str, state: str) -> list[dict[str, Any]]:
    """Return the pull requests in a state, the newest first."""
    return [one for one in pulls[::-1] if one[key] == state]


def page(found: list[dict[str, Any]], call: Call, number: int) -> list[dict[str, Any]]:
    """Return a page of what was found, of as many as were asked for."""
    size = int(call.query.get("per_page") or call.query["$top"])
    return found[number * size : (number + 1) * size]


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
