"""A git server on loopback: `git http-backend` behind http.server, with a token, other writers, and faults on order.

Source: git-scm.com/docs/git-http-backend.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "gitops-token-of-the-tests"
BRANCH = "refs/heads/main"
README = {"README.md": "The clusters of a team.\n", "clusters/qa/apps.yaml": "apps: of somebody else\n"}
PROTECTED = """#!/bin/sh
while read old new ref; do
    if [ "$ref" = refs/heads/main ]; then echo "error: GH006: Protected branch update failed for $ref."; exit 1; fi
done
"""

Fault = Callable[[], bool]  # what happens as a push arrives, and whether the server then takes it


class GitServer:
    """One repository, `team/clusters.git`. `pushes` are the next pushes' faults; `arrived` counts what was pushed."""

    def __init__(self, folder: Path, files: Mapping[str, str] = README) -> None:
        """Serve a repository whose branch main holds these files; without any it is empty."""
        self.folder = folder / "team" / "clusters.git"
        self.pushes: deque[Fault] = deque()
        self.is_lost = False
        self.asked: list[tuple[str, str]] = []
        self.arrived = 0
        self.folder.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", "--template=", ".")
        self.git("config", "http.receivepack", "true")
        self.git("config", "core.logAllRefUpdates", "true")
        if files:
            self.write(files, "Begin")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, folder))
        self.host = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.host}/team/clusters.git"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def git(self, *words: str, given: bytes = b"") -> str:
        """Run git in the repository and return what it says."""
        return _git(self.folder, *words, given=given).stdout.decode().strip()

    def write(self, files: Mapping[str, str], message: str, branch: str = BRANCH) -> str:
        """Commit files to a branch as somebody else does, and return the commit."""
        stream = (
            f"commit {branch}\ncommitter Somebody <s@example.com> 1700000000 +0000\ndata {len(message)}\n{message}\n"
        )
        if self.head(branch):
            stream += f"from {branch}^0\n"
        for path, text in files.items():
            stream += f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n"
        self.git("fast-import", "--quiet", "--force", given=stream.encode())
        return self.head(branch)

    def head(self, ref: str = BRANCH) -> str:
        """Return the commit that a ref is at; empty where it is not there."""
        found = _git(self.folder, "rev-parse", "--verify", "--quiet", ref, check=False)
        return found.stdout.decode().strip()

    def files(self, ref: str = BRANCH) -> dict[str, str]:
        """Return all files of a ref, by path."""
        names = self.git("ls-tree", "-r", "--name-only", ref).splitlines()
        return {name: _git(self.folder, "cat-file", "blob", f"{ref}:{name}").stdout.decode() for name in names}

    def messages(self, ref: str = BRANCH) -> list[str]:
        """Return the commit messages of a ref, the newest first."""
        return [one.strip() for one in self.git("log", "--format=%B%x00", ref).split("\0") if one.strip()]

    def refs(self) -> list[str]:
        """Return the names of all refs."""
        return self.git("for-each-ref", "--format=%(refname)").splitlines()

    def protect(self) -> None:
        """Refuse each push to main, as a protected branch does."""
        hook = self.folder / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(PROTECTED)
        hook.chmod(0o755)

    def compete(self, *times: Mapping[str, str]) -> None:
        """Let somebody commit these files between our fetch and our push, once for each mapping."""
        for files in times:
            self.pushes.append(lambda files=files: bool(self.write(files, "Somebody was faster")))  # type: ignore[misc]

    def drop(self, handled: bool) -> None:
        """Break off the connection of the next push; `handled`: after it was taken."""
        self.pushes.append(lambda: handled and self._drop_after())

    def takes(self) -> bool:
        """Let happen what is to happen as a push arrives, and tell whether it is taken."""
        return self.pushes.popleft()() if self.pushes else True

    def cuts_off(self) -> bool:
        """Count a push, and tell whether its answer is to get lost."""
        self.arrived += 1
        is_lost, self.is_lost = self.is_lost, False
        return is_lost

    def _drop_after(self) -> bool:
        self.is_lost = True
        return True


@contextmanager
def running_git_server(folder: Path, files: Mapping[str, str] = README) -> Iterator[GitServer]:
    """Run a server while the block runs."""
    server = GitServer(folder, files)
    try:
        yield server
    finally:
        server.close()


def _git(folder: Path, *words: str, given: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    plain = {**clean, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(["git", *words], cwd=folder, env=plain, input=given, capture_output=True, check=check)


def _backend(root: Path, handler: Any, body: bytes) -> bytes:
    path, _, query = handler.path.partition("?")
    variables = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "REMOTE_USER": "ci",
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
    }
    return subprocess.run(["git", "http-backend"], env=variables, input=body, capture_output=True, check=True).stdout


def _parsed(answer: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and content of what a CGI program answers."""
    head, _, content = answer.partition(b"\r\n\r\n")
    lines = [(name, value) for name, _, value in (line.partition(": ") for line in head.decode().splitlines())]
    status = next((int(value.split()[0]) for name, value in lines if name == "Status"), 200)
    return status, [(name, value) for name, value in lines if name != "Status"], content


def _handler(server: GitServer, root: Path) -> type[BaseHTTPRequestHandler]:
    wanted = f"Basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append((self.command, self.path))
            if self.headers.get("Authorization") != wanted:
                self._send(401, [("WWW-Authenticate", 'Basic realm="clusters"')], b"")
                return
            # git first asks whether it is let in, by a packet that holds nothing.
            is_push = self.command == "POST" and self.path.endswith("git-receive-pack") and len(body) > 4
            if is_push and not server.takes():
                self.close_connection = True
                return
            status, headers, content = _parsed(_backend(root, self, body))
            self.close_connection = is_push and server.cuts_off()
            if not self.close_connection:
                self._send(status, headers, content)

        do_POST = do_GET

        def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in [*headers, ("Content-Length", str(len(content)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: Any) -> None: ...

    return Handler
