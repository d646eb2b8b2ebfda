"""`mlops lint` as people and programs call it: which files it reads, what it shows, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azureml_files import FILES, SCHEMA, Place, make_place
from frozen_stages import FROZEN

from mlops.cli import main
from mlops.config import REPOSITORY
from mlops.lint.checking import RULES
from mlops.lint.document import Document, read_document
from mlops.lint.parts import parts
from mlops.lint.surroundings import Surroundings
from mlops.steps import lint


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where azure-ai-ml is not installed."""
    monkeypatch.setattr(lint, "validator", lambda: None)


def run(place: Place, *flags: str) -> tuple[int, list[str]]:
    said: list[str] = []
    return main(["lint", "--root", str(place.folder), *flags], said.append), said


@pytest.mark.usefixtures("without_sdk")
def test_what_is_right_ends_with_0(place: Place) -> None:
    code, said = run(place)
    assert code == 0 and said[-1] == f"{len(FILES)} Azure ML files and the stage files: no findings"


@pytest.mark.usefixtures("without_sdk")
def test_it_says_in_one_line_that_the_sdk_was_not_asked(place: Place) -> None:
    assert [line for line in run(place)[1] if "not installed" in line] == [lint.WITHOUT_SDK]


@pytest.mark.usefixtures("without_sdk")
def test_findings_end_with_1_sorted_by_file_and_line(place: Place) -> None:
    place.change("nightly.yml", "trigger", "expression", value="0 99 * * *")
    place.change("command.yml", "resources", "instance_count", value=-1)
    place.change("command.yml", "command", value="ls ${{inputs.x}}")
    code, said = run(place)
    assert code == 1
    count = place.line("command.yml", "instance_count")
    shown = ["command.yml:3", f"command.yml:{count}", f"nightly.yml:{place.line('nightly.yml', 'expression')}"]
    assert [line.split(": ")[0] for line in said[:3]] == shown and count > 3
    assert said[-1].endswith("3 findings")


@pytest.mark.usefixtures("without_sdk")
def test_programs_get_one_json_object(place: Place) -> None:
    place.change("managed.yml", "instance_count", value=-1)
    code, said = run(place, "--json")
    text = "instance_count: is -1: write 1 or more"
    finding = {"file": "managed.yml", "line": place.line("managed.yml", "instance_count"), "text": text}
    assert code == 1
    assert json.loads("\n".join(said)) == {"findings": [finding], "files": len(FILES), "asked_sdk": False}


@pytest.mark.usefixtures("without_sdk")
def test_a_stage_file_that_does_not_load_is_a_finding_and_no_error(place: Place) -> None:
    shutil.copytree(FROZEN, place.folder / "mlops" / "stages")
    (place.folder / "mlops" / "stages" / "dev.yaml").write_text("colour: red\n")
    code, said = run(place)
    assert code == 1 and said[0].startswith("mlops/stages/dev.yaml:1: unknown key 'colour'")


def test_a_folder_that_is_not_there_is_an_error(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--root", str(place.folder / "absent")]) == 1
    assert "there is no such folder" in capsys.readouterr().err


BAD = f"$schema: {SCHEMA.format('data')}\nname: x\npath: ./absent\n"


@pytest.mark.parametrize("name", ["deep/in/x.yaml", "x.yml", ".hidden/x.yml", "docs/runs/x.yml"])
def test_each_file_with_such_a_schema_is_read_wherever_it_is(place: Place, name: str) -> None:
    _write(place, name, BAD)
    assert [one.file for one in place.findings()] == [name]


@pytest.mark.parametrize("name", [".visionline/x.yml", "runs/1/x.yml", "env/lib/x.yml", ".git/x.yml", "x.txt"])
def test_state_and_what_was_installed_are_not_read(place: Place, name: str) -> None:
    _write(place, "env/pyvenv.cfg", "")
    _write(place, name, BAD)
    assert place.findings() == []


@pytest.mark.parametrize("schema", ['"$schema": "{}"', "$schema: '{}'", "# first\n$schema: {} # last"])
def test_a_schema_may_be_written_in_any_way(place: Place, schema: str) -> None:
    _write(place, "x.yml", BAD.replace(BAD.splitlines()[0], schema.format(SCHEMA.format("data"))))
    assert [one.file for one in place.findings()] == ["x.yml"]


@pytest.mark.parametrize("text", ["other: 1\n", "$schema: https://json-schema.org/draft/schema.json\n", "- 1\n", "{"])
def test_other_yaml_is_left_alone(place: Place, text: str) -> None:
    _write(place, "x.yml", text)
    assert place.findings() == []


@pytest.mark.parametrize(
    "text, line",
    [("name: x\npath: [\n", 4), ("name: x\n  bad: indent\n", 3), ("d: 2026-99-99\n", 1), ("a: &a [*a]\n", 1)],
)
def test_a_file_that_is_no_yaml_is_found(place: Place, text: str, line: int) -> None:
    _write(place, "x.yml", f"$schema: {SCHEMA.format('data')}\n{text}")
    found = place.refusal("x.yml", "is not YAML")
    assert found.line == line


def _write(place: Place, name: str, text: str) -> None:
    path = place.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _values(content: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        yield (*keys, key)
        yield from _values(value, (*keys, key))


def _with(content: Any, keys: tuple[Any, ...], value: Any) -> str:
    copy = yaml.safe_load(yaml.safe_dump(content))
    inner = copy
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return yaml.safe_dump(copy)


@pytest.mark.parametrize("file", FILES)
def test_no_value_of_another_kind_stops_the_rules(place: Place, file: str) -> None:
    content = yaml.safe_load((place.folder / file).read_text())
    around = Surroundings(place.folder, {}, (), frozenset({"cpu-cluster"}))
    for keys in _values(content):
        for value in (None, 5, -1.5, "x", "${{x}}", True, [], [1], {}, {1: None}):
            document = read_document(place.folder / file, file, _with(content, keys, value))
            assert isinstance(document, Document)
            for part in parts(document):
                assert all(str(one) for rule in RULES for one in rule(part, around))


def test_it_runs_where_nothing_but_yaml_is_installed_and_text_is_ascii(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bare = tmp_path_factory.mktemp("bare")
    (bare / "yaml").symlink_to(Path(yaml.__file__).parent, target_is_directory=True)
    path = os.pathsep.join(map(str, (bare, REPOSITORY, REPOSITORY / "src")))
    stages = place.folder / "mlops" / "stages"
    shutil.copytree(FROZEN, stages, dirs_exist_ok=True)
    (stages / "dev.yaml").write_text("# für dev\n{}\n", encoding="utf-8")
    command = [sys.executable, "-S", "-m", "mlops", "lint", "--root", str(place.folder)]
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env = {"PYTHONPATH": path, **ascii_alone}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == lint.WITHOUT_SDK
