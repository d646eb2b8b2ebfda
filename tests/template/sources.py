"""The repository as its own tests see it: its files, its modules, and what each module imports. Nothing is imported."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WINGS = ("mlops", "src/modelpackage", "src/serving", "src/vision")
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".cfg", ".txt", ".json", ".sh", ""}


@dataclass(frozen=True)
class Module:
    """One Python module: its dotted name, its text, and whether it is a package's __init__."""

    name: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        """Return the syntax tree."""
        return ast.parse(self.text)


@cache
def files() -> tuple[Path, ...]:
    """Return the files that belong to the repository, relative to its root: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(path for path in map(Path, sorted(filter(None, listed.split("\0")))) if (ROOT / path).is_file())


def texts(paths: Iterable[Path] | None = None) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each text file of the repository, or of those given."""
    for path in files() if paths is None else paths:
        if path.suffix in TEXT_SUFFIXES:
            yield path.as_posix(), (ROOT / path).read_text(encoding="utf-8")


def python_texts(*folders: str) -> list[tuple[str, str]]:
    """Return the name and the content of each Python file under the folders."""
    inside = (path for path in files() if path.suffix == ".py" and path.as_posix().startswith(folders))
    return list(texts(inside))


def modules() -> tuple[Module, ...]:
    """Return all modules of mlops and src."""
    return tuple(_module(name, text) for name, text in python_texts(*(f"{wing}/" for wing in WINGS)))


@cache
def imports(module: Module) -> frozenset[str]:
    """Return the dotted names that a module imports, wherever in it: `from a import b` gives a.b."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{_origin(module, node)}.{alias.name}" for alias in node.names}
    return frozenset(found)


def is_within(name: str, *packages: str) -> bool:
    """Tell whether a dotted name is one of the packages, or something inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*base, *filter(None, [node.module])])


def _module(name: str, text: str) -> Module:
    dotted = name.removeprefix("src/").removesuffix(".py").replace("/", ".")
    return Module(dotted.removesuffix(".__init__"), text, dotted.endswith(".__init__"))
