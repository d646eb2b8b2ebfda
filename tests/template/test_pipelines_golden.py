"""Each pipeline does what is written down of it, on GitHub and on Azure DevOps, whether the other system's is there.

`VISIONLINE_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/template/test_pipelines_golden.py` writes it down anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pipeline_trees import golden, golden_files
from pipeline_trees.files import AZURE, GITHUB, Files, changed, names, read_tree
from pipeline_trees.golden import AZURE_SIDE, GITHUB_SIDE, GOLDEN, WRITE, Side, golden_differences
from pipeline_trees.golden_files import write_golden

OURS, THEIRS = read_tree(GITHUB), read_tree(AZURE)
# A word of a step that a pipeline must not lose.
NEEDED = [
    ("build-validation", "make unit"),
    ("build-validation", "--comment"),
    ("train", "mlops preflight"),
    ("release", "--judge"),
    ("release", "mlops approval"),
    ("release", "mlops package"),
    ("release", "mlops verify"),
    ("release", "not verified after its release"),
    ("rollback", "mlops verify"),
    ("infra", "--agreed"),
]


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


@pytest.mark.parametrize("tree, side", [(OURS, GITHUB_SIDE), (THEIRS, AZURE_SIDE)], ids=["GitHub", "Azure"])
@pytest.mark.parametrize("name", names(OURS, THEIRS))
def test_what_is_written_down_of_one_system_alone_holds_for_it(
    tree: Files, side: Side, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if f"{side.folder}{name}.yml" not in tree:
        pytest.skip(f"{side.folder}{name}.yml was deleted")
    for module in (golden, golden_files):
        monkeypatch.setattr(module, "GOLDEN", tmp_path)
    write_golden(*((tree, Files()) if side is GITHUB_SIDE else (Files(), tree)), name)
    assert golden_differences(side, tree, name) == []


@pytest.mark.parametrize("tree, side", [(OURS, GITHUB_SIDE), (THEIRS, AZURE_SIDE)], ids=["GitHub", "Azure"])
@pytest.mark.parametrize("name, word", NEEDED)
def test_a_step_that_is_left_out_or_passed_over_is_found(tree: Files, side: Side, name: str, word: str) -> None:
    path = f"{side.folder}{name}.yml"
    if path not in tree:
        pytest.skip(f"{path} was deleted")
    for worse in (without_steps(tree[path], word), replaced(tree[path], word, f"|| true; {word}")):
        found = "".join(golden_differences(side, changed(tree, path, worse), name))
        assert path in found and word in found, found


@pytest.mark.skipif(not names(OURS, THEIRS), reason="this project keeps no pipelines")
def test_what_is_written_down_is_of_the_pipelines_that_are_here() -> None:
    assert sorted(file.stem for file in GOLDEN.iterdir()) == names(OURS, THEIRS)


def without_steps(node: Any, word: str) -> Any:
    """Return a pipeline without the steps that say a word."""
    if isinstance(node, dict):
        return {key: without_steps(value, word) for key, value in node.items()}
    if isinstance(node, list):
        return [without_steps(one, word) for one in node if word not in str(one) or holds_list(one)]
    return node


def holds_list(node: Any) -> bool:
    """Tell whether a part of a pipeline holds others, so that it is no step."""
    return isinstance(node, list) or (isinstance(node, dict) and any(holds_list(one) for one in node.values()))


def replaced(node: Any, old: str, new: str) -> Any:
    """Return a pipeline with a text replaced wherever it stands."""
    if isinstance(node, dict):
        return {key: replaced(value, old, new) for key, value in node.items()}
    if isinstance(node, list):
        return [replaced(one, old, new) for one in node]
    return node.replace(old, new) if isinstance(node, str) else node
