"""A release on this machine whose connection to the new deployment is lost: nobody is blamed, and a rerun converges."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from model_packages import make_package
from registries import give_database

from mlops.adapters.local.stop import stop_endpoints
from mlops.config import Release, Verify, load_stage
from mlops.context import Context
from mlops.ports import DeployTarget, EndpointStatus
from mlops.records import DeployRecord, read_record, stage_tag
from mlops.steps import deploy

QUICK = Verify(requests=2, bake_seconds=0, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1e6)


@dataclass
class CutOff:
    """The target itself, but for the way to one version once it has enough traffic: there connections are cut."""

    target: DeployTarget
    version: int
    url: str
    percent: int

    def status(self) -> EndpointStatus:
        """Return what the target says, with the address at which connections are cut."""
        seen = self.target.status()
        if self.version not in seen.deployments or seen.traffic.get(self.version, 0) < self.percent:
            return seen
        cut = replace(seen.deployments[self.version], url=self.url)
        return replace(seen, deployments={**seen.deployments, self.version: cut})

    def lock(self) -> AbstractContextManager[None]:
        """Hold the target."""
        return self.target.lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


@pytest.fixture
def cutting() -> Iterator[str]:
    """Yield the address of a server that ends each connection before it answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def cut() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=cut)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def context(own_platform: Path) -> Iterator[Context]:
    """Production with version 1 serving, and version 2 approved."""
    stage = replace(load_stage("production"), release=Release("int8", (20, 100), QUICK))
    context = Context(stage, own_platform / "run", lambda line: None)
    give_database(stage.home)
    for number in (1, 2):
        package = make_package(own_platform / f"package-{number}", version_bias=number / 10)
        context.registry.register(stage.model, package, {})
        context.registry.set_tag(stage.model, number, "production", "approved")
        if number == 1:
            assert deploy.deploy(context).outcome == "served"
    yield context
    stop_endpoints(stage.home)


@pytest.mark.parametrize("percent, traffics", [(0, []), (20, [{"1": 80, "2": 20}, {"1": 100}])])
def test_a_lost_connection_gives_the_traffic_back_and_revokes_nobody(
    percent: int, traffics: list[dict[str, int]], context: Context, cutting: str
) -> None:
    target = context.target
    object.__setattr__(context, "target", CutOff(target, 2, cutting, percent))
    assert deploy.run(context, None) == 1  # type: ignore[arg-type]
    record = read_record(context.run, "deploy.production", DeployRecord)
    assert (record.outcome, record.version, record.verdict.outcome) == ("reverted", 1, "error")
    assert "got no answer" in record.verdict.reason and "run the step again" in record.verdict.reason
    assert [event.traffic for event in record.events] == traffics
    assert (target.status().traffic, list(target.status().deployments)) == ({1: 100}, [1])
    assert stage_tag(context.registry.versions(context.stage.model)[2], "production") == "approved"
    object.__setattr__(context, "target", target)
    assert deploy.run(context, None) == 0  # type: ignore[arg-type]
    assert (target.status().traffic, list(target.status().deployments)) == ({2: 100}, [2])


def test_a_lost_connection_to_what_serves_alone_and_was_changed_leaves_it_serving(
    context: Context, cutting: str
) -> None:
    context.registry.set_tag(context.stage.model, 2, "production", "revoked")
    stage = replace(context.stage, release=Release("fp32", (100,), QUICK))
    changed, target = Context(stage, context.run / "fp32", lambda line: None), context.target
    own = changed.target
    object.__setattr__(changed, "target", CutOff(own, 1, cutting, 100))
    assert deploy.run(changed, None) == 1  # type: ignore[arg-type]
    record = read_record(changed.run, "deploy.production", DeployRecord)
    assert (record.outcome, record.version, record.verdict.outcome, record.events) == ("reverted", 1, "error", ())
    assert (target.status().traffic, list(target.status().deployments)) == ({1: 100}, [1])
    object.__setattr__(changed, "target", own)
    assert deploy.run(changed, None) == 0  # type: ignore[arg-type]
