"""Draws on frames what the model said of them, and picks frames to draw on while a stream goes by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from serving.truth import Region, Seen

GREEN, RED, WHITE = (46, 204, 113), (231, 76, 60), (255, 255, 255)
LINE_PIXELS = 3
JPEG_QUALITY = 85


class Album:
    """Keeps at most 2n - 1 frames of a stream of unknown length, evenly spaced, and returns n of them at the end."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._stride = 1
        self._offered = 0
        self._kept: list[tuple[NDArray[np.uint8], Seen]] = []

    def offer(self, frame: NDArray[np.uint8], seen: Seen) -> None:
        """Keep the frame, where its turn is; whenever twice too many are kept, every other one is dropped."""
        if self._offered % self._stride == 0:
            self._kept.append((frame, seen))
        self._offered += 1
        if len(self._kept) == 2 * self._size:
            self._kept = self._kept[::2]
            self._stride *= 2

    def pages(self) -> list[tuple[NDArray[np.uint8], Seen]]:
        """Return `size` frames, or all where there are fewer."""
        count = min(self._size, len(self._kept))
        return [self._kept[index * len(self._kept) // count] for index in range(count)]


def draw(frame: NDArray[np.uint8], region: Region, seen: Seen) -> Image.Image:
    """Return the frame with the region's box, the label and its score: green where right, red where wrong."""
    image = Image.fromarray(frame)
    canvas = ImageDraw.Draw(image)
    colour = WHITE if seen.truth is None else GREEN if seen.label == seen.truth else RED
    x, y, width, height = region
    canvas.rectangle((x, y, x + width - 1, y + height - 1), outline=colour, width=LINE_PIXELS)
    wrong = "" if seen.truth in (None, seen.label) else f" (is {seen.truth})"
    _write(canvas, image, (x, y + height + LINE_PIXELS), f"{seen.label} {seen.score:.0%}{wrong}", colour)
    return image


def save(image: Image.Image, path: Path) -> None:
    """Write an annotated frame as JPEG."""
    image.save(path, "JPEG", quality=JPEG_QUALITY)


def _write(
    canvas: ImageDraw.ImageDraw, image: Image.Image, at: tuple[int, int], text: str, colour: tuple[int, int, int]
) -> None:
    font = ImageFont.load_default(max(10, image.height // 20))
    left, top, right, bottom = (round(edge) for edge in canvas.textbbox((0, 0), text, font))
    x, y = max(0, min(at[0], image.width - right)), max(0, min(at[1], image.height - bottom))
    canvas.rectangle((x + left - 2, y + top - 2, x + right + 2, y + bottom + 2), fill=(0, 0, 0))
    canvas.text((x, y), text, colour, font)
