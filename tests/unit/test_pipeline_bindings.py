"""How a command becomes arguments: bindings are replaced in each argument, never split, never expanded twice."""

from __future__ import annotations

from mlops.adapters.local.commands import command_arguments, fill


def render(command: str, **values: str) -> list[str]:
    given = {f"inputs.{name}": value for name, value in values.items()}
    return [fill(argument, given) for argument in command_arguments(command, values.keys(), "c.yml: command")]


def test_a_value_with_spaces_and_quotes_stays_one_argument() -> None:
    path = '/my runs/it\'s "here"; rm -rf *'
    assert render("python a.py --data ${{inputs.data}}", data=path) == ["python", "a.py", "--data", path]


def test_a_binding_may_have_spaces_and_stand_inside_an_argument() -> None:
    assert render("python --data=${{ inputs.data }}/train.npz", data="/d") == ["python", "--data=/d/train.npz"]


def test_a_value_that_looks_like_a_binding_is_left_alone() -> None:
    assert render("echo ${{inputs.a}} ${{inputs.b}}", a="${{inputs.b}}", b="B") == ["echo", "${{inputs.b}}", "B"]


def test_an_optional_part_needs_all_its_inputs() -> None:
    command = "run $[[--a ${{inputs.a}} --b ${{inputs.b}}]] --c"
    assert render(command, a="1", b="2") == ["run", "--a", "1", "--b", "2", "--c"]
    assert render(command, a="1") == ["run", "--c"]


def test_quoted_arguments_stay_whole() -> None:
    assert render("python -c 'print(1); print(2)' # x") == ["python", "-c", "print(1); print(2)", "#", "x"]
