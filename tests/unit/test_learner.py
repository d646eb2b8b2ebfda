"""The order of images, how processes share them, the learning rate, what a killed training leaves, and tracking."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import torch

from vision.batches import Plan, seed_step, share
from vision.data import LABELS, Split
from vision.distributed import World, join_world
from vision.errors import VisionError
from vision.learner import Learner, Settings, one_cycle, pixel_statistics
from vision.resume import load_state, save_state
from vision.tracking import track

torch.set_num_threads(1)  # more threads than idle cores only wait for each other

PLAN = Plan(images=107, batch_size=25, epochs=3, seed=7)
ALONE = World()


def test_every_epoch_sees_every_image_once() -> None:
    assert PLAN.steps_per_epoch == 5
    for epoch in range(3):
        seen = torch.cat([PLAN.batch(step) for step in range(5 * epoch, 5 * epoch + 5)])
        assert sorted(seen.tolist()) == list(range(107))


def test_epochs_and_seeds_differ_in_order() -> None:
    assert not torch.equal(PLAN.batch(0), PLAN.batch(5))
    assert not torch.equal(PLAN.batch(0), dataclasses.replace(PLAN, seed=8).batch(0))
    assert torch.equal(PLAN.batch(0), dataclasses.replace(PLAN, epochs=9).batch(0))


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("step", [0, 4])
def test_processes_share_a_global_batch_without_loss_or_repetition(size: int, step: int) -> None:
    parts = [share(PLAN.batch(step), World(rank, size)) for rank in range(size)]
    assert sorted(torch.cat(parts).tolist()) == sorted(PLAN.batch(step).tolist())
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_random_numbers_follow_from_step_and_process_alone() -> None:
    def draw(step: int, rank: int) -> float:
        torch.rand(rank + 3)  # whatever came before
        seed_step(7, step, World(rank, 2))
        return torch.rand(()).item()

    assert draw(3, 0) == draw(3, 0)
    assert len({draw(3, 0), draw(3, 1), draw(4, 0)}) == 3


def test_the_learning_rate_rises_to_its_peak_and_falls_to_almost_nothing() -> None:
    shares = [one_cycle(step, 1000) for step in range(1000)]
    assert max(shares) == pytest.approx(1.0)
    assert shares[0] == pytest.approx(0.1)
    assert shares[-1] < 0.002
    peak = shares.index(max(shares))
    assert shares[:peak] == sorted(shares[:peak])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)


def small_split(count: int = 90) -> Split:
    """Images whose class shows as a bright row."""
    labels = np.arange(count, dtype=np.int64) % len(LABELS)
    images = np.random.default_rng(1).integers(0, 90, (count, 28, 28), np.uint8)
    images[np.arange(count), 2 * labels + 3] = 255
    return Split(images, labels)


def small_settings(**changes: int | float | str) -> Settings:
    settings = Settings("cnn", width=8, epochs=2, batch_size=20, seed=3)
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


def test_pixel_statistics_are_those_of_the_pixels() -> None:
    split = small_split()
    assert pixel_statistics(split) == pytest.approx((split.images.mean(), split.images.std()))


def test_images_of_one_value_do_not_divide_by_zero() -> None:
    mean, std = pixel_statistics(Split(np.full((2, 28, 28), 9, np.uint8), np.zeros(2, np.int64)))
    assert (mean, std) == (9.0, 1.0)


def test_a_learner_restored_goes_on_as_if_nothing_had_happened() -> None:
    whole, first, second = (Learner(small_settings(), small_split(), ALONE) for _ in range(3))
    for step in range(8):
        whole.take_step(step)
    for step in range(4):
        first.take_step(step)
    second.restore(first.state())
    for step in range(4, 8):
        second.take_step(step)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, second.model.state_dict()[name]), name


def test_the_reported_loss_is_the_mean_over_the_images_seen() -> None:
    learner = Learner(small_settings(learning_rate=0.0, label_smoothing=0.0), small_split(), ALONE)
    seen = sum(learner.take_step(step) for step in range(5))
    split = small_split()
    frames = torch.from_numpy(np.repeat(split.images[..., None], 3, -1))
    expected = torch.nn.functional.cross_entropy(learner.model(frames), torch.from_numpy(split.labels))
    assert seen == 90
    assert learner.take_loss() / seen == pytest.approx(expected.item(), rel=1e-5)
    assert learner.take_loss() == 0.0


def gradient(learner: Learner) -> torch.Tensor:
    found = [parameter.grad for parameter in learner.model.parameters()]
    return torch.cat([part.flatten() for part in found if part is not None])


def test_an_image_in_a_smaller_last_batch_weighs_as_much_as_any_other() -> None:
    batches = Learner(small_settings(batch_size=80, learning_rate=0.0, gradient_norm=1e9), small_split(90), ALONE)
    total = torch.zeros(())
    for step in range(2):
        batches.take_step(step)
        total = total + gradient(batches)
    at_once = Learner(small_settings(batch_size=90, learning_rate=0.0, gradient_norm=1e9), small_split(90), ALONE)
    at_once.take_step(0)
    torch.testing.assert_close(total * 80, gradient(at_once) * 90, atol=1e-5, rtol=1e-4)


def test_a_gradient_that_is_too_long_is_cut() -> None:
    learner = Learner(small_settings(gradient_norm=0.01), small_split(), ALONE)
    learner.take_step(0)
    assert gradient(learner).norm().item() == pytest.approx(0.01, rel=1e-3)


@pytest.fixture
def state_folder(tmp_path: pathlib.Path) -> pathlib.Path:
    save_state(tmp_path, {"step": 3}, {"width": 8, "seed": 1, "data": "sha256:aa"})
    return tmp_path


def test_a_state_comes_back_to_the_training_that_wrote_it(state_folder: pathlib.Path) -> None:
    assert load_state(state_folder, {"width": 8, "seed": 1, "data": "sha256:aa"}, ALONE) == {"step": 3}
    assert load_state(state_folder / "new", {}, ALONE) is None


@pytest.mark.parametrize(
    "change, named", [({"width": 16}, "width 8, this run has 16"), ({"data": "sha256:bb"}, "data sha256:aa, this run")]
)
def test_a_state_of_another_training_is_refused_and_names_what_differs(
    state_folder: pathlib.Path, change: dict[str, object], named: str
) -> None:
    identity = {"width": 8, "seed": 1, "data": "sha256:aa"} | change
    with pytest.raises(VisionError, match=f"resume.pt: was written with {named}.*: give another --out"):
        load_state(state_folder, identity, ALONE)


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"{}"])
def test_a_damaged_state_is_named_and_never_used(state_folder: pathlib.Path, damage: Callable[[bytes], bytes]) -> None:
    path = state_folder / "resume.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(VisionError, match="resume.pt: is damaged .*: remove it"):
        load_state(state_folder, {}, ALONE)


@pytest.mark.parametrize("name, value", [("WORLD_SIZE", "two"), ("RANK", "-1")])
def test_a_variable_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(VisionError, match=f"environment variable {name}: should be a whole number"):
        with join_world():
            pass


def test_a_world_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(VisionError, match="MASTER_ADDR: is absent though WORLD_SIZE is 2: start with torchrun"):
        with join_world():
            pass


def test_a_tracking_server_that_fails_costs_one_warning_and_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    lines: list[str] = []
    with track({"width": 8}, ALONE, lines.append) as log:
        log({"loss": 1.0}, 1)
        log({"loss": 0.5}, 2)
    assert len(lines) == 1
    assert lines[0].startswith("warning: MLflow logging stopped")


def test_nothing_is_tracked_where_the_environment_names_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    lines: list[str] = []
    with track({}, ALONE, lines.append) as log:
        log({"loss": math.nan}, 1)
    assert lines == []
