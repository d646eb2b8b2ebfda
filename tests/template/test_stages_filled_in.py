"""A project fills its stage files in, by a way of docs/ways: the tests that read stage files go on passing.

Only what is in mlops/stages changes, and there everything: base.yaml, too, where a project names its own model.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from copies import copied, passing
from sources import ROOT

WAYS = sorted(path.name for path in (ROOT / "docs/ways").iterdir() if path.is_dir())
WHOLE = bool(os.environ.get("VISIONLINE_COPIES"))
# What has read mlops/stages in the past; `make test-copies` runs all of the folders below, by each way.
READERS = (
    "tests/unit/test_config.py",
    "tests/unit/test_delivery.py",
    "tests/unit/test_infra_fill.py",
    "tests/unit/test_lint_stagefiles.py",
    "tests/template/test_stage_files.py",
    "tests/template/test_infra_defaults.py",
)
ALL = ("tests/unit", "tests/template", "tests/contract", "--ignore-glob=*_folders.py", "--ignore-glob=*_filled_in.py")


def filled(target: Path, way: str) -> Path:
    """Copy the repository and take a way in it, with a model and clusters of the project's own."""
    stages = copied(target) / "mlops" / "stages"
    shutil.copytree(ROOT / "docs/ways" / way, stages, dirs_exist_ok=True)
    base = (stages / "base.yaml").read_text(encoding="utf-8")
    own = base.replace("model: fashion-classifier", "model: gate-camera").replace("Standard_D4s_v5", "Standard_D8s_v5")
    (stages / "base.yaml").write_text(own, encoding="utf-8")
    return target


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", WAYS if WHOLE else WAYS[:1])
def test_filled_in_stage_files_break_no_test(way: str, tmp_path: Path) -> None:
    passing(filled(tmp_path, way), *(ALL if WHOLE else READERS))
