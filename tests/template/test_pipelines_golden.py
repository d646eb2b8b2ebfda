"""Each pipeline does what is written down of it, on GitHub and on Azure DevOps, whether the other system's is there.

`VISIONLINE_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/template/test_pipelines_golden.py` writes it down anew.
"""

from __future__ import annotations

import os

import pytest
from pipeline_trees.files import AZURE, GITHUB, Files, names, read_tree
from pipeline_trees.golden import AZURE_SIDE, GITHUB_SIDE, GOLDEN, WRITE, golden_differences
from pipeline_trees.golden_files import write_golden

OURS, THEIRS = read_tree(GITHUB), read_tree(AZURE)


@pytest.fixture(scope="session", autouse=True)
def _written() -> None:
    """Write all down where the environment asks for that, and fail."""
    if os.environ.get(WRITE):
        for file in GOLDEN.glob("*.yml"):
            file.unlink()
        for name in names(OURS, THEIRS):
            write_golden(OURS, THEIRS, name)
        pytest.fail(f"{GOLDEN.name} is written: look at the difference, and run again without {WRITE}")


@pytest.mark.parametrize("name", names(OURS, Files()))
def test_a_pipeline_on_github_does_what_is_written_down(name: str) -> None:
    assert golden_differences(GITHUB_SIDE, OURS, name) == []


@pytest.mark.parametrize("name", names(Files(), THEIRS))
def test_a_pipeline_on_azure_devops_does_what_is_written_down(name: str) -> None:
    assert golden_differences(AZURE_SIDE, THEIRS, name) == []


@pytest.mark.skipif(not names(OURS, THEIRS), reason="this project keeps no pipelines")
def test_what_is_written_down_is_of_the_pipelines_that_are_here() -> None:
    assert sorted(file.stem for file in GOLDEN.iterdir()) == names(OURS, THEIRS)
