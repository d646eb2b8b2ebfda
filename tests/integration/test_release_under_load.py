"""Under constant load from several clients, a rollout, a failed canary and a rollback lose no request."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from model_packages import make_package
from PIL import Image
from registries import give_database

from mlops.adapters.local.stop import stop_endpoints
from mlops.config import REPOSITORY, Release, Stage, Verify, load_stage
from mlops.context import Context
from mlops.errors import BusyError, RegistryError
from mlops.records import stage_tag
from mlops.steps.deploy import deploy
from mlops.steps.rollback import rollback

CANARY = Verify(requests=5, bake_seconds=0.3, max_score_difference=0.02, max_error_rate=0.0, max_latency_ratio=1000.0)


@dataclass(frozen=True)
class Line:
    """What one client was answered."""

    t: float
    ms: float
    status: int
    version: int | None


def production() -> Stage:
    return replace(load_stage("production"), release=Release("int8", (20, 100), CANARY))


@pytest.fixture
def context(own_platform: Path) -> Iterator[Context]:
    """Production with version 1 serving, 2 and 3 registered; 3 fails on frames of the size that clients send."""
    context = Context(production(), own_platform / "run", lambda line: None)
    give_database(context.stage.home)
    for number, spoiled in ((1, False), (2, False), (3, True)):
        size = 28 if spoiled else None  # the golden frames have this size, the clients' have not
        package = make_package(own_platform / f"package-{number}", version_bias=number / 10, frame_size=size)
        context.registry.register(context.stage.model, package, {})
    approve(context, 1)
    deploy(context)
    yield context
    stop_endpoints(context.stage.home)


def approve(context: Context, version: int) -> None:
    context.registry.set_tag(context.stage.model, version, context.stage.name, "approved")


@contextmanager
def clients(context: Context, out: Path) -> Iterator[None]:
    """Keep four clients asking while the block runs; it begins when the first answer has come."""
    url, images = str(context.target.status().url), write_images(out.parent / "images")
    command = [sys.executable, "-m", "serving.load", "--url", url, "--model", context.stage.model]
    flags = ["--images", str(images), "--clients", "4", "--rate", "50", "--out", str(out)]
    process = subprocess.Popen([*command, *flags], env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")})
    deadline = time.monotonic() + 30
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def write_images(folder: Path) -> Path:
    folder.mkdir()
    for number, colour in enumerate(("red", "lime", "blue")):
        Image.new("RGB", (48, 40), colour).save(folder / f"{number}.png")
    return folder


def answers(out: Path) -> list[Line]:
    return [Line(**json.loads(line)) for line in out.read_text().splitlines()]


def test_a_rollout_a_failed_canary_and_a_rollback_lose_no_request(context: Context, own_platform: Path) -> None:
    out = own_platform / "load.jsonl"
    with clients(context, out):
        approve(context, 2)
        assert deploy(context).version == 2
        approve(context, 3)
        assert deploy(context).outcome == "reverted"
        failed = time.time()
        assert rollback(context, "a test").served == 1
        rolled_back = time.time()
        after_rollback(out, rolled_back)
    lines = answers(out)
    assert [line for line in lines if line.status != 200] == []
    assert {line.version for line in lines} >= {1, 2}
    assert not [line for line in lines if line.version == 3 and line.t > failed]
    assert {line.version for line in lines if line.t > rolled_back} == {1}
    summary = json.loads((own_platform / "load.json").read_text())
    assert (summary["requests_total"], summary["requests_failed"]) == (len(lines), 0)


def after_rollback(out: Path, moment: float) -> None:
    """Wait until clients were answered after the moment, so that there is something to look at."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if sum(1 for line in answers(out) if line.t > moment) > 20:
            return
        time.sleep(0.02)
    raise AssertionError("no client was answered after the rollback")


def test_a_revoked_version_never_returns_by_a_rerun(context: Context) -> None:
    approve(context, 3)
    context.registry.set_tag(context.stage.model, 3, "production", "revoked")
    again = deploy(context)
    assert (again.outcome, again.version) == ("unchanged", 1)


def test_a_rollback_with_nothing_to_return_to_changes_nothing(context: Context) -> None:
    with pytest.raises(RegistryError, match="nothing was changed"):
        rollback(context, "a test")
    versions = context.registry.versions(context.stage.model)
    assert stage_tag(versions[1], "production") == "approved"
    assert context.target.status().traffic == {1: 100}


def test_of_two_releases_at_once_one_wins_and_the_other_says_so(context: Context) -> None:
    approve(context, 2)
    with context.target.lock(), pytest.raises(BusyError, match="is releasing to it now"):
        deploy(context)
    assert context.target.status().traffic == {1: 100}
    assert deploy(context).version == 2


def test_a_killed_endpoint_starts_again_where_it_was(context: Context) -> None:
    endpoint = json.loads((context.stage.home / "endpoints" / "production" / "server.json").read_text())
    os.kill(endpoint["pid"], signal.SIGKILL)
    approve(context, 2)
    record = deploy(context)
    assert (record.outcome, record.version, record.previous) == ("served", 2, 1)
    assert context.target.status().url == endpoint["url"]


def test_a_package_that_was_changed_is_never_served(context: Context) -> None:
    approve(context, 2)
    package = context.package(2)
    (package / "model_int8.onnx").write_bytes(b"not the file that was registered")
    record = deploy(context)
    assert record.version == 2  # the damaged copy is fetched again from the registry
