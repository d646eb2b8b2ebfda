"""Expansion of Azure Pipelines templates: parameters, `${{ }}`, if, elseif, else, each, and files included.

Paths are taken from the file that includes, as Azure does: of steps that were handed in as a parameter this is the
template that puts them in place. Source: learn.microsoft.com, "Template parameters", "Template expressions".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline_trees.azure_rules import azure_rules, is_true, variables
from pipeline_trees.expressions import Unknown, evaluate
from pipeline_trees.files import Files

WHOLE = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
DIRECTIVE = re.compile(r"^\$\{\{\s*(if|elseif|else|each)\b(.*)\}\}$", re.DOTALL)
EACH = re.compile(r"^\s*(\w+)\s+in\s+(.+)$", re.DOTALL)
LISTS = ("variables", "stages", "jobs", "steps")
DEPTH = 20
TYPES = {"string": str, "boolean": bool, "number": int | float, "stepList": list, "jobList": list, "stageList": list}


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its file, the names in scope, and the files that can be included."""

    files: Files
    file: str
    names: Mapping[str, Any]
    depth: int = 0
    is_handed_on: bool = False  # within a template's parameters, whose own templates it puts in place itself

    def value(self, text: str) -> Any:
        """Evaluate an expression."""
        try:
            return evaluate(text, azure_rules(self.names))
        except Unknown as error:
            raise Unknown(f"{self.file}: {error}") from None


def expand(
    files: Files, file: str, given: Mapping[str, Any], system: Mapping[str, str], chosen: Mapping[str, str]
) -> dict[str, Any]:
    """Return a pipeline with its templates in place. `given`: parameters; `system`: variables known at the start.

    `chosen` takes the place of what the variables' file says, as if the team had written it there.

    Raises Unknown, with the file, on a parameter that is missing, unknown or of another type, on a template that is not
    there, and on whatever these tests do not know.
    """
    content = dict(_content(files, file))
    own = bind(content.pop("parameters", []), given, file)
    scope = Scope(files, file, {"parameters": _Declared(own), "variables": _Members(system)})
    settings = _settings(content.get("variables", []), scope, system, chosen)
    scope = replace(scope, names={"parameters": _Declared(own), "variables": _Members({**system, **settings})})
    content["variables"] = settings
    return dict(_expanded(content, scope))


def bind(declared: list[dict[str, Any]], given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the parameters' values. Raises Unknown on one that is missing, unknown, or not of its type or values."""
    if unknown := sorted(set(given) - {one["name"] for one in declared}):
        raise Unknown(f"{place}: has no parameter '{unknown[0]}'")
    bound = {}
    for one in declared:
        name, kind = one["name"], one.get("type", "string")
        if strange := sorted(set(one) - {"name", "displayName", "type", "default", "values"}):
            raise Unknown(f"{place}: parameter '{name}': '{strange[0]}' is not known")
        if name not in given and "default" not in one:
            raise Unknown(f"{place}: the parameter '{name}' is not given and has no default")
        bound[name] = value = given.get(name, one.get("default"))
        _check_type(value, kind, f"{place}: parameter '{name}'")
        if "values" in one and value not in one["values"]:
            raise Unknown(f"{place}: parameter '{name}': '{value}' is none of its values")
    return bound


def _check_type(value: Any, kind: str, place: str) -> None:
    if kind == "object":
        return
    if kind not in TYPES:
        raise Unknown(f"{place}: the type '{kind}' is not known")
    is_right = isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not is_right:
        raise Unknown(f"{place}: '{value}' is no {kind}")


class _Declared(dict[str, Any]):
    """Parameters, of which none may be named that is not declared: Azure would take it for null."""

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            raise Unknown(f"there is no parameter '{name}'")
        return self[name]


class _Members(dict[str, str]):
    """Variables, as `variables.NAME` and `variables['NAME']` read them."""

    def get(self, name: str, default: Any = None) -> Any:
        return variables(self)(name)


def _content(files: Files, path: str) -> dict[str, Any]:
    if path not in files:
        raise Unknown(f"{path}: there is no such file")
    return dict(files[path])


def _settings(declared: Any, scope: Scope, system: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the pipeline's own variables; later ones see earlier ones."""
    if isinstance(declared, dict):
        declared = [{"name": name, "value": value} for name, value in declared.items()]
    found: dict[str, str] = {}
    for item in declared:
        names = {**scope.names, "variables": _Members({**system, **found})}
        here = replace(scope, names=names)
        if set(item) == {"template"}:
            path = _path(item["template"], scope.file)
            included = _content(scope.files, path)
            found |= {name: chosen.get(name, str(value)) for name, value in included["variables"].items()}
            continue
        one = _expanded(item, here)
        if set(one) != {"name", "value"}:
            raise Unknown(f"{scope.file}: variables: {sorted(one)} is not known")
        found[one["name"]] = str(one["value"])
    return found


def _expanded(node: Any, scope: Scope) -> Any:
    if isinstance(node, dict):
        return _mapping(node, scope)
    if isinstance(node, list):
        return _sequence(node, scope)
    return _text(node, scope) if isinstance(node, str) else node


def _text(text: str, scope: Scope) -> Any:
    match = WHOLE.fullmatch(text.strip())
    if match:
        return scope.value(match.group(1))
    return WHOLE.sub(lambda found: _word(scope.value(found.group(1)), scope), text)


def _word(value: Any, scope: Scope) -> str:
    if isinstance(value, bool | list | dict):
        raise Unknown(f"{scope.file}: '{value}' is put into a text")
    return str(value)


def _mapping(node: dict[str, Any], scope: Scope) -> dict[str, Any]:
    result: dict[str, Any] = {}
    chosen: bool | None = None
    for key, value in node.items():
        directive = DIRECTIVE.match(key)
        if directive is None:
            if "${{" in key:
                raise Unknown(f"{scope.file}: the key {key} is not known")
            inside = replace(scope, is_handed_on=scope.is_handed_on or (key == "parameters" and "template" in node))
            inner = _expanded(value, inside)
            is_filled = key in LISTS and isinstance(inner, list) and not scope.is_handed_on
            result[key] = _included(inner, key, scope) if is_filled else inner
            chosen = None
            continue
        taken, chosen = _taken(directive, chosen, scope)
        if taken:
            result |= _mapping(value, scope)
    return result


def _sequence(node: list[Any], scope: Scope) -> list[Any]:
    result: list[Any] = []
    chosen: bool | None = None
    for item in node:
        directive = DIRECTIVE.match(next(iter(item))) if isinstance(item, dict) and len(item) == 1 else None
        if directive is None:
            value = _expanded(item, scope)
            result += value if isinstance(value, list) and isinstance(item, str) else [value]
            chosen = None
        elif directive.group(1) == "each":
            result += _each(directive.group(2), next(iter(item.values())), scope)
        else:
            taken, chosen = _taken(directive, chosen, scope)
            result += _sequence(next(iter(item.values())), scope) if taken else []
    return result


def _taken(directive: re.Match[str], chosen: bool | None, scope: Scope) -> tuple[bool, bool]:
    """Return whether a branch is taken, and whether one of its chain has been."""
    word, condition = directive.groups()
    if word not in ("if", "elseif", "else") or (word != "if" and chosen is None):
        raise Unknown(f"{scope.file}: {directive.group()} stands where it cannot")
    if word != "if" and chosen:
        return False, True
    holds = word == "else" or is_true(scope.value(condition))
    return holds, holds


def _each(text: str, body: list[Any], scope: Scope) -> list[Any]:
    match = EACH.match(text)
    values = scope.value(match.group(2)) if match else None
    if match is None or not isinstance(values, list):
        raise Unknown(f"{scope.file}: each {text.strip()} is not known")
    inside = (replace(scope, names={**scope.names, match.group(1): value}) for value in values)
    return [one for each in inside for one in _sequence(body, each)]


def _included(items: list[Any], kind: str, scope: Scope) -> list[Any]:
    """Return a list with the templates that it names in place."""
    return [one for item in items for one in (_template(item, kind, scope) if _names_one(item) else [item])]


def _names_one(item: Any) -> bool:
    return isinstance(item, dict) and "template" in item


def _template(item: dict[str, Any], kind: str, scope: Scope) -> list[Any]:
    path = _path(item["template"], scope.file)
    if strange := sorted(set(item) - {"template", "parameters"}):
        raise Unknown(f"{scope.file}: '{strange[0]}' beside the template {item['template']} is not known")
    if scope.depth == DEPTH:
        raise Unknown(f"{path}: templates stand in one another more than {DEPTH} deep")
    content = _content(scope.files, path)
    own = bind(content.pop("parameters", []), item.get("parameters") or {}, f"{scope.file}: {path}")
    if set(content) != {kind}:
        raise Unknown(f"{scope.file}: {path} holds {sorted(content)} where {kind} are wanted")
    names = {"parameters": _Declared(own), "variables": scope.names["variables"]}
    return list(_mapping(content, Scope(scope.files, path, names, scope.depth + 1))[kind])


def _path(name: str, file: str) -> str:
    if name.startswith("/"):
        return name.removeprefix("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
