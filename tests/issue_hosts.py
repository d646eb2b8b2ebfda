"""GitHub's issues and Azure DevOps' work items, beside what tests/code_hosts.py has of the two.

Sources: docs.github.com/rest/issues; learn.microsoft.com/rest/api/azure/devops/wit (wiql, work items, type states).
"""

from __future__ import annotations

import html
import re
from typing import Any

from code_hosts import AzureDevOpsHost, Call, GitHubHost, Reply

# Of a Task, by process: Agile's and Scrum's differ.
AGILE = {"New": "Proposed", "Active": "InProgress", "Closed": "Completed", "Removed": "Removed"}
SCRUM = {"To Do": "Proposed", "In Progress": "InProgress", "Done": "Completed", "Removed": "Removed"}


class GitHubIssues(GitHubHost):
    """octo/camera with issues; `drops_labels`: the token may open issues, but not give labels."""

    def __init__(self, key: Any = None) -> None:
        super().__init__(key)
        self.issues: list[dict[str, Any]] = []
        self.drops_labels = False
        issues = "/repos/octo/camera/issues"
        self.routes += [
            ("GET", issues, self.list_issues),
            ("POST", issues, self.create_issue),
            ("PATCH", rf"{issues}/(?P<number>\d+)", self.change_issue),
        ]

    @property
    def open_titles(self) -> list[str]:
        return [one["title"] for one in self.issues if one["state"] == "open"]

    def list_issues(self, call: Call) -> Reply:
        """Answer a page of those in a state that bear a label, pull requests among them, the oldest first."""
        wanted, size = call.query["labels"], int(call.query["per_page"])
        assert (call.query["state"], call.query["direction"]) == ("open", "asc")
        found = [one for one in self.issues if one["state"] == "open" and {"name": wanted} in one["labels"]]
        start = (int(call.query["page"]) - 1) * size
        return Reply(200, found[start : start + size])

    def create_issue(self, call: Call) -> Reply:
        """Open an issue, its labels left out where the token may not give any."""
        number = len(self.issues) + 1
        labels = [] if self.drops_labels else [{"name": name} for name in call.body["labels"]]
        page = f"https://github.com/octo/camera/issues/{number}"
        self.issues.append({**call.body, "labels": labels, "number": number, "state": "open", "html_url": page})
        return Reply(201, self.issues[-1])

    def change_issue(self, call: Call, number: str) -> Reply:
        """Change an issue."""
        self.issues[int(number) - 1].update(call.body)
        return Reply(200, self.issues[int(number) - 1])

    def install(self, call: Call) -> Reply:
        """Give an installation's token that may write issues."""
        assert call.body["permissions"] == {"issues": "write"}
        self.tokens["ghs_installed"] = "app"
        return Reply(201, {"token": "ghs_installed", "expires_at": "2030-01-01T00:00:00Z"})


class AzureDevOpsItems(AzureDevOpsHost):
    """`edge cameras` with Boards, its tasks in the states of a process."""

    def __init__(self, states: dict[str, str] = AGILE) -> None:
        super().__init__()
        self.states, self.items = states, list[dict[str, Any]]()
        wit = "/org/edge cameras/_apis/wit"
        self.routes += [
            ("GET", rf"{wit}/workitemtypes/Task/states", self.list_states),
            ("POST", rf"{wit}/wiql", self.query),
            ("GET", rf"{wit}/workitems", self.list_items),
            ("POST", rf"{wit}/workitems/\$Task", self.create_item),
            ("PATCH", rf"{wit}/workitems/(?P<number>\d+)", self.change_item),
        ]

    @property
    def open_titles(self) -> list[str]:
        shut = [name for name, category in self.states.items() if category in ("Completed", "Removed")]
        fields = [one["fields"] for one in self.items]
        return [one["System.Title"] for one in fields if one["System.State"] not in shut]

    def list_states(self, call: Call) -> Reply:
        """Answer the states of a task."""
        return self._page([{"name": name, "category": category} for name, category in self.states.items()])

    def query(self, call: Call) -> Reply:
        """Answer the ids of the tasks that bear a tag, the newest first."""
        wanted = re.search(r"\[System.Tags\] CONTAINS '([\w-]+)'", call.body["query"])
        assert wanted and "@project" in call.body["query"]
        found = [one["id"] for one in self.items[::-1] if wanted[1] in one["fields"]["System.Tags"].split("; ")]
        return Reply(200, {"workItems": [{"id": number} for number in found]})

    def list_items(self, call: Call) -> Reply:
        """Answer fields of at most 200 items."""
        numbers = [int(number) for number in call.query["ids"].split(",")]
        assert len(numbers) <= 200
        return self._page([self.items[number - 1] for number in numbers])

    def create_item(self, call: Call) -> Reply:
        """Make a task in the first state."""
        fields = {"System.State": next(iter(self.states)), **self._fields(call)}
        self.items.append({"id": len(self.items) + 1, "fields": fields})
        return Reply(200, self.items[-1])

    def change_item(self, call: Call, number: str) -> Reply:
        """Change a task; a state that the process does not have is refused."""
        fields = self._fields(call)
        if fields.get("System.State", next(iter(self.states))) not in self.states:
            return Reply(400, {"message": "TF401320: Rule Error for field State."})
        self.items[int(number) - 1]["fields"].update(fields)
        return Reply(200, self.items[int(number) - 1])

    def _fields(self, call: Call) -> dict[str, str]:
        assert call.headers["content-type"] == "application/json-patch+json"
        fields = {one["path"].removeprefix("/fields/"): one["value"] for one in call.body if one["op"] == "add"}
        tags = fields.get("System.Tags", "")
        assert "," not in tags and all(len(tag) <= 400 for tag in tags.split(";"))
        if "System.Description" in fields:  # it keeps HTML in a form of its own
            fields["System.Description"] = html.escape(html.unescape(fields["System.Description"]), False).replace(
                "&lt;pre&gt;", "<pre>"
            )
        return fields
