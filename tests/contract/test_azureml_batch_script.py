"""The batch scoring script under the documented contract of batch deployments, by tests/batch_driver.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from azureml_servers import variables
from batch_driver import Outcome, Settings, run_batch
from model_packages import make_package
from running_endpoint import REPOSITORY, environment, picture

SCRIPT = REPOSITORY / "src" / "serving" / "azureml" / "batch.py"
COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "model" / "package")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A thousand files, of which each hundredth is no image."""
    folder = tmp_path_factory.mktemp("images")
    kinds = [picture(colour, (8, 6)) for colour in COLOURS.values()]
    for number in range(1000):
        (folder / f"{number:04}.png").write_bytes(b"no image" if number % 100 == 99 else kinds[number % 3])
    return sorted(str(path) for path in folder.iterdir())


def _score(package: Path, files: list[str], settings: Settings = Settings()) -> Outcome:
    return run_batch(SCRIPT, files, {**variables(package), "AZUREML_MODEL_DIR": str(package.parent)}, settings)


def test_a_thousand_files_get_a_row_each_over_two_processes(package: Path, images: list[str]) -> None:
    outcome = _score(package, images, Settings(mini_batch_size=64, processes=2, error_threshold=0))
    assert (outcome.is_completed, outcome.failed, outcome.errors) == (True, 0, [])
    assert (outcome.loads, outcome.calls) == (2, 16)
    rows = {row["file"]: row for row in map(json.loads, outcome.lines)}
    assert sorted(rows) == images and len(outcome.lines) == len(images)
    for number, file in enumerate(images):
        is_bad = number % 100 == 99
        assert rows[file]["label"] == (None if is_bad else list(COLOURS)[number % 3])
        assert bool(rows[file]["error"]) == is_bad


def test_no_file_is_no_work(package: Path) -> None:
    outcome = _score(package, [])
    assert (outcome.is_completed, outcome.lines, outcome.calls) == (True, [], 0)


def test_a_script_that_cannot_load_its_model_fails_the_job_and_says_why(package: Path, images: list[str]) -> None:
    wrong = {**variables(package, VISIONLINE_DIGEST="sha256:0"), "AZUREML_MODEL_DIR": str(package)}
    outcome = run_batch(SCRIPT, images[:3], wrong)
    assert not outcome.is_completed and "holds no package sha256:0" in outcome.errors[-1]


def test_the_folder_command_gives_the_rows_of_the_driver(package: Path, images: list[str], tmp_path: Path) -> None:
    for path in images[:5]:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / Path(path).name).write_bytes(Path(path).read_bytes())
    own = {**environment(), **variables(package), "AZUREML_MODEL_DIR": str(package)}
    line = [sys.executable, "-m", "serving.azureml.folder", str(tmp_path / "in"), "--out", str(tmp_path / "rows.jsonl")]
    done = subprocess.run([*line, "--mini-batch-size", "2"], env=own, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    expected = _score(package, sorted(map(str, (tmp_path / "in").iterdir())))
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines() == expected.lines


def test_the_folder_command_names_what_is_wrong_and_leaves_no_rows(package: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    own = {**environment(), **variables(package), "AZUREML_MODEL_DIR": str(package)}
    line = [sys.executable, "-m", "serving.azureml.folder", str(tmp_path / "in"), "--out", str(tmp_path / "rows.jsonl")]
    done = subprocess.run([*line, "--mini-batch-size", "2"], env=own, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


FAULTS = {
    "raises": "raise ValueError('no')",
    "one row too few": "return mini_batch[1:]",
    "ends its process": "import os; os._exit(1)",
    "takes too long": "import time; time.sleep(60)",
    "returns no list": "return 'text'",
    "raises once": "state.append(1)\n    if len(state) == 1: raise ValueError('once')\n    return mini_batch",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_driver_finds_a_script_that_breaks_the_contract(fault: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"state = []\ndef init(): pass\ndef run(mini_batch):\n    {FAULTS[fault]}\n", encoding="utf-8")
    outcome = run_batch(script, ["a", "b", "c"], {}, Settings(error_threshold=0, retries=1, timeout=1.0))
    assert outcome.is_completed == (fault == "raises once")
    assert outcome.failed == {"raises once": 0, "one row too few": 1}.get(fault, 3)
    allowed = run_batch(script, ["a", "b", "c"], {}, Settings(error_threshold=-1, retries=1, timeout=1.0))
    assert allowed.is_completed


def test_rows_too_few_are_no_failure_where_only_a_summary_is_wanted(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def init(): pass\ndef run(mini_batch):\n    return ['all of it']\n", encoding="utf-8")
    outcome = run_batch(script, ["a", "b"], {}, Settings(error_threshold=0, output_action="summary_only"))
    assert (outcome.is_completed, outcome.failed, outcome.lines) == (True, 0, [])
