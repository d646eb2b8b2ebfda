"""Which images each step trains on: a function of seed, epoch and global batch alone.

The number of processes only decides how a global batch is shared out, so one process and many see the same batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vision.distributed import World


@dataclass(frozen=True)
class Plan:
    """The steps of a whole training: `epochs` times all `images`, `batch_size` of them (over all processes) a step."""

    images: int
    batch_size: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Return how many steps an epoch takes; its last one may have fewer images."""
        return -(-self.images // self.batch_size)

    @property
    def full_batch(self) -> int:
        """Return how many images every step but an epoch's last one has."""
        return min(self.batch_size, self.images)

    @property
    def steps(self) -> int:
        """Return how many steps the training takes."""
        return self.epochs * self.steps_per_epoch

    def batch(self, step: int) -> Tensor:
        """Return the indices of the images of a step's global batch, int64 [<= batch_size]."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order = _order(self.images, self.seed, epoch)
        return order[index * self.batch_size : (index + 1) * self.batch_size]


def share(batch: Tensor, world: World) -> Tensor:
    """Return this process's part of a global batch: every image is in exactly one part; a part may be empty."""
    return batch[world.rank :: world.size]


def seed_step(seed: int, step: int, world: World) -> None:
    """Seed torch for one step of one process.

    Random numbers (a network's dropout) follow from the step, not from the past: a resumed training needs none of it.
    """
    torch.manual_seed((seed * 1_000_003 + step) * 4096 + world.rank)


@lru_cache(maxsize=1)
def _order(images: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(images, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
