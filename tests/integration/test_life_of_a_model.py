"""The demo's scenario, whole, on images made here: the same acts, gates, endpoints, clients and stream.

Only the data differs: ten classes of stripes that a network learns in an epoch, published as the demo publishes its.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_stripes import write_raw

from mlops.adapters.local.stop import stop_endpoints
from mlops.cli import main
from mlops.config import REPOSITORY, load_stage
from mlops.context import Context, run_folder
from mlops.demo.acts import Act, Scene, life
from mlops.records import highest_approved, stage_tag, write_record
from mlops.steps.demo import play

BRIEF = ("--set", "epochs=1", "--set", "width=4", "--set", "batch_size=64")
FULL = ("--set", "epochs=2", "--set", "width=4", "--set", "batch_size=64")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Play the whole life once and return the run's folder."""
    root = tmp_path_factory.mktemp("life")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISIONLINE_HOME", str(root / "home"))
        patch.setenv("VISIONLINE_RUNS", str(root / "runs"))
        raw = write_raw(root / "raw")
        acts = [act for act in life("life", BRIEF, FULL) if not act.title.startswith("data ")]
        context = Context(load_stage("dev"), run_folder("life"))
        for name in ("v1", "v2", "v3"):
            write_record(run_folder(f"life/{name}"), "data", context.data.publish("stripes", raw))
        play(context, acts)
        assert main(["report", "--run", "life"]) == 0
        yield context.run
        stop_endpoints(context.stage.home)


def registry_of(run: Path) -> Context:
    """Return a context over the home that the life was played in."""
    return Context(load_stage("production"), run)


def test_each_act_ends_as_it_should(lived: Path) -> None:
    demo = json.loads((lived / "demo.json").read_text())
    assert set(demo["steps"]) == {act.title for act in life("life") if not act.title.startswith("data ")}


def test_production_serves_the_first_version_after_the_rollback(lived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLINE_HOME", str(lived.parent.parent / "home"))
    context = registry_of(lived)
    versions = context.registry.versions(context.stage.model)
    served = highest_approved(versions, "production")
    assert served is not None and served.version == 1
    assert [stage_tag(versions[n], "production") for n in (1, 2, 3)] == ["approved", "revoked", "revoked"]


def test_the_canary_failed_on_live_frames_and_gave_the_traffic_back(lived: Path) -> None:
    record = json.loads((lived / "v3" / "deploy.production.json").read_text())
    assert (record["outcome"], record["version"]) == ("reverted", 2)
    assert "live requests failed" in record["verdict"]["reason"]
    assert [event["traffic"] for event in record["events"]] == [{"2": 90, "3": 10}, {"2": 100}]


def test_no_client_was_left_without_an_answer(lived: Path) -> None:
    summary = json.loads((lived / "summary.json").read_text())
    assert summary["requests_failed"] == 0
    assert summary["requests_total"] > 100


def test_the_version_that_serves_after_the_rollback_scored_each_image_of_the_batch(lived: Path) -> None:
    record = json.loads((lived / "batch" / "score.production.json").read_text())
    images = [path.name for path in Path(record["data"]["path"]).iterdir()]
    rows = [json.loads(line) for line in Path(record["rows"]).read_text().splitlines()]
    assert (record["version"], record["failed"], [row["file"] for row in rows]) == (1, 0, sorted(images))
    assert len(images) > 10


def test_the_summary_holds_every_figure_under_its_stable_name(lived: Path) -> None:
    summary = json.loads((lived / "summary.json").read_text())
    figures = ("accuracy_fp32", "accuracy_int8", "parity_max_abs_diff", "stream_accuracy", "rollback_seconds")
    assert all(isinstance(summary[name], float) for name in (*figures, "wall_seconds")), summary
    assert summary["accuracy_fp32"] > 0.9
    assert (summary["model_version"], len(summary["steps"])) == (1, len(life("life")) - 3)


def test_the_report_is_one_file_that_asks_nothing_of_the_network(lived: Path) -> None:
    page = (lived / "report.html").read_text()
    assert 'src="http' not in page and 'href="http' not in page
    assert page.count("data:image/") >= 4 and "<svg" in page


def test_release_json_leads_from_commit_and_data_to_each_file(lived: Path) -> None:
    registration = json.loads((lived / "v2" / "register.json").read_text())
    data = json.loads((lived / "v2" / "data.json").read_text())
    package = lived.parent.parent / "home" / "packages" / registration["model"] / str(registration["version"])
    release = json.loads((package / "release.json").read_text())
    assert release["data_version"] == data["version"]
    assert set(release["variants"].values()) <= set(release["files"])
    assert "MODEL_CARD.md" in release["files"]


def test_a_worse_model_is_rejected_and_nothing_is_registered(lived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLINE_HOME", str(lived.parent.parent / "home"))
    monkeypatch.setenv("VISIONLINE_RUNS", str(lived.parent))
    before = set(registry_of(lived).registry.versions("fashion-classifier"))
    (run_folder("worse") / "data.json").write_text((lived / "v2" / "data.json").read_text())
    flags = ["--set", "epochs=1", "--set", "width=1", "--set", "batch_size=2048"]
    command = [sys.executable, "-m", "mlops", "train", "--stage", "dev", "--run", "worse", *flags]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "floor" in ended.stdout
    assert set(registry_of(lived).registry.versions("fashion-classifier")) == before


def test_the_scenario_asks_for_nothing_but_known_scenes() -> None:
    assert {act.name for act in life("x") if isinstance(act, Scene)} == {"clip", "load", "stream", "batch", "hush"}
    assert sum(1 for act in life("x") if isinstance(act, Act) and act.expected == 2) == 1
