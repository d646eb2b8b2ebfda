"""Lint finds each expression of a command that names nothing which is declared beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from azureml_files import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


BAD = [
    ("components/train.yml", ("command",), "ls ${{inputs.dta}}"),
    ("components/train.yml", ("command",), "ls ${{outputs.modl}}"),
    ("components/train.yml", ("command",), "ls ${{input.data}}"),
    ("command.yml", ("command",), "ls ${{inputs.dta}}"),
    ("command.yml", ("command",), "ls ${{outputs.ot}}"),
    ("sweep.yml", ("trial", "command"), "ls ${{search_space.rat}}"),
    ("pipeline.yml", ("jobs", "list", "command"), "ls ${{inputs.modl}}"),
    ("pipeline.yml", ("jobs", "list", "command"), "ls ${{outputs.name}}"),
]


@pytest.mark.parametrize("file, keys, command", BAD, ids=[f"{file} {command}" for file, _, command in BAD])
def test_an_expression_that_names_nothing_is_found(
    place: Place, file: str, keys: tuple[str, ...], command: str
) -> None:
    place.change(file, *keys, value=command)
    place.refusal(file, f"unknown binding '{command.removeprefix('ls ')}': declared are")


def test_it_is_shown_at_its_line_within_a_folded_command(place: Place) -> None:
    place.replace("components/train.yml", "${{outputs.model}}", "${{outputs.modl}}")
    assert place.refusal("components/train.yml", "modl").line == place.line("components/train.yml", "outputs.modl")


def test_each_one_is_found(place: Place) -> None:
    place.change("command.yml", "command", value="ls ${{inputs.a}} ${{inputs.b}}")
    assert [one.text.partition(": declared")[0] for one in place.findings()] == [
        "command: unknown binding '${{inputs.a}}'",
        "command: unknown binding '${{inputs.b}}'",
    ]


def test_an_optional_input_outside_its_brackets_is_found(place: Place) -> None:
    place.replace("components/train.yml", "$[[--rate ${{inputs.rate}}]]", "--rate ${{inputs.rate}}")
    found = place.refusal("components/train.yml", "input 'rate' may have no value: put it in $[[")
    assert found.line == place.line("components/train.yml", "inputs.rate}}")


def test_the_program_arguments_of_a_parallel_component_are_a_command(place: Place) -> None:
    kind = "$schema: https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json\n"
    task = "task: {type: run_function, code: src, entry_script: score.py, program_arguments: '--x ${{inputs.y}}'}\n"
    (place.folder / "parallel.yml").write_text(f"{kind}type: parallel\nname: p\nversion: '1'\n{task}")
    place.refusal("parallel.yml", "task.program_arguments: unknown binding '${{inputs.y}}'")
