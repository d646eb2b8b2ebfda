"""What a scorer is, here and on Azure ML: a row for each file, in their order, whatever one of them holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azurefake.stages import azure_stage
from model_packages import MODEL, make_package
from running_endpoint import picture
from submissions import first_stage

from mlops.adapters.azureml import registry
from mlops.adapters.local.stop import stop_endpoints
from mlops.context import Context
from mlops.ports import Deployment
from mlops.records import DataRecord
from mlops.steps.deploy import deploy

RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)
FILES = {
    "line-2/b.jpg": picture(GREEN, kind="JPEG"),
    "line-2/a.png": picture(RED),
    "line-1/notes.txt": b"no image",
    "line-1/broken.png": picture(BLUE)[:50],
    "c.png": picture(BLUE, (300, 200)),
}
LABELS = {"c.png": "blue", "line-1/broken.png": None, "line-1/notes.txt": None}
LABELS |= {"line-2/a.png": "red", "line-2/b.jpg": "green"}


@pytest.fixture(params=["local", "azureml-batch"])
def context(
    request: pytest.FixtureRequest, own_platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Context]:
    """Return a stage on which version 1 serves."""
    monkeypatch.setattr(registry, "SETTLE_SECONDS", 0.0)
    if request.param == "local":
        made = first_stage(own_platform)
    else:
        request.getfixturevalue("azure")
        stage = azure_stage("dev", target="azureml-batch", azureml={"batch": {"mini_batch_size": 2, "max_failed": -1}})
        made = Context(stage, tmp_path / "run", lambda line: None)
    made.registry.register(MODEL, make_package(tmp_path / "package"), {"dev": "approved"})
    assert deploy(made).outcome == "served"
    yield made
    if request.param == "local":
        stop_endpoints(made.stage.home)


def served(context: Context) -> Deployment:
    version = context.registry.versions(MODEL)[1]
    return Deployment(MODEL, 1, version.digest, context.package(1), context.stage.release.variant)


def published(context: Context, folder: Path) -> DataRecord:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return context.data.publish("images", folder)


def test_each_file_is_a_row_in_the_order_of_their_names_and_one_that_is_bad_is_named(
    context: Context, tmp_path: Path
) -> None:
    deployment = served(context)
    rows = context.scorer.score(deployment, published(context, tmp_path / "images"))
    assert [(row.file, row.label) for row in rows] == list(LABELS.items())
    assert {(row.model, row.model_version, row.digest) for row in rows} == {(MODEL, 1, deployment.digest)}
    for row in rows:
        assert (row.error is None) == (row.label is not None) == (row.score is not None), row
        assert row.error is None or "\n" not in row.error
        assert row.score is None or 0.0 < row.score <= 1.0


def test_the_same_files_again_get_the_same_rows(context: Context, tmp_path: Path) -> None:
    deployment, data = served(context), published(context, tmp_path / "images")
    assert context.scorer.score(deployment, data) == context.scorer.score(deployment, data)
