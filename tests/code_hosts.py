"""GitHub and Azure DevOps as servers on loopback: their documented routes and answers, with state, and faults on order.

Sources: docs.github.com/rest (checks, commit statuses, apps, environments); learn.microsoft.com/rest/api/azure/devops
(Git statuses and iterations, build tags, environments, checks).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SIGN_IN = "<html>Sign in to your account</html>"


@dataclass(frozen=True)
class Call:
    """One request as a host saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """One answer: a dict or list goes as JSON, a string as a page."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """A connection that breaks off; `handled`: after what was asked is done."""

    handled: bool = False


Route = tuple[str, str, Callable[..., Reply]]


class CodeHost:
    """A server on loopback; `faults` are the next answers, whatever is asked, None for a true one."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: deque[Reply | Drop | None] = deque()
        self.routes: list[Route] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def sent(self, method: str) -> list[Call]:
        """Return the requests of a method."""
        return [call for call in self.calls if call.method == method]

    def refusal(self, call: Call) -> Reply | None:
        """Return why a request is not let in, None where it is."""
        raise NotImplementedError

    def answer(self, call: Call) -> Reply:
        """Answer a request by its route; 404 where there is none."""
        refused = self.refusal(call)
        if refused:
            return refused
        for method, path, handler in self.routes:
            found = re.fullmatch(path, call.path)
            if found and method == call.method:
                return handler(call, **found.groupdict())
        return Reply(404, {"message": "Not Found"})

    def respond(self, call: Call) -> Reply | Drop:
        """Return the next fault, or the true answer."""
        self.calls.append(call)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, Drop) and fault.handled:
            self.answer(call)
        return fault or self.answer(call)

    def _handler(host) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)
                reply = host.respond(call)
                if isinstance(reply, Drop):
                    self.close_connection = True
                else:
                    self.send(reply)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do

            def send(self, reply: Reply) -> None:
                content = reply.body.encode() if isinstance(reply.body, str) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words: Any) -> None: ...

        return Handler


class GitHubHost(CodeHost):
    """One repository, octo/camera. `tokens` maps what is let in to `app` or `person`; only an app may write checks."""

    def __init__(self, key: Any = None) -> None:
        """`key` is the public key of an app, which is installed here."""
        super().__init__()
        self.key = key
        self.tokens = {"ghs_workflow": "app", "github_pat_mine": "person"}
        self.checks: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.environments: dict[str, list[dict[str, Any]]] = {}
        repository = "/repos/octo/camera"
        self.routes = [
            ("GET", rf"{repository}/commits/(?P<sha>\w+)/check-runs", self.list_checks),
            ("POST", rf"{repository}/check-runs", self.create_check),
            ("PATCH", rf"{repository}/check-runs/(?P<number>\d+)", self.change_check),
            ("GET", rf"{repository}/commits/(?P<sha>\w+)/statuses", self.list_statuses),
            ("POST", rf"{repository}/statuses/(?P<sha>\w+)", self.create_status),
            ("GET", rf"{repository}/installation", lambda call: Reply(200, {"id": 7})),
            ("POST", r"/app/installations/7/access_tokens", self.install),
            ("GET", rf"{repository}/environments/(?P<name>\w+)", self.get_environment),
        ]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Return what people see on the commit: the state and the words, one of each name."""
        latest = {status["context"]: status for status in self.statuses}
        return [(one["conclusion"], one["output"]["title"]) for one in self.checks] + [
            (one["state"], one["description"]) for one in latest.values()
        ]

    def refusal(self, call: Call) -> Reply | None:
        """Let in known tokens, and to the routes of apps whoever signed with the app's key."""
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        if call.path.endswith(("/installation", "/access_tokens")):
            return None if self._is_signed(token) else Reply(401, {"message": "A JSON web token could not be decoded"})
        return None if token in self.tokens else Reply(401, {"message": "Bad credentials"})

    def list_checks(self, call: Call, sha: str) -> Reply:
        """Answer the check runs of a name on a commit, the newest first."""
        wanted = (sha, call.query["check_name"])
        found = [one for one in self.checks[::-1] if (one["head_sha"], one["name"]) == wanted]
        return Reply(200, {"total_count": len(found), "check_runs": found})

    def create_check(self, call: Call) -> Reply:
        """Make a check run, for an app."""
        if not self._is_app(call):
            return Reply(403, {"message": "Resource not accessible by personal access token"})
        number = len(self.checks) + 1
        made = {**call.body, "id": number, "html_url": f"https://github.com/octo/camera/runs/{number}"}
        self.checks.append(made)
        return Reply(201, made)

    def change_check(self, call: Call, number: str) -> Reply:
        """Change a check run."""
        self.checks[int(number) - 1].update(call.body)
        return Reply(200, self.checks[int(number) - 1])

    def list_statuses(self, call: Call, sha: str) -> Reply:
        """Answer the statuses of a commit, the newest first."""
        return Reply(200, [one for one in self.statuses[::-1] if one["sha"] == sha])

    def create_status(self, call: Call, sha: str) -> Reply:
        """Add a status: what was there stays in the list."""
        if len(call.body["description"]) > 140:
            return Reply(422, {"message": "Validation Failed"})
        self.statuses.append({**call.body, "sha": sha, "id": len(self.statuses) + 1})
        return Reply(201, self.statuses[-1])

    def install(self, call: Call) -> Reply:
        """Give an installation's token."""
        assert call.body == {"repositories": ["camera"], "permissions": {"checks": "write"}}
        self.tokens["ghs_installed"] = "app"
        return Reply(201, {"token": "ghs_installed", "expires_at": "2030-01-01T00:00:00Z"})

    def get_environment(self, call: Call, name: str) -> Reply:
        """Answer an environment's protection rules."""
        if name not in self.environments:
            return Reply(404, {"message": "Not Found"})
        return Reply(200, {"id": 1, "name": name, "protection_rules": self.environments[name]})

    def _is_app(self, call: Call) -> bool:
        return self.tokens[call.headers["authorization"].removeprefix("Bearer ")] == "app"

    def _is_signed(self, token: str) -> bool:
        import jwt

        try:
            jwt.decode(token, self.key, algorithms=["RS256"], issuer="Iv1.app", options={"require": ["exp", "iat"]})
        except (jwt.InvalidTokenError, TypeError, ValueError):
            return False
        return True


class AzureDevOpsHost(CodeHost):
    """An organization's project `edge cameras` with a repository, pull request 12 and build 34."""

    def __init__(self) -> None:
        super().__init__()
        self.logins = {"Bearer entra-token", f"Basic {base64.b64encode(b':personal').decode()}"}
        self.statuses: list[dict[str, Any]] = []
        self.tags: list[str] = []
        self.iterations = [
            {"id": 1, "sourceRefCommit": {"commitId": "0ld"}},
            {"id": 2, "sourceRefCommit": {"commitId": "c0ffee"}},
        ]
        self.environments: dict[str, list[str]] = {}
        apis, git = "/org/edge cameras/_apis", "/org/edge cameras/_apis/git/repositories/repo-id"
        self.routes = [
            ("GET", rf"{git}/pullRequests/12/iterations", lambda call: self._page(self.iterations)),
            ("GET", rf"{git}/(?P<place>pullRequests/12|commits/\w+)/statuses", self.list_statuses),
            ("POST", rf"{git}/(?P<place>pullRequests/12|commits/\w+)/statuses", self.create_status),
            ("PUT", rf"{apis}/build/builds/34/tags/(?P<tag>[\w.-]+)", self.add_tag),
            ("GET", rf"{apis}/distributedtask/environments", self.list_environments),
            ("GET", rf"{apis}/pipelines/checks/configurations", self.list_checks),
        ]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Return what people see: the last status of each place and name."""
        latest = {(one["place"], one["context"]["name"]): one for one in self.statuses}
        return [(one["state"], one["description"]) for one in latest.values()]

    def refusal(self, call: Call) -> Reply | None:
        """Answer who has no good token with the page to sign in, as Azure DevOps does."""
        assert call.query["api-version"].startswith("7.1")
        return None if call.headers.get("authorization") in self.logins else Reply(203, SIGN_IN)

    def list_statuses(self, call: Call, place: str) -> Reply:
        """Answer the statuses of a pull request or a commit."""
        return self._page([one for one in self.statuses if one["place"] == place])

    def create_status(self, call: Call, place: str) -> Reply:
        """Add a status."""
        self.statuses.append({**call.body, "place": place, "id": len(self.statuses) + 1})
        return Reply(200, self.statuses[-1])

    def add_tag(self, call: Call, tag: str) -> Reply:
        """Add a tag to the build, which has it once."""
        self.tags = sorted({*self.tags, tag})
        return self._page(self.tags)

    def list_environments(self, call: Call) -> Reply:
        """Answer the environments of a name."""
        found = [name for name in self.environments if name == call.query["name"]]
        return self._page([{"id": list(self.environments).index(name) + 1, "name": name} for name in found])

    def list_checks(self, call: Call) -> Reply:
        """Answer the approvals and checks of an environment."""
        assert call.query["resourceType"] == "environment"
        kinds = list(self.environments.values())[int(call.query["resourceId"]) - 1]
        return self._page([{"type": {"name": kind}} for kind in kinds])

    def _page(self, found: list[Any]) -> Reply:
        return Reply(200, {"count": len(found), "value": found})
