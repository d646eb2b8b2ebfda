"""Triton's server out of nvidia-pytriton's package, its Python backend running ONNX Runtime in instance processes.

At its best on a CPU: an instance a core (measured with a single one too); dynamic batching without delay, which takes a
third of the tiny model's processor time off a request; HTTP only, no metrics, no log of requests. The package holds no
ONNX Runtime backend of Triton's own.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytriton

import scorer

CONFIG = """
name: "model"
backend: "python"
max_batch_size: {batch}
dynamic_batching {{ max_queue_delay_microseconds: 0 }}
input [{{ name: "body", data_type: TYPE_UINT8, dims: [-1] }}]
output [
  {{ name: "answer", data_type: TYPE_STRING, dims: [1] }}
]
instance_group [{{ kind: KIND_CPU, count: {instances} }}]
"""


def write_repository(folder: Path) -> None:
    """Write the model repository of the one model."""
    (folder / "model" / "1").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "config.pbtxt").write_text(
        CONFIG.format(instances=scorer.workers(), batch=scorer.batch()), encoding="utf-8"
    )
    shutil.copy(Path(__file__).with_name("model.py"), folder / "model" / "1" / "model.py")


def copy_backends(package: Path, folder: Path) -> None:
    """Copy the backends, with the stub of this interpreter's version where Triton looks for it."""
    shutil.copytree(package / "backends", folder, dirs_exist_ok=True)
    stub = package / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
    shutil.copy(stub, folder / "python" / stub.name)


if __name__ == "__main__":
    scratch = Path(os.environ["BENCHMARK_SCRATCH"])
    home = Path(pytriton.__file__).parent
    package = home / "tritonserver"
    write_repository(scratch / "models")
    copy_backends(package, scratch / "backends")
    os.environ["LD_LIBRARY_PATH"] = str(home.parent / "nvidia_pytriton.libs")
    os.environ["PYTHONPATH"] = f"{os.environ['PYTHONPATH']}:{home.parent}"
    program = str(package / "bin" / "tritonserver")
    flags = {
        "model-repository": scratch / "models",
        "backend-directory": scratch / "backends",
        "http-address": "127.0.0.1",
        "http-port": scorer.port(),
        "http-thread-count": 2,
        "allow-grpc": "false",
        "allow-metrics": "false",
        "log-info": "false",
        "log-warning": "false",
    }
    os.execv(program, [program, *(f"--{name}={value}" for name, value in flags.items())])
