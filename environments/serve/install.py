"""Installs a runtime's packages for an architecture into a folder, the same bytes each time; by the Dockerfiles.

Wheels are unpacked and nothing of them is run, so architecture and Python may be others than this machine's. Tests and
tools that wheels bring along are left out, modules are compiled with the hash of their source in place of its time.

    python3 install.py --architecture arm64 --out /site
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

PLACE = "/app/site"  # where the Dockerfile puts the folder
HERE = Path(__file__).resolve().parent
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")  # Debian 12 has 2.36
# Of onnxruntime what converts models, and what other packages test themselves with: nothing that runs a model.
UNUSED = ("onnxruntime/tools", "onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/datasets", "bin")
TESTS = ("numpy", "onnxruntime", "yaml", "uvloop")
# What the Dockerfile mounts where the agent that builds has it: pip's settings (another index), its authorities.
SETTINGS = Path("/run/secrets/pip")
AUTHORITIES = Path("/run/secrets/ca")


def main() -> None:
    """Read the command line, install, prune and compile."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    told = os.environ.get("TARGETARCH") or "amd64"  # the Dockerfile's argument, empty for a builder that knows none
    parser.add_argument("--architecture", choices=sorted(MACHINES), default=told)
    parser.add_argument("--python", default="3.11", help="the image's; default: %(default)s")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    install(options.architecture, options.python, options.out)
    prune(options.out)
    if options.python == f"{sys.version_info.major}.{sys.version_info.minor}":  # another one's modules are not ours
        compile_all(options.out)


def install(architecture: str, version: str, folder: Path) -> None:
    """Unpack the wheels of requirements.txt, and of what they need, for an architecture. Raises CalledProcessError."""
    platforms = [f"--platform={glibc}_{MACHINES[architecture]}" for glibc in GLIBC]
    python = [f"--python-version={version}", "--implementation=cp", "--only-binary=:all:"]
    wanted = ["-r", str(HERE / "requirements.txt"), "-c", str(HERE / "constraints.txt")]
    quiet = ["--quiet", "--no-compile", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action=ignore"]
    command = [sys.executable, "-m", "pip", "install", *quiet, *python, *platforms, f"--target={folder}", *wanted]
    settings = {"PIP_CONFIG_FILE": str(SETTINGS)} if SETTINGS.exists() else {}
    authorities = {"PIP_CERT": str(AUTHORITIES)} if AUTHORITIES.exists() else {}
    subprocess.run(command, check=True, env={**os.environ, **settings, **authorities})


def compile_all(folder: Path) -> None:
    """Compile all modules as what they are in the image. Raises CalledProcessError."""
    named = ["--invalidation-mode=unchecked-hash", "-q", "-s", str(folder), "-p", PLACE, str(folder)]
    # Constants that are sets are written in the order of their hashes, which differ from process to process.
    variables = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([sys.executable, "-m", "compileall", *named], check=True, env=variables)


def prune(folder: Path) -> None:
    """Remove what no model is run with, and what differs from one installation to the next."""
    unused = [folder / name for name in UNUSED]
    tests = [path for name in TESTS for path in (folder / name).rglob("tests") if path.is_dir()]
    for path in (*unused, *tests):
        shutil.rmtree(path, ignore_errors=True)
    for record in folder.glob("*.dist-info/direct_url.json"):
        record.unlink()


if __name__ == "__main__":
    main()
