"""The whole model: preprocessing and network in one module. Training, export and evaluation all run this one."""

from __future__ import annotations

from torch import Tensor, nn

from vision.errors import VisionError
from vision.network import NETWORKS
from vision.preprocess import Preprocess


class Classifier(nn.Module):
    """uint8 frames [N,H,W,3] -> logits, float32 [N,classes]. `mean` and `std` are in units of pixel values."""

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.preprocess = Preprocess(mean, std)
        self.network = network

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.network(self.preprocess(frames))
        return logits


def make_classifier(name: str, width: int, classes: int, mean: float, std: float) -> Classifier:
    """Return a classifier with fresh weights around one of NETWORKS. Raises VisionError where the name is unknown."""
    if name not in NETWORKS:
        raise VisionError(
            f"--network {name}: unknown network: use one of {', '.join(NETWORKS)} (src/vision/network.py)"
        )
    return Classifier(NETWORKS[name](width, classes), mean, std)
