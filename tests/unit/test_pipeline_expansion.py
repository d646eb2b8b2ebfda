"""Azure's templates are expanded as Azure does it; what is missing, unknown or of another type is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pipeline_trees.azure_templates import expand
from pipeline_trees.expressions import Unknown, evaluate, parse, written
from pipeline_trees.azure_rules import azure_rules
from pipeline_trees.files import Files
from pipeline_trees.github_rules import github_rules, holds

STEPS = """
parameters:
  - {name: command, type: string}
  - {name: times, type: number, default: 1}
  - {name: loud, type: boolean, default: false}
  - {name: way, type: string, default: up, values: [up, down]}
steps:
  - bash: ${{ parameters.command }} ${{ parameters.times }}
    ${{ if eq(parameters.loud, true) }}:
      displayName: loud
    ${{ elseif eq(parameters.way, 'down') }}:
      displayName: down
    ${{ else }}:
      displayName: quiet
"""
JOB = """
parameters:
  - {name: steps, type: stepList}
jobs:
  - job: a
    steps:
      - bash: first
      - ${{ parameters.steps }}
"""


def expanded(text: str, chosen: dict[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """Expand a pipeline that may include parts/steps.yml and parts/job.yml."""
    parts = {"p/parts/steps.yml": STEPS, "p/parts/job.yml": JOB, "p/main.yml": text}
    files = Files((name, yaml.safe_load(content)) for name, content in parts.items())
    files["p/settings.yml"] = {"variables": {"VISIONLINE_X": "one"}}
    return expand(files, "p/main.yml", given, {"Build.Reason": "Manual"}, chosen or {})


def steps(text: str, **given: Any) -> list[Any]:
    """Expand what stands under steps."""
    return list(expanded(f"trigger: none\nsteps:\n{text}", **given)["steps"])


def test_a_template_stands_where_it_is_named_with_its_defaults() -> None:
    told = steps("  - template: parts/steps.yml\n    parameters: {command: go}\n  - bash: last")
    assert told == [{"bash": "go 1", "displayName": "quiet"}, {"bash": "last"}]


def test_the_first_branch_that_holds_is_taken() -> None:
    call = "  - template: parts/steps.yml\n    parameters: {command: go, loud: %s, way: down}"
    assert steps(call % "true")[0]["displayName"] == "loud"
    assert steps(call % "false")[0]["displayName"] == "down"


def test_steps_that_are_handed_in_look_for_templates_beside_the_one_that_takes_them() -> None:
    call = "  - template: parts/job.yml\n    parameters:\n      steps: [{template: %s, parameters: %s}]"
    text = f"trigger: none\njobs:\n{call}"
    given = "{command: go}"
    (job,) = expanded(text % ("steps.yml", given))["jobs"]
    assert [step["bash"] for step in job["steps"]] == ["first", "go 1"]
    with pytest.raises(Unknown, match="p/parts/parts/steps.yml: there is no such file"):
        expanded(text % ("parts/steps.yml", given))


def test_each_goes_through_a_list() -> None:
    told = steps("  - ${{ each word in split('a,b', ',') }}:\n      - bash: say ${{ word }}")
    assert told == [{"bash": "say a"}, {"bash": "say b"}]


def test_a_teams_choice_takes_the_place_of_the_settings_file() -> None:
    text = "trigger: none\nvariables:\n  - template: settings.yml\nsteps:\n  - bash: ${{ variables.VISIONLINE_X }}"
    assert expanded(text)["steps"] == [{"bash": "one"}]
    assert expanded(text, {"VISIONLINE_X": "two"})["steps"] == [{"bash": "two"}]


@pytest.mark.parametrize(
    "text, says",
    [
        ("  - template: parts/steps.yml", "the parameter 'command' is not given"),
        ("  - template: parts/steps.yml\n    parameters: {command: go, volume: 3}", "has no parameter 'volume'"),
        ("  - template: parts/steps.yml\n    parameters: {command: go, times: often}", "'often' is no number"),
        ("  - template: parts/steps.yml\n    parameters: {command: go, times: true}", "'True' is no number"),
        ("  - template: parts/steps.yml\n    parameters: {command: go, loud: 'yes'}", "'yes' is no boolean"),
        ("  - template: parts/steps.yml\n    parameters: {command: go, way: left}", "'left' is none of its values"),
        ("  - template: parts/absent.yml", "p/parts/absent.yml: there is no such file"),
        ("  - template: parts/job.yml\n    parameters: {steps: []}", "holds ['jobs'] where steps are wanted"),
        ("  - bash: ${{ parameters.loud }}", "there is no parameter 'loud'"),
        ("  - bash: ${{ coalesce('a') }}", "the function coalesce is not known"),
        ("  - bash: ${{ variables['Build.Reasn'] }}", "the variable 'Build.Reasn' is set by nobody"),
        ("  - ${{ if 'true' }}:\n      - bash: a", "is no boolean"),
        ("  - ${{ else }}:\n      - bash: a", "stands where it cannot"),
        ("  - ${{ if eq(true, 'true') }}:\n      - bash: a", "of another type"),
        ("  - ${{ insert }}: {a: b}", "is not known"),
    ],
)
def test_what_azure_would_refuse_or_guess_is_named(text: str, says: str) -> None:
    with pytest.raises(Unknown) as raised:
        steps(text)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "text, value",
    [
        ("inputs.wait != false", False),  # null is 0, and so is false
        ("inputs.wait == ''", True),
        ("'A' == 'a' && !inputs.wait", True),
        ("inputs.wait || 'else'", "else"),
        ("true && 'yes' || 'no'", "yes"),
        ("contains(fromJSON('[\"a\", \"b\"]'), 'b')", True),
        ("(1 == 2) == (3 == 4)", True),
    ],
)
def test_github_compares_as_its_page_on_expressions_says(text: str, value: Any) -> None:
    rules = github_rules({"inputs": {"wait": None}})
    assert evaluate(text, rules) == value
    assert evaluate(written(parse(text, True)), rules) == value


def test_without_a_status_function_github_wants_success_and_azure_does_not() -> None:
    assert not holds("true", {}, "failure") and holds("always()", {}, "failure")
    failed = azure_rules({}, {"succeeded": False, "always": True})
    assert evaluate("eq('a', 'A')", failed) is True and evaluate("succeeded()", failed) is False


@pytest.mark.parametrize("text", ["a b", "eq('a'", "a ~ b", "eq('a',, 'b')", "'open"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(Unknown):
        evaluate(text, azure_rules({"a": 1, "b": 2}))
