"""Which of how many processes this one is, and what they say to each other.

Reads only RANK, LOCAL_RANK, WORLD_SIZE and MASTER_*, which torchrun and Azure ML (`distribution: pytorch`) both set;
without them the process is alone. It knows nothing of models.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from vision.errors import VisionError


@dataclass(frozen=True)
class World:
    """This process among `size` that train together, and the device that it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Say whether this process is the one that writes files and reports."""
        return self.rank == 0

    def add_up(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes; every process must call it."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def from_first(self, content: bytes | None) -> bytes | None:
        """Return the first process's bytes in every process, so that the others need not see its files."""
        if self.size == 1:
            return content
        box = [content]
        distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]


@contextmanager
def join_world() -> Iterator[World]:
    """Meet the other processes, over NCCL on GPUs and gloo on CPUs, and part from them at the end.

    Raises VisionError where an environment variable is absent or no number.
    """
    rank, local_rank, size = _number("RANK", 0), _number("LOCAL_RANK", 0), _number("WORLD_SIZE", 1)
    device = _device(local_rank)
    if size == 1:
        yield World(0, 1, device)
        return
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        if name not in os.environ:
            raise VisionError(
                f"environment variable {name}: is absent though WORLD_SIZE is {size}: start with torchrun"
            )
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)  # several processes share the cores: more threads than one each only wait
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=rank, world_size=size)
    try:
        yield World(rank, size, device)
    finally:
        distributed.destroy_process_group()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise VisionError(f"environment variable {name}: should be a whole number, is '{text}': start with torchrun")
    return int(text)


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise VisionError(f"LOCAL_RANK {local_rank}: this machine has {count} GPUs: start one process a GPU")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)
