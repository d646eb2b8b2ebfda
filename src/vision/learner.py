"""The training itself: one model, its optimiser and the step that improves it, on one process of several.

Two processes take exactly the step that one would: the loss is summed over a process's part of the global batch and
divided by the size of a full global one, so the gradients of all processes add up to that of the global batch, and an
image in an epoch's last, smaller batch weighs no more than any other.
It knows no files, no command line and no tracking.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from vision.batches import Plan, seed_step, share
from vision.classifier import make_classifier
from vision.data import LABELS, Split
from vision.distributed import World

VALIDATION_BATCH = 500


@dataclass(frozen=True)
class Settings:
    """What a trained model depends on, besides its data.

    `batch_size` is over all processes; gradients longer than `gradient_norm` are cut to it, so that one bad batch does
    not ruin a model.
    """

    network: str
    width: int
    epochs: int
    batch_size: int
    seed: int
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    gradient_norm: float = 2.0


def one_cycle(step: int, steps: int) -> float:
    """Return the share of the peak learning rate at a step: up for a quarter, then down (Smith: arXiv:1708.07120)."""
    warm_up, start, end = 0.25, 0.1, 0.001
    done = step / steps
    if done < warm_up:
        return start + (1 - start) * (1 - math.cos(math.pi * done / warm_up)) / 2
    return end + (1 - end) * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2


class Learner:
    """A classifier in training. All processes must call the same methods in the same order."""

    def __init__(self, settings: Settings, train: Split, world: World) -> None:
        self.settings, self.world = settings, world
        self.plan = Plan(len(train), settings.batch_size, settings.epochs, settings.seed)
        self._images, self._labels = _on_device(train, world)
        mean, std = pixel_statistics(train)
        torch.manual_seed(settings.seed)
        model = make_classifier(settings.network, settings.width, len(LABELS), mean, std)
        # Channels last: convolutions run as fast, and pooling many times faster, on a CPU too.
        self.model = model.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._parallel = _parallel(self.model, world)
        self._optimizer = _optimizer(self.model, settings)
        self._half = _half_precision(world)
        # bfloat16 has float32's range; only float16's gradients need to be scaled out of its dead zone.
        self._scaler = torch.amp.GradScaler(world.device.type, enabled=self._half == torch.float16)
        self._loss = torch.zeros((), dtype=torch.float64, device=world.device)

    def take_step(self, step: int) -> int:
        """Improve the model by one global batch and return its size."""
        batch = self.plan.batch(step)
        seed_step(self.settings.seed, step, self.world)
        self._set_learning_rate(one_cycle(step, self.plan.steps))
        loss = self._loss_sum(share(batch, self.world).to(self.world.device)) / self.plan.full_batch
        self._optimizer.zero_grad()
        # DistributedDataParallel gives the mean over processes; the size turns it into the sum.
        self._scaler.scale(loss * self.world.size).backward()
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._loss += loss.detach() * self.plan.full_batch
        return len(batch)

    def take_loss(self) -> float:
        """Return the loss summed over the images since the last call, over all processes."""
        total = self.world.add_up(self._loss).item()
        self._loss.zero_()
        return total

    @torch.inference_mode()
    def accuracy(self, split: Split) -> float:
        """Return the share of a split's images that the model gets right, 0..1."""
        images, labels = _on_device(split, self.world)
        mine = share(torch.arange(len(split), device=self.world.device), self.world)
        right = torch.zeros((), dtype=torch.int64, device=self.world.device)
        self.model.eval()
        for part in mine.split(VALIDATION_BATCH):
            right += (self.model(_frames(images[part])).argmax(dim=1) == labels[part]).sum()
        self.model.train()
        return self.world.add_up(right).item() / len(split)

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on, besides its number."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])

    def _loss_sum(self, mine: Tensor) -> Tensor:
        with torch.autocast(self.world.device.type, dtype=self._half, enabled=self._half is not None):
            logits = self._parallel(_frames(self._images[mine]))
        smoothing = self.settings.label_smoothing
        return F.cross_entropy(logits.float(), self._labels[mine], reduction="sum", label_smoothing=smoothing)

    def _set_learning_rate(self, share_of_peak: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * share_of_peak


def pixel_statistics(split: Split) -> tuple[float, float]:
    """Return mean and standard deviation of a split's pixels, in 0..255, from their counts (exact in any order)."""
    counts = torch.bincount(torch.from_numpy(split.images).flatten(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64)
    mean = (counts @ values / counts.sum()).item()
    variance = (counts @ (values - mean) ** 2 / counts.sum()).item()
    return mean, max(math.sqrt(variance), 1.0)  # images of one value only must not divide by zero


def _on_device(split: Split, world: World) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(split.images).to(world.device), torch.from_numpy(split.labels).to(world.device)


def _frames(images: Tensor) -> Tensor:
    """Return gray images [N,H,W] as frames [N,H,W,3] without a copy: what `to_frames` gives in numpy."""
    return images.unsqueeze(-1).expand(-1, -1, -1, 3)


def _parallel(model: nn.Module, world: World) -> nn.Module:
    if world.size == 1:
        return model
    # Said of a convolution over one channel, whose strides have two spellings: nothing is slower for it.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    return DistributedDataParallel(model, forward_sync_buffers=False)


def _optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Return SGD with Nesterov's momentum; biases and the like are left out of weight decay."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)


def _half_precision(world: World) -> torch.dtype | None:
    """Return the type to compute in on a GPU; None on a CPU, where float32 is as fast and exact."""
    if world.device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
