"""Keeps a model's weights in memory once, however many processes serve it.

The model as ONNX Runtime optimizes it is written to a folder, its weights in a file of their own: that one ONNX Runtime
maps (mmap) where the optimized model needs no further change, so that all processes share the kernel's pages of it.

Source: https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html (offline mode), and
session.optimized_model_external_initializers_file_name in onnxruntime_session_options_config_keys.h.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime

from serving.errors import one_line

WORTH_BYTES = 1_000_000  # a smaller model is not worth the files
KEPT = 8
BOOT = Path("/proc/sys/kernel/random/boot_id")
FILE_NAME = "session.optimized_model_external_initializers_file_name"
LEAST_BYTES = "session.optimized_model_external_initializers_min_size_in_bytes"


def mapped(content: bytes, shared: Path, options: onnxruntime.SessionOptions) -> str | None:
    """Return the file to open instead of a model's bytes, made in the folder `shared` by the first process that asks.

    None where it is not worth it, or can't be made: that is said on stderr, and the bytes serve as well. It is made for
    this processor by this ONNX Runtime, and not checked again, so the next start of the machine makes it anew.
    """
    if len(content) < WORTH_BYTES or not BOOT.exists():
        return None
    maker = f"{onnxruntime.__version__} {BOOT.read_text(encoding='ascii')}".encode()
    folder = shared / hashlib.sha256(maker + content).hexdigest()[:32]
    try:
        if not folder.exists():
            _write(content, folder, options)
            _prune(shared)
        return str(folder / "model.onnx")
    except Exception as error:  # a full disk, or an operator that can't be written: whatever it is, the bytes are there
        print(f"{folder}: the weights are not shared ({one_line(error)})", file=sys.stderr, flush=True)
        return None


def _write(content: bytes, folder: Path, options: onnxruntime.SessionOptions) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        options.optimized_model_filepath = str(made / "model.onnx")
        options.add_session_config_entry(FILE_NAME, "weights.bin")
        options.add_session_config_entry(LEAST_BYTES, "1024")
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was first
                raise


def _prune(shared: Path) -> None:
    """Remove all but the newest: those of old versions, or that a killed process left. Who uses one still keeps it."""
    for old in sorted(shared.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
