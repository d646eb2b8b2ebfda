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

    gray: Tensor

    def __init__(self, mean: float, std: float, size: int = SIZE) -> None:
        super().__init__()
        self.mean, self.std, self.size = mean, std, size
        self.register_buffer("gray", torch.tensor(GRAY).view(1, 1, 1, 3), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        gray = (frames.to(torch.float32) * self.gray).sum(-1, keepdim=True).permute(0, 3, 1, 2)
        resized = F.interpolate(gray, size=(self.size, self.size), mode="bilinear", antialias=True)
        return (resized - self.mean) / self.std
