"""Tests wait for conditions and measure nothing: no sleep but in a loop with a deadline, no limit on a duration."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest
from sources import files, python_texts

DURATIONS = ("seconds", "elapsed", "duration", "took", "milliseconds", "wall")
CLOCKS = ("time", "monotonic", "perf_counter", "process_time")


def bare_sleeps(name: str, text: str) -> Iterator[str]:
    """Yield the sleeps that are in no loop which ends: after a number of tries, or at a deadline."""
    for function in _functions(ast.parse(text)):
        has_deadline = any("deadline" in word.lower() for word in _words(function))
        loops = [loop for loop in _of(function, ast.While, ast.For) if has_deadline or _is_counted(loop)]
        looped = {node for loop in loops for node in ast.walk(loop)}
        for call in _of(function, ast.Call):
            if _called(call) == "sleep" and call not in looped:
                yield f"{name}:{call.lineno}: sleeps for safety: wait for a condition, with a deadline"


def timed_assertions(name: str, text: str) -> Iterator[str]:
    """Yield the assertions that something took less than some number: a busy machine would fail them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert):
            comparisons = (part for part in ast.walk(node.test) if isinstance(part, ast.Compare))
            if any(_limits_a_duration(comparison) for comparison in comparisons):
                yield f"{name}:{node.lineno}: asserts a duration: benchmarks/ measure, tests don't"


def repeated_names(paths: list[str]) -> list[str]:
    """Return the test files' names that occur twice: without packages, pytest would take one for the other."""
    counted = Counter(path.rpartition("/")[2] for path in paths)
    return [name for name, count in counted.items() if count > 1]


def _is_counted(loop: ast.AST) -> bool:
    return isinstance(loop, ast.For) and _called(loop.iter) == "range"


def _limits_a_duration(comparison: ast.Compare) -> bool:
    sides = [comparison.left, *comparison.comparators]
    for operator, left, right in zip(comparison.ops, sides, sides[1:], strict=False):
        less, more = (left, right) if isinstance(operator, ast.Lt | ast.LtE) else (right, left)
        if isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) and _is_duration(less) and _is_number(more):
            return True
    return False


def _is_duration(node: ast.expr) -> bool:
    words = [word.lower().split("_") for word in _words(node)]
    clocked = any(isinstance(part, ast.Call) and _called(part) in CLOCKS for part in ast.walk(node))
    return clocked or any(set(word) & set(DURATIONS) for word in words)


def _is_number(node: ast.expr) -> bool:
    return all(isinstance(part, ast.Constant | ast.BinOp | ast.operator) for part in ast.walk(node))


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    bare = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    yield ast.Module(bare, [])


def _of(tree: ast.AST, *kinds: type) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if isinstance(node, kinds))


def _called(call: ast.AST) -> str:
    function = getattr(call, "func", None)
    return getattr(function, "attr", None) or getattr(function, "id", None) or ""


def _words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        yield from (getattr(node, key) for key in ("id", "attr", "arg") if isinstance(getattr(node, key, None), str))


@pytest.mark.parametrize("rule", [bare_sleeps, timed_assertions])
def test_the_tests_keep_their_manners(rule) -> None:
    assert [problem for name, text in python_texts("tests/") for problem in rule(name, text)] == []


def test_no_two_test_files_share_a_name() -> None:
    tests = [path for path in files() if path.parts[0] == "tests" and path.suffix == ".py"]
    packages = {path.parent for path in tests if path.name == "__init__.py"}
    assert repeated_names([str(path) for path in tests if path.parent not in packages]) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    time.sleep(1)",
        "def f():\n    deadline = 5\n    sleep(1)",
        "def f():\n    while not g():\n        time.sleep(0.1)",
        "async def f():\n    await asyncio.sleep(1)",
        "import time\ntime.sleep(1)",
    ],
)
def test_a_sleep_for_safety_is_found(text: str) -> None:
    assert len(list(bare_sleeps("a.py", text))) == 1


def test_a_wait_with_a_deadline_is_not_found() -> None:
    timed = "def f():\n    deadline = monotonic() + 9\n    while monotonic() < deadline:\n        time.sleep(0.1)"
    counted = "def f():\n    for _ in range(300):\n        time.sleep(0.1)"
    assert [*bare_sleeps("a.py", timed), *bare_sleeps("a.py", counted)] == []


@pytest.mark.parametrize(
    "text",
    [
        "assert seconds < 5",
        "assert record.seconds <= 0.5",
        "assert 5 > time.monotonic() - started",
        "assert x and 0 < elapsed < 2",
        "assert summary['a'] == 1 and wall_seconds <= 60 * 3",
    ],
)
def test_a_limit_on_a_duration_is_found(text: str) -> None:
    assert len(list(timed_assertions("a.py", text))) == 1


@pytest.mark.parametrize("text", ["assert seconds > 0", "assert seconds >= 0.0", "assert count < 5", "assert a < b"])
def test_another_comparison_is_not_found(text: str) -> None:
    assert list(timed_assertions("a.py", text)) == []


def test_a_repeated_name_is_found() -> None:
    assert repeated_names(["tests/unit/test_a.py", "tests/contract/test_a.py", "tests/b.py"]) == ["test_a.py"]
