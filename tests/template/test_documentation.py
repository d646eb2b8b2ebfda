"""The documents are true: each command exists with its flags, each link, anchor and path leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from documents import anchors, commands, links, paths, runs_of
from sources import ROOT, files, modules

from mlops.cli import STEPS, parser

MARKDOWN = [path for path in files() if path.suffix == ".md" and path.parts[0] != "mlops"]
FLAG = re.compile(r"--[a-z0-9][a-z0-9-]*")
MAIN_GUARD = 'if __name__ == "__main__":'
README = (ROOT / "README.md").read_text(encoding="utf-8")


def make_targets(makefile: str) -> set[str]:
    """Return the targets of a Makefile that a person would name."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))


def unknown_targets(text: str, targets: set[str]) -> list[str]:
    """Return the words after `make` in a document's commands that are no target."""
    words = (word for command in commands(text) if command[0] == "make" for word in command[1:])
    return [word for word in words if "=" not in word and word not in targets]


def refused_steps(text: str) -> list[str]:
    """Return the `python -m mlops` commands of a document that the command line's own parser refuses."""
    return [" ".join(arguments) for _, arguments in runs_of(commands(text), "mlops") if not _parses(arguments)]


def unknown_flags(text: str, package: str) -> list[str]:
    """Return the flags in a document's commands of a wing that the module's --help does not show."""
    return [
        f"{module} {word}"
        for module, arguments in runs_of(commands(text), package)
        for word in arguments
        if word.startswith("--") and word.split("=")[0] not in help_flags(module)
    ]


def forgotten_flags(text: str, package: str) -> list[str]:
    """Return the flags that a document's commands of a wing lack, though the module's usage needs them."""
    return [
        f"{module} {flag}"
        for module, arguments in runs_of(commands(text), package)
        for flag in needed_flags(module) - set(arguments)
        if "--help" not in arguments
    ]


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Yield the links of a document that lead to no file, or to no heading."""
    for target in links(text):
        name, _, anchor = target.partition("#")
        there = (ROOT / path).parent / name if name else ROOT / path
        if not there.exists():
            yield f"{path}: {target}: no such file"
        elif anchor and anchor not in anchors(there.read_text(encoding="utf-8") if name else text):
            yield f"{path}: {target}: no such heading"


def missing_paths(text: str) -> list[str]:
    """Return the paths that a text mentions and that are not there."""
    return sorted(path for path in paths(text) if not any(ROOT.glob(path.rstrip("/"))))


def unmentioned(text: str) -> Iterator[str]:
    """Yield what a user can run and a text does not mention: targets of make, steps, and modules with a main."""
    yield from (f"make {name}" for name in _documented_targets() if f"make {name}" not in text)
    yield from (f"python -m mlops {step}" for step in STEPS if f"python -m mlops {step}" not in text)
    mains = (module.name for module in modules() if MAIN_GUARD in module.text and "." in module.name)
    yield from (f"python -m {name}" for name in mains if name not in _NOT_FOR_USERS and f"python -m {name}" not in text)


# Run by `make stop`, by the local job runner, by vision.evaluate, by serving.endpoint, by `mlops score`, and as
# `python -m mlops`.
_NOT_FOR_USERS = (
    *("mlops.__main__", "mlops.adapters.local.stop", "mlops.adapters.local.guard", "vision.footprint"),
    *("serving.worker", "serving.azureml.folder"),
)


def help_flags(module: str) -> frozenset[str]:
    """Return the flags that a module's --help shows; none where it can't be run."""
    return frozenset(FLAG.findall(_help(module)))


def needed_flags(module: str) -> frozenset[str]:
    """Return the flags that a module's usage shows without brackets."""
    usage = _help(module).partition("usage:")[2].partition("\n\n")[0]
    return frozenset(FLAG.findall(re.sub(r"\[[^\]]*\]", "", usage)))


@cache
def _help(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    shown = subprocess.run(command, cwd=ROOT / "src", capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else ""


def _parses(arguments: list[str]) -> bool:
    try:
        parser().parse_args(arguments)
    except SystemExit as ended:
        return ended.code == 0
    return True


def _documented_targets() -> list[str]:
    return re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def _read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_documents_are_there() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {str(path) for path in MARKDOWN}
    assert any(path.match("docs/decisions/*.md") for path in MARKDOWN)


@pytest.mark.parametrize("path", MARKDOWN, ids=str)
def test_each_make_target_exists(path: Path) -> None:
    assert unknown_targets(_read(path), make_targets(_read(Path("Makefile")))) == []


@pytest.mark.parametrize("path", MARKDOWN, ids=str)
def test_each_step_parses(path: Path) -> None:
    assert refused_steps(_read(path)) == []


@pytest.mark.parametrize("package", ["vision", "serving"])
def test_each_flag_exists_and_none_that_is_needed_is_forgotten(package: str) -> None:
    assert [flag for path in MARKDOWN for flag in unknown_flags(_read(path), package)] == []
    assert [flag for path in MARKDOWN for flag in forgotten_flags(_read(path), package)] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=str)
def test_each_link_and_path_leads_somewhere(path: Path) -> None:
    text = _read(path)
    assert list(broken_links(path, text)) == []
    assert missing_paths(text) == []


def test_readme_mentions_all_that_a_user_can_run() -> None:
    assert list(unmentioned(README)) == []


def test_readme_begins_with_the_two_commands() -> None:
    assert commands(README)[:2] == [["make", "demo"], ["make", "test"]]


def test_an_unknown_target_is_found() -> None:
    assert unknown_targets("```sh\nmake demo PYTHON=python3.12 rocket\n```", {"demo"}) == ["rocket"]


def test_a_step_with_an_unknown_verb_flag_or_value_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    good = "status --json\npython -m mlops rollback --stage production --reason 'too slow' # why"
    assert refused_steps(f"```sh\npython -m mlops {good}\n```") == []
    for bad in ("rocket", "deploy --stages dev", "promote --version two", "rollback --stage production"):
        assert refused_steps(f"```sh\n$ python -m mlops {bad}\n```") == [bad]


def test_an_unknown_flag_is_found() -> None:
    text = "```sh\nOMP_NUM_THREADS=1 python -m vision.fetch \\\n  --out DIR --no-debian --rocket\n```"
    assert unknown_flags(text, "vision") == ["vision.fetch --rocket"]
    assert unknown_flags("```sh\npython -m vision.rocket --out DIR\n```", "vision") == ["vision.rocket --out"]


def test_a_forgotten_flag_is_found() -> None:
    assert forgotten_flags("```sh\npython -m vision.prepare --raw DIR --seed 7\n```", "vision") == [
        "vision.prepare --out"
    ]
    assert forgotten_flags("```sh\npython -m vision.prepare --help\n```", "vision") == []


def test_a_broken_link_is_found() -> None:
    text = "# Head line\n\n[a](README.md) [b](#head-line) [c](nowhere.md) [d](#nowhere) [e](https://example.org/x)\n"
    assert [line.split(": ")[1] for line in broken_links(Path("README.md"), text)] == ["nowhere.md", "#nowhere"]


def test_a_path_that_is_not_there_is_found() -> None:
    text = "See `mlops/cli.py`, environments/*/requirements.txt and mlops/rocket.py. Not https://a/src/rocket."
    assert missing_paths(text) == ["mlops/rocket.py"]


def test_what_readme_leaves_out_is_found() -> None:
    assert {"make demo", "python -m mlops deploy", "python -m vision.fetch"} <= set(unmentioned(""))
