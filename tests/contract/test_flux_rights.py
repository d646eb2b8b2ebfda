"""A user who could not ask a version what it is judged by is refused before a commit is made, with the right's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cluster_stages import QUICK, packaged, register
from flux_controllers import Flux
from flux_stages import flux_stage
from gitserver import GitServer
from kubefake.cluster import Cluster
from model_packages import MODEL, make_package

from mlops.adapters.local.registry import open_registry
from mlops.config import Release
from mlops.context import Context
from mlops.errors import TargetError
from mlops.records import stage_tag
from mlops.steps.deploy import deploy


@pytest.mark.parametrize("flagger", [False, True])
@pytest.mark.parametrize("right", [("create", "services/proxy"), ("get", "pods/proxy")])
def test_no_version_is_committed_that_this_user_could_not_judge(
    cluster: Cluster, git_server: GitServer, tmp_path: Path, flagger: bool, right: tuple[str, str]
) -> None:
    package = make_package(tmp_path / "package")
    stage = replace(flux_stage(git_server.url, flagger=flagger), release=Release("int8", (50, 100), QUICK))
    register(stage, [package])
    packaged(cluster, package)
    open_registry(stage).set_tag(MODEL, 1, stage.name, "approved")
    cluster.forbid(*right)
    with Flux(cluster, git_server).running():
        before = git_server.messages()
        with pytest.raises(TargetError, match=f"may not {' '.join(right)} in namespace .*: bind a role that may"):
            deploy(Context(stage, tmp_path / "run", lambda line: None))
        assert git_server.messages() == before
    assert stage_tag(open_registry(stage).versions(MODEL)[1], "production") == "approved", "no version is to blame"
