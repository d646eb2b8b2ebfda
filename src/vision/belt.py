"""How a conveyor belt looks and moves: backgrounds, motion, and an item laid on it. Pure functions of frame numbers.

Pixels are uint8 RGB [H,W,3]; x runs right, y down; the belt carries items from left to right and halts under the
camera, as an indexed conveyor does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

WIDTH, HEIGHT, FPS = 640, 360, 25
CYCLE = 25  # frames from one item to the next
MOVING = 9  # of them the belt moves
PITCH = 320  # pixels between items
RAIL = 22  # pixels at the top and at the bottom
RAIL, RAIL_GRAY = 22, 58.0  # the rails' width in pixels, and their gray value
SOLID_FROM = 48.0  # gray value from which an item hides the belt


@dataclass(frozen=True)
class Belt:
    """A background: its colour, how strong its texture is, and the texture's period in pixels."""

    colour: tuple[int, int, int]
    relief: int
    period: int
    slanted: bool


BELTS = (
    Belt((20, 21, 24), 7, 40, True),  # black rubber with chevrons
    Belt((30, 31, 33), 12, 64, False),  # steel slats
    Belt((16, 28, 24), 5, 16, False),  # green felt
)


def travelled(frame: int) -> float:
    """Return by how many pixels the belt has moved at a frame: eased motion, then a halt, in each cycle."""
    cycle, inside = divmod(frame, CYCLE)
    done = min(inside / MOVING, 1.0)
    return PITCH * (cycle + done * done * (3 - 2 * done))


def background(belt: Belt, offset: float, grain: np.ndarray) -> np.ndarray:
    """Return the empty belt, float32 [H,W,3], moved by `offset` pixels; `grain` [H,W,3] is the camera's noise."""
    start = -round(offset) % belt.period
    return _surface(belt)[:, start : start + WIDTH] + grain


@lru_cache
def _surface(belt: Belt) -> np.ndarray:
    """Return a belt between its rails, float32 [H,W,3], a period wider than the picture: moving it is cutting it."""
    x, y = np.meshgrid(np.arange(WIDTH + belt.period), np.arange(HEIGHT))
    slant = np.abs(y - HEIGHT // 2) // 2 if belt.slanted else 0
    phase = ((x + slant) % belt.period) / belt.period
    groove = np.where(phase < 0.12, -1.0, np.where(phase < 0.2, 1.0, 0.0))
    light = 1.0 - 0.25 * np.abs(y / HEIGHT - 0.5)  # a lamp above the middle
    scene = (np.array(belt.colour) + belt.relief * groove[..., None]) * light[..., None]
    rails = (y < RAIL) | (y >= HEIGHT - RAIL)
    return np.where(rails[..., None], RAIL_GRAY, scene).astype(np.float32)


def lay(scene: np.ndarray, image: np.ndarray, box: tuple[int, int, int, int], tint: np.ndarray) -> None:
    """Draw an item, gray [28,28], into a scene, float32 [H,W,3], over the box x, y, width, height, cut at the edges."""
    x, y, width, height = box
    left, right = max(x, 0), min(x + width, WIDTH)
    if left >= right:
        return
    large = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    large = large[:, left - x : right - x, None]
    cover = np.clip(large / SOLID_FROM, 0, 1)
    place = scene[y : y + height, left:right]
    place[...] = place * (1 - cover) + large * tint * cover
