"""Real workspaces are asked what the fake is asked: run by whoever has them, with VISIONLINE_LIVE_STAGES.

VISIONLINE_LIVE_STAGES=docs/ways/azure-ml python -m pytest tests/integration/test_azure_live.py -rs

It plays the whole life that tests/integration/test_life_on_azure.py plays on the fake, for a model of a name of its
own, and holds it to the same end: three trainings, three online endpoints and a batch endpoint, which it deletes. That
takes some hours and costs what they cost. What it leaves: archived versions, two small data versions, jobs.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure_ends import (
    cameras,
    clear_away,
    expect_a_scored_batch,
    expect_a_weekly_training,
    expect_the_end_of_a_life_here,
)
from azure_life import BATCH_STAGES, FAILING, FOLDERS, WEEKLY, live
from azurefake.stages import laid
from raw_stripes import write_raw
from registries import sealed

from mlops.cli import main
from mlops.config import load_stage
from mlops.context import Context
from mlops.demo.acts import Act
from mlops.ports import Registry
from modelpackage import open_package

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


def write_trial(folder: Path, target: str, model: str) -> None:
    """Copy the stage files that were given, for a model and endpoints that nobody else has."""
    folder.mkdir()
    for path in Path(STAGES).glob("*.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        (folder / path.name).write_text(
            yaml.safe_dump(content if path.stem == "base" else laid(content, trial(target, model)))
        )


def trial(target: str, model: str) -> dict[str, Any]:
    # Azure Monitor tells of a request some minutes later: so long a canary is watched.
    verify = {"requests": 4, "bake_seconds": 600, "max_latency_ratio": 1e6}
    own = {"online": {"endpoint": None, "mirror_percent": 0}, "batch": {"endpoint": None}, "retraining": WEEKLY}
    return {"model": model, "target": target, "report": "none", "release": {"verify": verify}, "azureml": own}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Play the whole life in real workspaces, once, with cameras beside the canary that must fail."""
    root, model = tmp_path_factory.mktemp("live"), f"visionline-smoke-{uuid.uuid4().hex[:8]}"
    for folder, target in (("stages", "azureml-online"), (BATCH_STAGES, "azureml-batch")):
        write_trial(root / folder, target, model)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("VISIONLINE_HOME", "VISIONLINE_RUNS", "VISIONLINE_STAGES"):
            patch.setenv(name, str(root / FOLDERS[name]))
        try:
            live(root, write_raw(root / "raw"), print, beside_canary)
            yield root
        finally:
            clear_away(root)


@contextmanager
def beside_canary(act: Act) -> Iterator[None]:
    """Let cameras ask production while the version is released that can't take their frames."""
    with cameras(load_stage("production")) if act.title == FAILING else nullcontext():
        yield


def test_a_models_whole_life_in_real_workspaces_ends_as_on_the_fake(lived: Path) -> None:
    expect_the_end_of_a_life_here()
    expect_a_scored_batch(lived)
    expect_a_weekly_training()
