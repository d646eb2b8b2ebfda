"""Stands for `python -m pip install` in workflows that tests run: installs nothing, and sees that all is there already.

It fails, as pip does, on a file that is absent, and on a package that is not installed at the version asked for.

Run: python installed.py -m pip install [-r FILE] [-c FILE] [--editable FOLDER]
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENT = re.compile(r"([\w.-]+)(\[[\w,-]+\])?==([\w.]+)")


def missing(requirements: str) -> list[str]:
    """Return the lines of a requirements file that are not fulfilled."""
    lines = [line.strip() for line in requirements.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "-")) and not _is_fulfilled(line)]


def main(arguments: list[str]) -> int:
    """Return 0 where all that is asked for is installed."""
    asked = dict(zip(arguments, arguments[1:]))
    if "--editable" in asked:
        return 0 if (Path(asked["--editable"]) / "setup.cfg").exists() else 1
    Path(asked["-c"]).read_text(encoding="utf-8")
    files = [file for flag, file in zip(arguments, arguments[1:]) if flag == "-r"]
    absent = [line for file in files for line in missing(Path(file).read_text(encoding="utf-8"))]
    print(*(f"not installed: {line}" for line in absent), sep="\n")
    return 1 if absent else 0


def _is_fulfilled(line: str) -> bool:
    found = REQUIREMENT.fullmatch(line)
    try:
        return found is not None and version(found[1]).partition("+")[0] == found[3]
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
