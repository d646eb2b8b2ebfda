"""Both CI systems run the same pipelines: what starts them, jobs, order, gates, conditions, environments and commands.

Who keeps only one of the systems deletes the other's folder; then there is nothing to compare.
"""

from __future__ import annotations

import pytest
import yaml
from pipeline_trees.expressions import Unknown
from pipeline_trees.files import AZURE, GITHUB, ROOT, WORKFLOWS, Files, changed, names, read_tree
from pipeline_trees.parity import differences

TREES = read_tree(GITHUB), read_tree(AZURE)
HAS_BOTH = all(any(path.endswith("release.yml") for path in tree) for tree in TREES)
pytestmark = pytest.mark.skipif(not HAS_BOTH, reason=f"{GITHUB} or {AZURE} was deleted: nothing to compare")

OURS, THEIRS = WORKFLOWS, f"{AZURE}/"
# The file that is changed, one text in it, what takes its place, and what has to be said.
BROKEN = [
    (f"{OURS}release.yml", "--judge", "", "job candidate: step"),
    (f"{THEIRS}release.yml", "exec python -m mlops deploy", "python -m mlops deploy", "job release: step"),
    (f"{THEIRS}release.yml", "  include: [qa, main]", "  include: [main]", "branches ['main', 'qa'] on GitHub"),
    (f"{THEIRS}release.yml", "minutes: 120", "minutes: 60", "job release: minutes 120 on GitHub, 60 on Azure"),
    (f"{THEIRS}release.yml", "outputs.version'", "deployed.version'", "no step of candidate puts out"),
    (f"{THEIRS}release.yml", "environment: ${{ variables.STAGE }}", "environment: dev", "job release: environment"),
    (f"{THEIRS}release.yml", "connection: 'visionline-${{", "connection: 'visionline-x${{", "log in to Azure as xqa"),
    (f"{OURS}release.yml", "needs: [candidate, release]", "needs: [candidate]", "needs has no 'release'"),
    (f"{OURS}rollback.yml", "!inputs.drill", "inputs.drill", "job rollback: step"),
    (f"{OURS}rollback.yml", "default: false", "default: true", "inputs"),
    (f"{OURS}train.yml", "17 3 * * 1", "18 3 * * 1", "crons ('18 3 * * 1',) on GitHub"),
    (f"{OURS}train.yml", "environments: ci train serve", "environments: ci serve", "job submit: step"),
    (f"{OURS}build-validation.yml", "epochs=1", "epochs=2", "job sample-training: step"),
    (f"{OURS}build-validation.yml", "fetch-depth: 0", "fetch-depth: 2", "job template: step 1: `check out 2 commit`"),
    (f"{THEIRS}templates/stage.yml", "dependsOn: ${{ parameters.needs }}", "dependsOn: []", "needs"),
    (f"{THEIRS}templates/runs-keep.yml", "condition: always()", "condition: succeeded()", "`keep runs as runs`"),
    (f"{THEIRS}templates/setup.yml", '"3.11"', '"3.12"', "`Python 3.11` on GitHub, `Python 3.12` on Azure"),
]


@pytest.mark.parametrize("name", names(*TREES))
def test_both_systems_do_the_same(name: str) -> None:
    assert differences(*TREES, name) == []


@pytest.mark.parametrize("path, old, new, says", BROKEN, ids=lambda value: str(value)[:40])
def test_a_difference_is_found_and_its_place_named(path: str, old: str, new: str, says: str) -> None:
    name = path.rpartition("/")[2].removesuffix(".yml")
    wanted = name if name in names(*TREES) else "train"
    found = said_of(broken(path, old, new), wanted)
    assert says in found and f"{wanted}.yml" in found, found


def test_a_pipeline_that_only_one_system_has_is_named() -> None:
    other = Files((path, content) for path, content in TREES[1].items() if not path.endswith("rollback.yml"))
    assert differences(TREES[0], other, "rollback") == [
        f"{AZURE}/rollback.yml: is missing: the other system has the pipeline rollback"
    ]


def broken(path: str, old: str, new: str) -> tuple[Files, Files]:
    """Return both trees with a text replaced wherever it stands in one file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    assert old in text, f"{path}: does not say {old!r} any more: change this test"
    content = yaml.safe_load(text.replace(old, new))
    ours, theirs = TREES
    return (changed(ours, path, content), theirs) if path in ours else (ours, changed(theirs, path, content))


def said_of(trees: tuple[Files, Files], name: str) -> str:
    """Return all that is said of a pipeline, be it that it cannot be read."""
    try:
        return "\n".join(differences(*trees, name))
    except Unknown as error:
        return str(error)
