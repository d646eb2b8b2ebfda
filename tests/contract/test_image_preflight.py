"""Preflight of the registry of images, against one on loopback: whether it is there, who is let in, who may push."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azurefake.tokens import SECRET
from code_hosts import Call, CodeHost, Reply

from mlops.config import load_stage
from mlops.context import Context
from mlops.ports import CheckLine
from mlops.preflight import pushing
from mlops.steps import preflight


class ImageRegistry(CodeHost):
    """A registry that asks for a token, which says what its one user may do with the repositories of team/."""

    def __init__(self) -> None:
        super().__init__()
        self.allowed: list[str] | None = ["pull", "push"]
        self.scheme = "Bearer"
        self.routes = [("GET", "/v2/", self.check), ("GET", "/token", self.token)]

    @property
    def place(self) -> str:
        """Return what a stage file names."""
        return f"{self.url.removeprefix('http://')}/team"

    def refusal(self, call: Call) -> None:
        """Let everybody in to where they are asked who they are."""

    def check(self, call: Call) -> Reply:
        """Answer whether the caller is let in, or how to be."""
        if call.headers.get("authorization") == basic():
            return Reply(200, {})
        asked = f'{self.scheme} realm="{self.url}/token",service="registry"'
        return Reply(401, {}, {"WWW-Authenticate": asked})

    def token(self, call: Call) -> Reply:
        """Give a token to who has the password."""
        if call.headers.get("authorization") != basic():
            return Reply(401, {"message": SECRET})
        if self.allowed is None:
            return Reply(200, {"token": "opaque"})
        name = call.query["scope"].split(":")[1]
        claims = {"access": [{"type": "repository", "name": name, "actions": self.allowed}]}
        part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return Reply(200, {"token": f"head.{part}.sign"})


def basic(password: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"robot:{password}".encode()).decode()


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    host = ImageRegistry()
    yield host
    host.close()


@pytest.fixture
def logins(registry: ImageRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of logins, with one to the registry."""
    path = tmp_path / "auth.json"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))
    log_in(path, registry)
    return path


def log_in(path: Path, registry: ImageRegistry, password: str = SECRET, below: str = "") -> None:
    host = registry.place.partition("/")[0]
    path.write_text(json.dumps({"auths": {host + below: {"auth": basic(password).partition(" ")[2]}}}))


def looked(registry: ImageRegistry | None, tmp_path: Path) -> list[CheckLine]:
    """Return what preflight finds of the registry for a stage on this machine."""
    stage = load_stage("dev")
    images = replace(stage.images, registry=registry.place if registry else "")
    found = preflight.lines(Context(replace(stage, images=images), tmp_path))
    return [line for line in found if line.check in (pushing.CHECK, pushing.LOGIN)]


def test_a_registry_that_lets_us_push_is_ok_and_is_only_read(
    registry: ImageRegistry, logins: Path, tmp_path: Path
) -> None:
    assert [line.state for line in looked(registry, tmp_path)] == ["ok"] * 3
    assert {call.method for call in registry.calls} == {"GET"}
    asked = [call.query["scope"] for call in registry.calls if call.path == "/token"]
    assert asked == ["repository:team/runtime:pull,push", "repository:team/fashion-classifier:pull,push"]


def test_without_a_registry_nothing_is_looked_at(tmp_path: Path) -> None:
    assert looked(None, tmp_path) == []


def test_a_login_that_may_only_pull_is_a_failure_with_the_role_to_give(
    registry: ImageRegistry, logins: Path, tmp_path: Path
) -> None:
    registry.allowed = ["pull"]
    lines = looked(registry, tmp_path)
    assert [line.state for line in lines] == ["ok", "failure", "failure"]
    assert lines[1].text.startswith("team/runtime: allowed is pull, not push:") and "AcrPush" in lines[1].text


def test_a_password_that_is_not_taken_is_a_failure_and_never_shown(
    registry: ImageRegistry, logins: Path, tmp_path: Path
) -> None:
    log_in(logins, registry, password="old-" + SECRET)
    lines = looked(registry, tmp_path)
    assert {line.state for line in lines[1:]} == {"failure"} and "answers 401 to robot: log in again" in lines[1].text
    assert SECRET not in "".join(line.text for line in lines)


def test_a_token_that_does_not_say_what_it_allows_is_a_warning(
    registry: ImageRegistry, logins: Path, tmp_path: Path
) -> None:
    registry.allowed = None
    assert [line.state for line in looked(registry, tmp_path)] == ["ok", "warning", "warning"]


def test_a_registry_without_tokens_is_asked_by_the_password(
    registry: ImageRegistry, logins: Path, tmp_path: Path
) -> None:
    registry.scheme = "Basic"
    assert [line.state for line in looked(registry, tmp_path)] == ["ok", "warning"]
    log_in(logins, registry, password="old")
    assert [line.state for line in looked(registry, tmp_path)] == ["ok", "failure"]


def test_a_login_to_a_path_of_the_registry_comes_before_that_to_its_host(
    registry: ImageRegistry, logins: Path, tmp_path: Path
) -> None:
    log_in(logins, registry, below="/team")
    assert [line.state for line in looked(registry, tmp_path)] == ["ok"] * 3


@pytest.mark.parametrize(
    "content, words", [({}, "nobody is logged in to 127.0.0.1"), ({"credsStore": "desktop"}, "a helper program keeps")]
)
def test_a_login_that_is_not_there_or_not_ours_to_read_is_a_warning(
    registry: ImageRegistry, logins: Path, tmp_path: Path, content: dict[str, str], words: str
) -> None:
    logins.write_text(json.dumps(content))
    lines = looked(registry, tmp_path)
    assert [line.state for line in lines] == ["ok", "warning"] and lines[1].text.startswith(words)


def test_a_login_is_never_sent_to_an_address_without_tls(registry: ImageRegistry, logins: Path, tmp_path: Path) -> None:
    registry.routes[0] = ("GET", "/v2/", lambda call: Reply(401, {}, {"WWW-Authenticate": 'Bearer realm="http://a/t"'}))
    lines = looked(registry, tmp_path)
    assert lines[1].state == "failure" and "by https alone" in lines[1].text


def test_what_is_no_registry_or_not_there_is_a_failure(registry: ImageRegistry, logins: Path, tmp_path: Path) -> None:
    registry.routes = []
    (line,) = looked(registry, tmp_path)
    assert line.state == "failure" and "answers 404 to /v2/" in line.text
    registry.close()
    (line,) = looked(registry, tmp_path)
    assert line.state == "failure" and "images.registry" in line.text
