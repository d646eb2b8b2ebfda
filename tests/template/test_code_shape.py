"""The shape of the code: functions one can read at a glance, a docstring wherever somebody else calls, no drawer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from sources import files, python_texts

LINES_PER_FUNCTION = 40  # the docstring left out
PARAMETERS = 6  # self and cls left out
LINES_PER_FILE = 300
FRAMEWORK_METHODS = ("forward",)  # torch documents it
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def too_long(name: str, text: str) -> Iterator[str]:
    """Yield the functions with too many lines or parameters, and the file where it has too many lines itself."""
    if len(text.splitlines()) > LINES_PER_FILE:
        yield f"{name}: {len(text.splitlines())} lines, {LINES_PER_FILE} are allowed"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            if _length(node) > LINES_PER_FUNCTION:
                yield f"{name}:{node.lineno}: {node.name} has {_length(node)} lines, {LINES_PER_FUNCTION} are allowed"
            if len(_parameters(node)) > PARAMETERS:
                yield f"{name}:{node.lineno}: {node.name} has {len(_parameters(node))} parameters"


def undocumented(name: str, text: str) -> Iterator[str]:
    """Yield the module, public classes, functions and methods that have no docstring. An empty module needs none."""
    tree = ast.parse(text)
    if tree.body and not ast.get_docstring(tree):
        yield f"{name}: the module has no docstring"
    for node in _public(tree):
        if not ast.get_docstring(node) and node.name not in FRAMEWORK_METHODS:
            yield f"{name}:{node.lineno}: {node.name} has no docstring"


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def _length(node: Function) -> int:
    last = node.end_lineno or node.lineno
    documented = ast.get_docstring(node) is not None
    docstring = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if documented else 0
    return last - node.lineno + 1 - docstring


def _parameters(node: Function) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]


@pytest.mark.parametrize("rule", [too_long, undocumented])
def test_the_code_keeps_its_shape(rule) -> None:
    assert [problem for name, text in python_texts("mlops/", "src/") for problem in rule(name, text)] == []


def test_no_file_is_a_drawer() -> None:
    assert [str(path) for path in files() if path.suffix == ".py" and path.stem in DRAWERS] == []


LONG_BODY = "    x = 1\n" * 40


@pytest.mark.parametrize(
    "text",
    [
        f"def f():\n{LONG_BODY}",
        f'def f():\n    """One line that does not count."""\n{LONG_BODY}',
        f"class A:\n    async def f(self):\n{LONG_BODY.replace('    ', '        ')}",
        "def f(a, b, c, d, e, *, f, g): ...",
        "x = 1\n" * 301,
    ],
)
def test_what_is_too_long_is_found(text: str) -> None:
    assert len(list(too_long("a.py", text))) == 1


def test_what_is_short_enough_is_not_found() -> None:
    assert (
        list(too_long("a.py", f'def f(self, a, b, c, d, e, f):\n    """Why.\n\n    More."""\n{LONG_BODY[:-10]}')) == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        '"""A module."""\ndef f(): ...',
        '"""A module."""\nclass A: ...',
        '"""A module."""\nclass A:\n    """A class."""\n    def f(self): ...',
    ],
)
def test_a_missing_docstring_is_found(text: str) -> None:
    assert len(list(undocumented("a.py", text))) == 1


def test_private_functions_and_empty_modules_need_no_docstring() -> None:
    assert list(undocumented("a.py", "")) == []
    assert list(undocumented("a.py", '"""A module."""\ndef _f(): ...\nclass _A:\n    def f(self): ...')) == []
