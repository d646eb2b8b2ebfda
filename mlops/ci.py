"""What a step says to the CI system that runs it: values for later jobs, and a page in Markdown.

GitHub reads files that it names by GITHUB_OUTPUT and GITHUB_STEP_SUMMARY, Azure Pipelines lines of a step's output that
begin with ##vso, which it knows by TF_BUILD. Outside both the same is said plainly.

Sources: docs.github.com, "Workflow commands for GitHub Actions"; learn.microsoft.com, "Logging commands".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mlops.errors import ConfigError

# Of a value; of a property the last two as well. The percent sign goes first: the others bring it along.
_ESCAPES = {"%": "%AZP25", "\r": "%0D", "\n": "%0A", ";": "%3B", "]": "%5D"}
_VALUE_ESCAPES = ("%", "\r", "\n")


def set_outputs(values: Mapping[str, str], variables: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Hand values to later jobs, and show each as NAME=VALUE. Raises ConfigError where one is more than a line."""
    for name, value in values.items():
        if len(value.splitlines()) > 1 or value.endswith(("\n", "\r")):
            raise ConfigError(f"output {name}: holds a line break: only single lines go from job to job")
    lines = [f"{name}={value}" for name, value in values.items()]
    for line in lines:
        say(quiet(line))
    if variables.get("GITHUB_OUTPUT"):
        _append(Path(variables["GITHUB_OUTPUT"]), "".join(f"{line}\n" for line in lines))
    elif variables.get("TF_BUILD"):
        for name, value in values.items():
            say(f"##vso[task.setvariable variable={_property(name)};isOutput=true]{_value(value)}")


def quiet(text: str) -> str:
    """Return a text that is shown and commands nothing: agents look for ##vso[ and ##[ anywhere in a line."""
    return text.replace("##", "# #")


def show_page(page: Path, variables: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Show a file of Markdown where people look at the run; outside CI its lines are said."""
    if variables.get("GITHUB_STEP_SUMMARY"):
        _append(Path(variables["GITHUB_STEP_SUMMARY"]), page.read_text(encoding="utf-8"))
    elif variables.get("TF_BUILD"):
        say(f"##vso[task.uploadsummary]{_value(str(page.resolve()))}")
    else:
        for line in page.read_text(encoding="utf-8").splitlines():
            say(line)


def has_pages(variables: Mapping[str, str]) -> bool:
    """Tell whether the CI system shows a page that a step gives it."""
    return bool(variables.get("GITHUB_STEP_SUMMARY") or variables.get("TF_BUILD"))


def tag_build(tag: str, variables: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Put a tag on the run where builds have tags: on Azure Pipelines."""
    if variables.get("TF_BUILD"):
        say(f"##vso[build.addbuildtag]{_value(tag)}")


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}): it is named by the CI system") from None


def _value(text: str) -> str:
    return _escaped(text, _VALUE_ESCAPES)


def _property(text: str) -> str:
    return _escaped(text, tuple(_ESCAPES))


def _escaped(text: str, signs: tuple[str, ...]) -> str:
    for sign in signs:
        text = text.replace(sign, _ESCAPES[sign])
    return text
