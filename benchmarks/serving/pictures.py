"""What is sent: raw frames and a JPEG file whose content and size are those of a camera's picture. Made from a seed."""

from __future__ import annotations

import numpy as np
import simplejpeg
from numpy.typing import NDArray

JPEG_HEIGHT, JPEG_WIDTH, JPEG_QUALITY = 480, 640, 85
FALL = 1.25  # a lens and a sensor blur a little on top of the 1.0 to 1.2 of scenes


def textured(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return a frame, uint8 RGB [height, width, 3], with the spectrum of natural pictures.

    Amplitude falls with a power of frequency near 1 (Field 1987, doi:10.1364/JOSAA.4.002379): so a decoder finds coarse
    and fine detail in the shares that it finds in photographs, unlike in noise or in one colour.
    """
    random = np.random.default_rng(seed)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    falling = np.maximum(np.hypot(down, across), 1 / max(height, width)) ** -FALL
    planes = [_plane(random, falling, (height, width)) for _ in range(3)]
    gray = planes[0]
    # Colours of a scene lie close to its grays: two thirds of each channel are shared.
    mixed = np.stack([2 * gray + plane for plane in planes], axis=-1)
    return np.clip(128 + 50 * mixed / mixed.std(), 0, 255).astype(np.uint8)


def jpeg_picture(seed: int = 0) -> bytes:
    """Return a JPEG file of 640x480, with chroma at half size, as cameras write it."""
    frame = textured(JPEG_HEIGHT, JPEG_WIDTH, seed)
    return simplejpeg.encode_jpeg(frame, quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="420")


def raw_frame(side: int, seed: int = 0) -> bytes:
    """Return the bytes of one frame, uint8 RGB [side, side, 3]."""
    return textured(side, side, seed).tobytes()


def _plane(random: np.random.Generator, falling: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    phases = np.exp(2j * np.pi * random.random(falling.shape))
    plane = np.fft.irfft2(falling * phases, s=shape)
    return (plane - plane.mean()) / plane.std()
