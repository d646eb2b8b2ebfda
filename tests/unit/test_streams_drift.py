"""Drift is told when frames are darker, blurred or of other classes than the reference, and not when they are alike."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import numpy as np
import pytest

from serving.streams import drift
from serving.streams.drift import Drift, stability_index
from vision import reference as training
from vision.data import LABELS, Split

CHANCE = np.random.default_rng(3)
COUNT = 6000
FRAMES = 400
CHANGED, ALIKE = 0.2, 0.1


def pictures(count: int) -> np.ndarray:
    """Return gray pictures, uint8 [count,28,28]: patches of chance brightness and contrast, half of them smooth."""
    coarse = CHANCE.uniform(0, 1, (count, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    fine = CHANCE.uniform(0, 1, (count, 28, 28)) * CHANCE.uniform(0, 0.5, (count, 1, 1))
    level, spread = CHANCE.uniform(20, 110, (count, 1, 1)), CHANCE.uniform(20, 120, (count, 1, 1))
    return np.clip(level + spread * (coarse + fine) / 1.5, 0, 255).astype(np.uint8)


def said(count: int) -> np.ndarray:
    """Return logits [count,10] of a model that is sure now and then; each class is as frequent."""
    logits = CHANCE.normal(0, 1, (count, len(LABELS)))
    logits[np.arange(count), CHANCE.integers(0, len(LABELS), count)] += CHANCE.uniform(2, 12, count)
    return logits.astype(np.float32)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return their softmax."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def reference() -> dict:
    """Return what reference.json holds of such pictures, as it is read from the file."""
    split = Split(pictures(COUNT), CHANCE.integers(0, len(LABELS), COUNT))
    return json.loads(json.dumps(training.reference(split, probabilities(said(COUNT))), sort_keys=True))


def colour(gray: np.ndarray) -> np.ndarray:
    """Return a gray picture as RGB."""
    return np.repeat(gray[..., None], 3, axis=-1)


def told(reference: dict, frames: np.ndarray, logits: np.ndarray) -> dict:
    """Return the summary of one stream of gray frames."""
    watch = Drift(reference, LABELS)
    for frame, row in zip(frames, logits, strict=True):
        watch.update("gate-1", colour(frame), row)
    (summary,) = watch.summary()
    return summary


def indices(summary: dict) -> dict[str, float]:
    """Return the stability index of each quantity."""
    return {name.removesuffix("_psi"): value for name, value in summary.items() if name.endswith("_psi")}


def darker(frames: np.ndarray) -> np.ndarray:
    """Return the frames as at dusk."""
    return (frames * 0.5).astype(np.uint8)


def blurred(frames: np.ndarray) -> np.ndarray:
    """Return the frames as through a dirty lens: each pixel the mean of nine."""
    moved = [np.roll(frames.astype(float), (down, right), (1, 2)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return np.mean(moved, axis=0).astype(np.uint8)


def faded(frames: np.ndarray) -> np.ndarray:
    """Return the frames as through fog."""
    return (frames * 0.3 + 90).astype(np.uint8)


def test_frames_like_the_reference_show_no_drift(reference: dict) -> None:
    summary = told(reference, pictures(FRAMES), said(FRAMES))
    assert set(indices(summary)) == {"brightness", "contrast", "sharpness", "confidence", "classes"}
    assert max(indices(summary).values()) < ALIKE
    assert max(abs(value) for name, value in summary.items() if name.endswith("_z")) < 0.3
    assert summary["frames"] == FRAMES and summary["seconds"] >= 0


@pytest.mark.parametrize(("change", "quantity"), [(darker, "brightness"), (blurred, "sharpness"), (faded, "contrast")])
def test_other_light_or_optics_show(reference: dict, change: Callable, quantity: str) -> None:
    summary = told(reference, change(pictures(FRAMES)), said(FRAMES))
    assert summary[f"{quantity}_psi"] > CHANGED
    assert summary[f"{quantity}_z"] < -0.5
    assert max(summary["classes_psi"], summary["confidence_psi"]) < ALIKE


def test_other_classes_show(reference: dict) -> None:
    logits = said(FRAMES)
    logits[: FRAMES // 2, 3] += 20
    assert told(reference, pictures(FRAMES), logits)["classes_psi"] > CHANGED


def test_a_model_that_is_less_sure_shows(reference: dict) -> None:
    summary = told(reference, pictures(FRAMES), said(FRAMES) * 0.4)
    assert summary["confidence_psi"] > CHANGED and summary["confidence_z"] < -0.5


def test_larger_frames_are_looked_at_as_small_ones(reference: dict) -> None:
    frames, logits = pictures(FRAMES), said(FRAMES)
    large = frames.repeat(10, axis=1).repeat(16, axis=2)
    assert indices(told(reference, large, logits)) == pytest.approx(indices(told(reference, frames, logits)), abs=0.01)


def test_chance_in_few_frames_is_no_drift(reference: dict) -> None:
    few = [indices(told(reference, pictures(40), said(40)))["brightness"] for _ in range(30)]
    assert float(np.mean(few)) < ALIKE / 2


def test_each_stream_is_summed_up_by_itself_and_anew(reference: dict) -> None:
    watch = Drift(reference, LABELS)
    for frame, row in zip(pictures(FRAMES), said(FRAMES), strict=True):
        watch.update("day", colour(frame), row)
        watch.update("night", colour(darker(frame)), row)
    day, night = watch.summary()
    assert (day["stream"], night["stream"]) == ("day", "night")
    assert day["brightness_psi"] < ALIKE < CHANGED < night["brightness_psi"]
    assert watch.summary() == []


def test_a_stream_with_few_frames_waits_until_it_has_more(reference: dict) -> None:
    watch, frame, row = Drift(reference, LABELS), colour(pictures(1)[0]), said(1)[0]
    for _ in range(drift.LEAST_FRAMES - 1):
        watch.update("slow", frame, row)
    assert watch.summary() == []
    watch.update("slow", frame, row)
    assert [summary["frames"] for summary in watch.summary()] == [drift.LEAST_FRAMES]


def test_all_but_the_name_are_numbers(reference: dict) -> None:
    summary = told(reference, pictures(FRAMES), said(FRAMES))
    assert summary.pop("stream") == "gate-1"
    assert {type(value) for value in summary.values()} <= {int, float}
    assert all(np.isfinite(value) for value in summary.values())


@pytest.mark.parametrize("lacking", ["brightness", "sharpness", "thumbnail", "classes", "confidence"])
def test_what_a_reference_lacks_is_not_looked_at(reference: dict, lacking: str) -> None:
    summary = told({k: v for k, v in reference.items() if k != lacking}, pictures(FRAMES), said(FRAMES))
    gone = set(drift.LOOKS) if lacking == "thumbnail" else {lacking}
    assert set(indices(summary)) == {*drift.LOOKS, "confidence", "classes"} - gone


def test_a_reference_without_anything_is_no_error() -> None:
    assert indices(told({}, pictures(FRAMES), said(FRAMES))) == {}


def test_labels_are_matched_by_name_not_by_order(reference: dict) -> None:
    rare = {**reference, "classes": {**dict.fromkeys(reversed(LABELS), 0.0), LABELS[0]: 1.0}}
    logits = said(FRAMES)
    logits[:, 0] += 50
    assert told(rare, pictures(FRAMES), logits)["classes_psi"] < ALIKE


def test_a_confidence_that_is_nearly_always_one_is_no_drift() -> None:
    scores = np.where(CHANCE.uniform(size=COUNT) < 0.6, 1.0, CHANCE.uniform(0.9, 1.0, COUNT))
    bins = drift.read_bins(json.loads(json.dumps(training.distribution(scores))))
    assert bins is not None and len(bins.edges) < len(training.QUANTILES)
    assert drift.compare(bins, list(scores[:FRAMES]))["psi"] < ALIKE
    assert drift.compare(bins, [0.95] * FRAMES)["psi"] > CHANGED


def test_a_bin_that_nothing_is_in_is_finite() -> None:
    assert 0 < stability_index(np.array([0.0, 1.0]), np.array([40, 0])) < 20


@pytest.mark.parametrize("size", [(28, 28), (64, 64), (480, 640), (33, 29), (7, 200)])
def test_serving_and_training_look_at_a_picture_by_the_same_formulas(size: tuple[int, int]) -> None:
    images = CHANCE.integers(0, 256, (5, *size), np.uint8)
    side = min(training.THUMBNAIL, *size)
    small = training.thumbnails(images, side)
    for index, image in enumerate(images):
        thumbnail = drift.thumbnail(colour(image), side)
        np.testing.assert_allclose(thumbnail, small[index], rtol=1e-5)
        np.testing.assert_allclose(drift.looks(thumbnail), training.looks(small)[:, index], rtol=1e-4)


def test_several_threads_may_update(reference: dict) -> None:
    watch, frames, logits = Drift(reference, LABELS), pictures(50), said(50)

    def work() -> None:
        for frame, row in zip(frames, logits, strict=True):
            watch.update("gate-1", colour(frame), row)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (summary,) = watch.summary()
    assert summary["frames"] == 200
