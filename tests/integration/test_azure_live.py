"""A real workspace is asked what the fake is asked: run by whoever has one, with VISIONLINE_LIVE_STAGES.

VISIONLINE_LIVE_STAGES=docs/ways/azure-ml python -m pytest tests/integration/test_azure_live.py -rs

It makes one model of a name of its own with two versions, and archives them; and one data version of a few bytes.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.ports import Registry
from modelpackage import open_package
from registries import sealed

STAGES = os.environ.get("VISIONLINE_LIVE_STAGES", "")
pytestmark = pytest.mark.skipif(
    not STAGES, reason="no live workspace: VISIONLINE_LIVE_STAGES names a folder with stage files of one"
)


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Context:
    monkeypatch.setenv("VISIONLINE_STAGES", STAGES)
    return Context(load_stage("dev"), tmp_path / "run")


@pytest.fixture
def registry(dev: Context) -> Registry:
    return dev.registry


def test_preflight_finds_nothing_that_stops_a_training(dev: Context) -> None:
    assert main(["preflight", "--stage", "dev"]) == 0


def test_versions_count_up_carry_tags_and_are_what_was_registered(registry: Registry, tmp_path: Path) -> None:
    model = f"visionline-smoke-{uuid.uuid4().hex[:8]}"
    packages = {number: sealed(tmp_path / f"package{number}", f"{model} {number}", model) for number in (1, 2)}
    try:
        assert [registry.register(model, package, {}).version for package in packages.values()] == [1, 2]
        assert registry.register(model, packages[1], {}).version == 1
        registry.set_tag(model, 2, "dev", "approved")
        assert registry.versions(model)[2].tags["dev"] == "approved"
        registry.remove_tag(model, 2, "dev")
        assert "dev" not in registry.versions(model)[2].tags
        open_package(registry.download(model, 2, tmp_path / "fetched"), registry.versions(model)[2].digest)
    finally:
        for number in registry.versions(model):
            registry.archive(model, number)
    assert registry.versions(model) == {}


def test_the_same_bytes_are_one_data_version(dev: Context, tmp_path: Path) -> None:
    folder = tmp_path / "smoke"
    folder.mkdir()
    (folder / "bytes").write_text("the same each time")
    first = dev.data.publish("visionline-smoke", folder)
    assert dev.data.publish("visionline-smoke", folder) == first == dev.data.fetch(first.name, first.version)
