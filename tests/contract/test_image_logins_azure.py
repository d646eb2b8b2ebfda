"""Tools for images are logged in to Azure's registries by who this process is to Azure, where nobody else did it."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from azurefake.state import Azure
from azurefake.tokens import claims_of
from cluster_stages import cluster_stage

from mlops.adapters.images import acr, preflight, tools
from mlops.adapters.images.logins import login_of
from mlops.adapters.images.preflight import Reply
from mlops.errors import RegistryError

HOST = "team.azurecr.io"
IMAGE = f"{HOST}/fashion-classifier@sha256:{'0' * 64}"
COPY = ["skopeo", "copy", f"docker://{IMAGE}", "docker://other.azurecr.io/fashion-classifier:7"]


@pytest.fixture(autouse=True)
def fresh(azure: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start as a process that has logged in nowhere, of a user without logins."""
    monkeypatch.setattr(acr, "KEPT", acr._Kept())
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


def test_a_tool_finds_a_login_to_each_of_azures_registries_that_it_is_told_of(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = acr.variables(COPY)
    assert acr.variables(COPY) == given
    assert sum(one.path == "/oauth2/exchange" for one in azure.requests) == 2, "once for each"
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for host in (HOST, "other.azurecr.io"):
        login = login_of(f"{host}/fashion-classifier")
        assert login is not None and login.user == acr.USER
        claims = claims_of(login.password)
        assert claims is not None and claims["aud"] == host


def test_what_lies_on_disk_is_the_users_alone_and_other_logins_are_in_it(tmp_path: Path) -> None:
    own = {"auths": {"docker.io": {"auth": "dTpw"}}, "proxies": {}}
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps(own))
    given = acr.variables(COPY)
    path = Path(given["REGISTRY_AUTH_FILE"])
    assert path.parent == Path(given["DOCKER_CONFIG"])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    content = json.loads(path.read_text())
    assert set(content["auths"]) == {"docker.io", HOST, "other.azurecr.io"} and content["proxies"] == {}
    assert given["BUILDX_CONFIG"] == str(tmp_path / "docker/buildx")


def test_a_tool_runs_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = tools.run(["sh", "-c", 'cat "$DOCKER_CONFIG/config.json"', IMAGE])
    assert HOST in json.loads(ended.output)["auths"]


@pytest.mark.parametrize(
    "command",
    [
        ["skopeo", "copy", "docker://registry.example/x:1"],
        ["skopeo", "copy", "docker://team.azurecr.io.evil.example/x:1"],
        ["skopeo", "copy", "docker://evil.example/team.azurecr.io.tar"],
        ["cosign", "verify", "--key", "azurekms://team.vault.azure.net/key"],
    ],
)
def test_no_token_is_asked_for_where_no_registry_of_azures_is_named(azure: Azure, command: list[str]) -> None:
    assert acr.variables(command) == {}
    assert not any(one.path == "/oauth2/exchange" for one in azure.requests)


def test_who_has_logged_in_already_stays_who_they_are(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(json.dumps({"auths": {HOST: {"auth": "dTpw"}}}))
    assert acr.variables(["skopeo", "inspect", f"docker://{IMAGE}"]) == {}


def test_on_a_laptop_a_person_logs_in(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acr, "place", lambda variables: acr.LAPTOP)
    assert acr.variables(COPY) == {} and azure.requests == []


def test_a_registry_that_lets_this_identity_not_in_says_so_in_a_line(azure: Azure) -> None:
    azure.more["closed registries"] = (HOST,)
    with pytest.raises(RegistryError, match=f"{HOST} gives no token .*Forbidden.*: does this identity have a role"):
        acr.variables(["skopeo", "inspect", f"docker://{IMAGE}"])


def test_preflight_looks_with_the_login_that_the_tools_will_have(monkeypatch: pytest.MonkeyPatch) -> None:
    challenge = f'Bearer realm="https://{HOST}/oauth2/token",service="{HOST}"'
    monkeypatch.setattr(preflight, "_get", lambda *given: Reply(200 if len(given) > 1 else 401, challenge, b"{}"))
    stage = cluster_stage()
    stage = replace(stage, images=replace(stage.images, registry=HOST))
    lines = list(preflight.ImagesPreflight(stage).lines())
    assert len(lines) == 3 and not any("log in" in line.text for line in lines)
