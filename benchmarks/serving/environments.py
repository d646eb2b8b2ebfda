"""A virtual environment for each peer, made on first use from its pinned requirements.

A stamp holds the requirements that it was made from, so a changed pin makes it anew. A peer that can't be installed
is left out of the sweep, and the page says why.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.serving.errors import BenchmarkError

PEERS = Path(__file__).parent / "peers"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
INSTALL_SECONDS = 600


def python_of(peer: str, home: Path) -> Path:
    """Return the interpreter of a peer's environment under `home`, installed if need be. Raises BenchmarkError."""
    folder, wanted = home / peer, (PEERS / peer / "requirements.txt").read_text(encoding="utf-8")
    stamp, python = folder / "requirements.installed", folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        _install(peer, folder)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def installed(python: Path) -> dict[str, str]:
    """Return the version of each package that an interpreter has."""
    code = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
    listed = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    names = (line.partition("==") for line in listed.splitlines())
    return {name.lower(): version for name, _, version in names}


def _install(peer: str, folder: Path) -> None:
    print(f"installing {peer} into {folder} (once)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run(peer, sys.executable, "-m", "venv", str(folder))
    requirements = str(PEERS / peer / "requirements.txt")
    _run(peer, str(folder / "bin" / "python"), *PIP, "-r", requirements)


def _run(peer: str, *command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{peer}: not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise BenchmarkError(f"{peer}: can't be installed: {' '.join(reasons)[:300] or done.stderr[-300:]}")
