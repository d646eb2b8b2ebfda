"""Compares what a stream shows, and what the model says of it, with the package's reference.json. Numbers only.

Looked at are brightness, contrast and sharpness of a small gray picture of the frame, the confidence, and the shares of
the classes. A window's distribution is compared by the population stability index (PSI: below 0.1 nothing has changed,
above 0.2 something has), less what chance alone adds to it in so few frames; and its mean by how many of the
reference's standard deviations it lies off. vision.reference makes the reference by the same formulas.

Source: B. Yurdakul, J. Naranjo, "Statistical properties of the population stability index" (2020), for the PSI's mean
under no change, (bins - 1) / n.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 2  # pixels across that one pixel of a thumbnail is the mean of
LEAST_FRAMES = 30  # fewer say nothing: they are kept for the next summary
LEAST_SHARE = 1e-4  # of a bin that the reference has nothing in
LOOKS = ("brightness", "contrast", "sharpness")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """One quantity's distribution in the reference: its bins' inner edges, the share of each bin, mean and std."""

    edges: Floats
    shares: Floats
    mean: float
    std: float


@dataclass
class _Window:
    since: float
    values: dict[str, list[float]] = field(default_factory=dict)
    classes: list[int] = field(default_factory=list)


class Drift:
    """What is seen of each stream, beside the reference. Any thread may call it."""

    def __init__(self, reference: Mapping[str, Any], labels: Sequence[str]) -> None:
        """Take the reference, and the labels in the order of the logits. What a reference lacks is not looked at."""
        self._bins = {name: bins for name in (*LOOKS, "confidence") if (bins := read_bins(reference.get(name)))}
        self._side = int(reference["thumbnail"]) if "thumbnail" in reference else None
        shares = reference.get("classes", {})
        self._shares = np.array([shares.get(label, 0.0) for label in labels]) if shares else None
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def update(self, stream: str, frame: NDArray[np.uint8], logits: NDArray[np.float32]) -> None:
        """Take in a frame, uint8 RGB [height, width, 3], and its logits [classes]."""
        values = {} if self._side is None else dict(zip(LOOKS, looks(thumbnail(frame, self._side)), strict=True))
        values["confidence"] = float(1 / np.exp(logits - logits.max()).sum())
        with self._lock:
            window = self._windows.setdefault(stream, _Window(time.time()))
            for name in self._bins.keys() & values:
                window.values.setdefault(name, []).append(values[name])
            window.classes.append(int(logits.argmax()))

    def summary(self) -> list[dict[str, Any]]:
        """Return each stream's drift since its last summary, and begin anew; a stream with few frames waits.

        Beside the stream's name, numbers only: time (seconds since 1970), seconds, frames; of each quantity NAME_mean,
        NAME_psi and, where the reference varies, NAME_z; and classes_psi.
        """
        now = time.time()
        with self._lock:
            ready = {name: one for name, one in self._windows.items() if len(one.classes) >= LEAST_FRAMES}
            for name in ready:
                del self._windows[name]
        return [{"stream": name, "time": now, **self._compare(window, now)} for name, window in ready.items()]

    def _compare(self, window: _Window, now: float) -> dict[str, float]:
        told: dict[str, float] = {"seconds": round(now - window.since, 3), "frames": len(window.classes)}
        for name, values in window.values.items():
            told |= {f"{name}_{key}": round(value, 4) for key, value in compare(self._bins[name], values).items()}
        if self._shares is not None:
            counts = np.bincount(window.classes, minlength=len(self._shares))
            told["classes_psi"] = round(stability_index(self._shares, counts), 4)
        return told


def read_bins(told: Mapping[str, Any] | None) -> Bins | None:
    """Return the bins that a distribution of reference.json describes, None where it describes none."""
    if told is None or "shares" not in told:
        return None
    edges = sorted(set(told["quantiles"].values()))
    return Bins(np.array(edges), np.array(told["shares"]), float(told["mean"]), float(told["std"]))


def compare(bins: Bins, values: Sequence[float]) -> dict[str, float]:
    """Return the mean of the values, their stability index, and how many standard deviations the mean lies off."""
    counts = np.bincount(np.searchsorted(bins.edges, values, side="right"), minlength=len(bins.shares))
    mean = float(np.mean(values))
    off = {"z": (mean - bins.mean) / bins.std} if bins.std > 0 else {}
    return {"mean": mean, "psi": stability_index(bins.shares, counts), **off}


def stability_index(shares: Floats, counts: NDArray[np.int64]) -> float:
    """Return the PSI of counts [bins] against the shares expected [bins], less what chance adds; at least 0."""
    total = counts.sum()
    seen = (counts + 0.5) / (total + 0.5 * len(counts))
    expected = np.maximum(shares, LEAST_SHARE)
    index = float(((seen - expected) * np.log(seen / expected)).sum())
    return max(0.0, index - (len(counts) - 1) / float(total))


def thumbnail(frame: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return a frame, uint8 RGB [height, width, 3], as gray float32 [side, side]; the pixels are sampled."""
    sampled = frame.take(samples(frame.shape[0], side), 0).take(samples(frame.shape[1], side), 1)
    cells = sampled.reshape(side, SAMPLES, side, SAMPLES * 3).astype(np.float32)
    return cells.sum(axis=1) @ np.full(SAMPLES * 3, 1 / (SAMPLES * SAMPLES * 3), np.float32)


@lru_cache(maxsize=64)
def samples(length: int, side: int) -> NDArray[np.int64]:
    """Return which of `length` pixels are looked at for a thumbnail of `side`, int64 [side * SAMPLES]."""
    return (np.arange(side * SAMPLES) * 2 + 1) * length // (2 * side * SAMPLES)


def looks(image: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return brightness (mean), contrast (standard deviation) and sharpness (variance of the Laplacian).

    The image is gray, float32 [height, width].
    """
    around = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    (brightness, variance), (_, sharpness) = moments(image), moments(around - 4 * image[1:-1, 1:-1])
    return brightness, variance**0.5, sharpness


def moments(image: NDArray[np.float32]) -> tuple[float, float]:
    """Return mean and variance; for small images this takes a third of the time of numpy's own."""
    mean = image.mean()
    rest = (image - mean).ravel()
    return float(mean), float(rest.dot(rest)) / rest.size
