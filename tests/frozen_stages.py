"""The stage files that tests are about: the template's, whatever a project has made of mlops/stages since.

tests/conftest.py leads every test, and every process that a test starts, to them. Only tests of what a project has in
mlops/stages name that folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

FROZEN = Path(__file__).resolve().parent / "stages"


def based(folder: Path) -> Path:
    """Make a folder that holds the frozen base.yaml: without one a test's own deltas lie over that of mlops/stages."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FROZEN / "base.yaml", folder)
    return folder
