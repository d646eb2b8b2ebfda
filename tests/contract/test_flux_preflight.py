"""What `preflight` says of a stage that Flux releases to: repository, token, cluster; nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flux_controllers import Flux
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from pull_hosts import GitHubPullHost

from mlops.adapters.flux.preflight import FluxPreflight, open_preflight
from mlops.context import Context
from mlops.ports import CheckLine
from mlops.steps import preflight

QUIET = {"wait": False}


@pytest.fixture
def flux(cluster: Cluster, git_server: GitServer) -> Flux:
    made = Flux(cluster, git_server)
    made.install()
    return made


def seen(url: str, **flux: Any) -> dict[str, CheckLine]:
    """Return the lines of a stage of a repository, by check."""
    stage = flux_stage(url, **flux)
    stage = replace(stage, kubernetes=replace(stage.kubernetes, overlay="production"))
    found = {line.check: line for line in open_preflight(stage).lines()}
    assert not any("\n" in line.text for line in found.values())
    return found


def test_a_stage_that_has_all_is_ok_and_nothing_is_changed(flux: Flux, git_server: GitServer) -> None:
    before, cluster = git_server.refs(), dict(flux.cluster.store.objects)
    found = seen(git_server.url)
    assert {line.state for line in found.values()} == {"ok"}
    assert set(found) == {"gitops", "gitops push", "flux", "monitoring", "flux rights", "kustomization"}
    assert (git_server.refs(), flux.cluster.store.objects) == (before, cluster)


def test_a_repository_that_is_away_or_lacks_the_branch_is_a_failure(git_server: GitServer, tmp_path: Path) -> None:
    line = seen(git_server.url, branch="gone", **QUIET)["gitops"]
    assert line.state == "failure" and "no branch 'gone': make it" in line.text
    assert seen(f"{git_server.host}/team/none.git", **QUIET)["gitops"].state == "failure"
    assert "flux.repository is empty" in seen("", **QUIET)["gitops"].text


def test_a_token_that_may_only_read_is_a_failure(git_server: GitServer) -> None:
    assert seen(git_server.url, **QUIET)["gitops push"].state == "ok"
    git_server.git("config", "http.receivepack", "false")
    found = seen(git_server.url, **QUIET)
    assert found["gitops"].state == "failure" and "needs to write the repository's contents" in found["gitops"].text


def test_a_host_that_does_not_answer_for_the_repository_is_a_failure(
    git_server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = GitHubPullHost(git_server)
    monkeypatch.setenv("GITHUB_SERVER_URL", git_server.host)
    monkeypatch.setenv("GITHUB_API_URL", host.url)
    try:
        assert seen(git_server.url, policy="pull-request", **QUIET)["pull requests"].state == "ok"
        host.tokens.clear()
        line = seen(git_server.url, policy="pull-request", **QUIET)["pull requests"]
        assert line.state == "failure" and "renew it" in line.text
    finally:
        host.close()


@pytest.mark.parametrize("group", ["kustomize.toolkit.fluxcd.io", "flagger.app", "monitoring.coreos.com"])
def test_an_api_that_is_waited_for_and_missing_is_a_failure(group: str, flux: Flux, git_server: GitServer) -> None:
    assert seen(git_server.url, flagger=True)["flagger"].state == "ok"
    flux.cluster.absent.add(group)
    failures = [line.text for line in seen(git_server.url, flagger=True).values() if line.state == "failure"]
    assert any(group in text for text in failures)


def test_rights_that_are_missing_are_named_each(flux: Flux, git_server: GitServer) -> None:
    flux.cluster.forbid("list", "kustomizations.kustomize.toolkit.fluxcd.io")
    line = seen(git_server.url)["flux rights"]
    assert line.state == "failure" and "may not list kustomizations.kustomize.toolkit.fluxcd.io: bind" in line.text


GATEWAYS = "gateway.networking.k8s.io"


@pytest.mark.parametrize(
    "right, changes",
    [
        (("create", "services/proxy"), {}),
        (("get", "pods/proxy"), {}),
        *(((verb, f"httproutes.{GATEWAYS}"), {}) for verb in ("get", "list", "watch")),
        (("get", f"gateways.{GATEWAYS}"), {}),
        (("get", "canaries.flagger.app"), {"flagger": True}),
    ],
)
def test_each_right_without_which_a_release_fails_is_asked_for(
    flux: Flux, git_server: GitServer, right: tuple[str, str], changes: dict[str, Any]
) -> None:
    assert seen(git_server.url, **changes)["flux rights"].state == "ok"
    flux.cluster.forbid(*right)
    line = seen(git_server.url, **changes)["flux rights"]
    assert line.state == "failure" and f"may not {' '.join(right)}: bind" in line.text


def test_only_the_rights_for_what_the_stage_has_are_asked_for(flux: Flux, git_server: GitServer) -> None:
    stage = flux_stage(git_server.url)
    direct = replace(stage, kubernetes=replace(stage.kubernetes, traffic="replicas"))
    cameras = replace(stage, kubernetes=replace(stage.kubernetes, overlay="edge-cameras"))
    named = [{str(right) for right in FluxPreflight(one).looked_at} for one in (stage, direct, cameras)]
    assert named[0] - named[1] == {f"{verb} httproutes.{GATEWAYS}" for verb in ("get", "list", "watch")} | {
        f"get gateways.{GATEWAYS}"
    }
    assert named[2] - named[0] == {"list statefulsets.apps", "watch statefulsets.apps"}


def test_not_one_kustomization_of_the_folder_is_a_failure(flux: Flux, git_server: GitServer) -> None:
    line = seen(git_server.url, path="clusters/elsewhere")["kustomization"]
    assert line.state == "failure" and "no Kustomization applies clusters/elsewhere" in line.text
    flux.name = "twice"
    flux.install()
    assert "2 Kustomizations apply" in seen(git_server.url)["kustomization"].text


def test_where_nobody_waits_no_cluster_is_asked(
    git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    found = {line.check for line in preflight.lines(Context(flux_stage(git_server.url, **QUIET), tmp_path))}
    assert "gitops push" in found and not found & {"kubernetes", "cluster", "flux"}
