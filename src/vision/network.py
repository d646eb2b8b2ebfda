"""The networks, by name. The one file to change for another network: add a class, name it in NETWORKS.

A network takes normalised gray images, float32 [N,1,28,28], and returns logits, float32 [N,classes]. Statistics over
the batch (BatchNorm) are left out on purpose: without them, processes that share a global batch give exactly the
gradient that one process gives. It knows nothing of labels, training or export.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Cnn(nn.Module):
    """Three 3x3 convolutions, `width`, 2 and 4 times `width` channels wide, each halving the image; one linear layer.

    The first two keep every pixel and then pool: at equal cost that is more accurate than strides from the start, and
    holds better where the item is not centred. Weights start as in He et al. (arXiv:1502.01852).
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        first = nn.Conv2d(1, width, 3, padding=1)
        second = nn.Conv2d(width, 2 * width, 3, padding=1)
        third = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        for convolution in (first, second, third):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        halve = (nn.MaxPool2d(2), nn.ReLU())
        self.features = nn.Sequential(first, *halve, second, *halve, third, nn.ReLU())
        self.head = nn.Linear(4 * width * 4 * 4, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).flatten(1))


class Vit(nn.Module):
    """A small vision transformer (Dosovitskiy et al., arXiv:2010.11929): 4x4 patches, `width` wide, mean-pooled."""

    def __init__(self, width: int, classes: int, depth: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, kernel_size=4, stride=4)
        self.positions = nn.Parameter(0.02 * torch.randn(1, 49, width))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(dim=1))


class _Block(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron, each added to its input: [N,tokens,width] -> the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self._attend(self.norm_attention(tokens))
        return tokens + self.mlp(self.norm_mlp(tokens))

    def _attend(self, tokens: Tensor) -> Tensor:
        query, key, value = (self._split(part) for part in self.qkv(tokens).chunk(3, dim=-1))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, part: Tensor) -> Tensor:
        return part.unflatten(-1, (self.heads, -1)).transpose(1, 2)


NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {"cnn": Cnn, "vit": Vit}
