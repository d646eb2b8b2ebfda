"""The model's parts: preprocessing, the networks, checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vision import checkpoint
from vision.checkpoint import ModelMeta
from vision.classifier import Classifier, make_classifier
from vision.data import LABELS
from vision.errors import VisionError
from vision.network import NETWORKS
from vision.frames import to_frames
from vision.preprocess import Preprocess

torch.set_num_threads(1)  # more threads than idle cores only wait for each other

META = ModelMeta("cnn", 8, LABELS, 72.9, 90.0, epochs=3, seed=7, data_split_digest="sha256:00")


def random_frames(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def small_model(seed: int = 1) -> Classifier:
    torch.manual_seed(seed)
    return make_classifier("cnn", 8, len(LABELS), META.mean, META.std).eval()


def test_gray_images_of_the_networks_size_are_normalised_and_nothing_else() -> None:
    images = random_frames(3, 28, 28)
    frames = torch.from_numpy(to_frames(images.numpy()))
    expected = (images.float() - 72.9) / 90.0
    torch.testing.assert_close(Preprocess(72.9, 90.0)(frames)[:, 0], expected)


@pytest.mark.parametrize("height, width", [(56, 56), (100, 77), (20, 31), (28, 40)])
def test_frames_of_any_size_become_28_by_28_of_the_same_brightness(height: int, width: int) -> None:
    frames = torch.full((2, height, width, 3), 130, dtype=torch.uint8)
    images = Preprocess(mean=100.0, std=10.0)(frames)
    torch.testing.assert_close(images, torch.full((2, 1, 28, 28), 3.0), atol=1e-4, rtol=0)


def test_detail_finer_than_a_pixel_of_the_network_becomes_its_mean_and_no_pattern() -> None:
    frames = torch.zeros(1, 112, 112, 3, dtype=torch.uint8)
    frames[:, :, ::4] = 200  # every fourth column
    images = Preprocess(mean=0.0, std=1.0)(frames)[:, 0, :, 2:-2]
    torch.testing.assert_close(images, torch.full_like(images, 50.0), atol=1.0, rtol=0)


def test_channels_are_taken_in_rgb_order() -> None:
    frames = torch.zeros(3, 28, 28, 3, dtype=torch.uint8)
    for channel in range(3):
        frames[channel, ..., channel] = 200
    gray = Preprocess(mean=0.0, std=1.0)(frames)[:, 0, 0, 0]
    torch.testing.assert_close(gray, torch.tensor([59.8, 117.4, 22.8]))


def test_a_camera_gives_gray_images_as_three_equal_channels() -> None:
    images = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    frames = to_frames(images)
    assert frames.shape == (2, 4, 5, 3)
    assert all((frames[..., channel] == images).all() for channel in range(3))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_each_network_gives_logits_for_any_batch(name: str, count: int) -> None:
    logits = NETWORKS[name](16, 7)(torch.randn(count, 1, 28, 28))
    assert logits.shape == (count, 7)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_network_says_of_an_image_does_not_depend_on_the_batch(name: str) -> None:
    network = NETWORKS[name](16, 10).train()
    images = torch.randn(6, 1, 28, 28)
    torch.testing.assert_close(network(images)[:2], network(images[:2]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_can_learn_a_few_images_by_heart(name: str) -> None:
    torch.manual_seed(3)
    network, images, labels = NETWORKS[name](16, 10), torch.randn(10, 1, 28, 28), torch.arange(10)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    assert (network(images).argmax(dim=1) == labels).all()


def test_an_unknown_network_is_refused_with_those_known() -> None:
    with pytest.raises(VisionError, match="--network resnet: unknown network: use one of cnn, vit"):
        make_classifier("resnet", 8, 10, 0.0, 1.0)


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    model, frames = small_model(), random_frames(4, 30, 20, 3)
    digest = checkpoint.save(tmp_path, model, META)
    loaded = checkpoint.load(tmp_path)
    assert (loaded.meta, loaded.digest) == (META, digest)
    assert not loaded.model.training
    assert torch.equal(loaded.model(frames), model(frames))


def test_equal_weights_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    one, two, other = (checkpoint.save(tmp_path / str(seed), small_model(seed), META) for seed in (1, 1, 2))
    assert one == two != other


def test_cut_weights_are_named_and_never_used(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, small_model(), META)
    path = tmp_path / "model.pt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VisionError, match="model.pt: is sha256:.* model.json says sha256:"):
        checkpoint.load(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, small_model(), replace(META, width=16))
    with pytest.raises(VisionError, match="weights do not fit network 'cnn'"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("change", [{"colour": "red"}, {"schema": 2}, {"labels": None}])
def test_a_description_that_is_not_understood_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    checkpoint.save(tmp_path, small_model(), META)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(VisionError, match="model.json: .* run vision.train again"):
        checkpoint.load(tmp_path)


def test_an_absent_checkpoint_says_which_step_writes_it(tmp_path: Path) -> None:
    with pytest.raises(VisionError, match="model.json: cannot be read .*: run vision.train first"):
        checkpoint.load(tmp_path)
