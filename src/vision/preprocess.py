"""From a camera's uint8 frames to what the network takes, as a module: it is exported inside the ONNX graph.

Training, export and serving all run this one definition, so they cannot differ. It knows no data set.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GRAY = (0.299, 0.587, 0.114)  # luma of R, G, B: ITU-R BT.601
SIZE = 28


class Preprocess(nn.Module):
    """Gray, resize (bilinear, antialiased), normalise: uint8 [N,H,W,3] in RGB order -> float32 [N,1,size,size].

    `mean` and `std` are in units of pixel values, 0..255.
    """

    def __init__(self, mean: float, std: float, size: int = SIZE) -> None:
        super().__init__()
        self.mean, self.std, self.size = mean, std, size

    def forward(self, frames: Tensor) -> Tensor:
        # Channel by channel: over a last axis of three, both PyTorch and ONNX Runtime crawl (3 to 4 times slower).
        red, green, blue = (channel.to(torch.float32) for channel in frames.unbind(-1))
        gray = GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue
        resized = F.interpolate(gray.unsqueeze(1), size=(self.size, self.size), mode="bilinear", antialias=True)
        return (resized - self.mean) / self.std
