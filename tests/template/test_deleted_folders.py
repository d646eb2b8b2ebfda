"""A team keeps one CI system, and one language of infra/, and deletes the other's folder: the rest goes on passing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from copies import copied, passing
from sources import ROOT

# What README offers to delete: of each pair one.
PAIRS = ((".github", ".azure-pipelines"), ("infra/bicep", "infra/terraform"))
FOLDERS = [folder for pair in PAIRS if all((ROOT / one).exists() for one in pair) for folder in pair]
# What reads the folders, or the documents that speak of them; `make test-copies` runs all of the two below.
CI = ("pipelines_golden", "pipelines_parity", "documentation", "tracked_text")
INFRA = ("infra_defaults", "infra_commands", "infra_policy", "role_table", "monitoring", "documentation")
READERS = {
    ".github": CI,
    ".azure-pipelines": CI,
    "infra/bicep": INFRA,
    "infra/terraform": INFRA,
}
ALL = (
    "tests/template",
    "tests/unit",
    "tests/contract/test_bootstrap.py",
    f"--ignore=tests/template/{Path(__file__).name}",
)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("folder", FOLDERS)
def test_without_a_folder_the_rest_still_passes(folder: str, tmp_path: Path) -> None:
    copy = copied(tmp_path, without=folder)
    whole = bool(os.environ.get("VISIONLINE_COPIES"))
    said = passing(copy, *(ALL if whole else [f"tests/template/test_{name}.py" for name in READERS[folder]]))
    assert "was deleted: nothing to compare" in said
