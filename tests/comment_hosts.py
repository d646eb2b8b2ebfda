"""GitHub's and Azure DevOps' comments on pull requests, beside what tests/code_hosts.py has of the two.

Sources: docs.github.com/rest/issues/comments; learn.microsoft.com/rest/api/azure/devops/git (pull request threads,
pull request thread comments).
"""

from __future__ import annotations

from typing import Any

from code_hosts import AzureDevOpsHost, Call, GitHubHost, Reply

BUILD_SERVICE, STRANGER = "build-service", "stranger"


class GitHubPulls(GitHubHost):
    """octo/camera with pull request 12."""

    def __init__(self) -> None:
        super().__init__()
        self.comments: list[dict[str, Any]] = []
        issues = "/repos/octo/camera/issues"
        self.routes += [
            ("GET", rf"{issues}/12/comments", self.list_comments),
            ("POST", rf"{issues}/12/comments", lambda call: self.write(call.body["body"], "Bot")),
            ("PATCH", rf"{issues}/comments/(?P<number>\d+)", self.change_comment),
        ]

    @property
    def texts(self) -> list[str]:
        """Return what people read, the oldest first."""
        return [one["body"] for one in self.comments]

    def write(self, body: str, kind: str = "User") -> Reply:
        """Write a comment; one that is too long is refused."""
        if len(body) > 65_536:
            return Reply(422, {"message": "body is too long (maximum is 65536 characters)"})
        number = len(self.comments) + 1
        page = f"https://github.com/octo/camera/pull/12#issuecomment-{number}"
        self.comments.append({"id": number, "body": body, "user": {"type": kind}, "html_url": page})
        return Reply(201, self.comments[-1])

    def list_comments(self, call: Call) -> Reply:
        """Answer a page of comments, the oldest first."""
        start, size = (int(call.query["page"]) - 1) * int(call.query["per_page"]), int(call.query["per_page"])
        return Reply(200, self.comments[start : start + size])

    def change_comment(self, call: Call, number: str) -> Reply:
        """Change a comment."""
        self.comments[int(number) - 1].update(call.body)
        return Reply(200, self.comments[int(number) - 1])


class AzureDevOpsPulls(AzureDevOpsHost):
    """`edge cameras` with pull request 12."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[dict[str, Any]] = []
        threads = "/org/edge cameras/_apis/git/repositories/repo-id/pullRequests/12/threads"
        me = {"authenticatedUser": {"id": BUILD_SERVICE, "subjectDescriptor": "svc"}}
        self.routes += [
            ("GET", r"/org/_apis/connectionData", lambda call: Reply(200, me)),
            ("GET", threads, lambda call: self._page(self.threads)),
            ("POST", threads, self.create_thread),
            ("PATCH", rf"{threads}/(?P<thread>\d+)/comments/1", self.change_comment),
        ]

    @property
    def texts(self) -> list[str]:
        """Return what people read, the oldest first."""
        return [one["comments"][0]["content"] for one in self.threads]

    def write(self, content: str, author: str = STRANGER) -> Reply:
        """Begin a thread; a comment that is too long is refused."""
        if len(content) > 150_000:
            return Reply(400, {"message": "The comment is too long."})
        comment = {"id": 1, "content": content, "author": {"id": author}}
        self.threads.append({"id": len(self.threads) + 1, "comments": [comment]})
        return Reply(200, self.threads[-1])

    def create_thread(self, call: Call) -> Reply:
        """Begin a thread that is closed, so that no policy holds the pull request up for it."""
        (comment,) = call.body["comments"]
        assert (call.body["status"], comment["commentType"], comment["parentCommentId"]) == (4, 1, 0)
        return self.write(comment["content"], BUILD_SERVICE)

    def change_comment(self, call: Call, thread: str) -> Reply:
        """Change a comment, for its author."""
        comment = self.threads[int(thread) - 1]["comments"][0]
        if comment["author"]["id"] != BUILD_SERVICE:
            return Reply(403, {"message": "TF401027: You need to be the author of the comment."})
        comment["content"] = call.body["content"]
        return Reply(200, comment)
