"""What an interrupted training needs to go on: resume.pt in its output folder, replaced whole at each checkpoint.

It refuses a file that another training wrote (other settings, other data), because going on from it would give a model
that no settings describe. It knows nothing of what the state holds.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vision.distributed import World
from vision.errors import VisionError
from vision.files import write_bytes

RESUME_FILE = "resume.pt"


def save_state(folder: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Write the state of the training that `identity` describes. Call it in the first process only."""
    stream = io.BytesIO()
    torch.save({"identity": dict(identity), "state": dict(state)}, stream)
    write_bytes(folder / RESUME_FILE, stream.getvalue())


def load_state(folder: Path, identity: Mapping[str, Any], world: World) -> dict[str, Any] | None:
    """Return the last state of this training, the first process's in every process; None where there is none.

    Raises VisionError, naming the file and what differs, where it belongs to another training or is damaged.
    """
    path = folder / RESUME_FILE
    content = world.from_first(path.read_bytes() if world.is_first and path.exists() else None)
    if content is None:
        return None
    try:
        saved = torch.load(io.BytesIO(content), map_location=world.device, weights_only=True)
        written, state = saved["identity"], saved["state"]
    except (RuntimeError, pickle.UnpicklingError, KeyError, TypeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise VisionError(f"{path}: is damaged ({reason}): remove it to train from the start") from None
    _refuse_another(path, written, identity)
    return dict(state)


def _refuse_another(path: Path, written: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    for key in sorted(written.keys() | identity.keys()):
        before, now = written.get(key), identity.get(key)
        if before != now:
            raise VisionError(
                f"{path}: was written with {key} {before}, this run has {now}: give another --out, or remove the file"
            )
