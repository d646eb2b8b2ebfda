"""A trained model as two files: model.pt (weights) and model.json (what they are weights of, and their digest).

It knows nothing of training: what an interrupted training needs to go on is in vision.resume.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from modelpackage import digest_bytes
from vision.classifier import Classifier, make_classifier
from vision.errors import VisionError
from vision.files import read_json, write_bytes, write_json

WEIGHTS_FILE = "model.pt"
META_FILE = "model.json"


@dataclass(frozen=True)
class ModelMeta:
    """What weights are: `mean` and `std` are in units of pixel values, `labels` in order of the logits."""

    network: str
    width: int
    labels: tuple[str, ...]
    mean: float
    std: float
    epochs: int
    seed: int
    data_split_digest: str
    schema: int = 1


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, in eval mode on the CPU. `digest` is `sha256:<hex>` of model.pt."""

    model: Classifier
    meta: ModelMeta
    digest: str


def save(folder: Path, model: Classifier, meta: ModelMeta) -> str:
    """Write a model's two files, weights first, and return the checkpoint's digest. Equal weights give equal bytes."""
    stream = io.BytesIO()  # torch writes a file's own name into it: a stream has none
    torch.save({name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}, stream)
    digest = digest_bytes(stream.getvalue())
    write_bytes(folder / WEIGHTS_FILE, stream.getvalue())
    write_json(folder / META_FILE, {**asdict(meta), "checkpoint": digest})
    return digest


def load(folder: Path) -> Checkpoint:
    """Return the model of a checkpoint's folder.

    Raises VisionError, naming the file, where one is absent, malformed, or not the one that model.json names.
    """
    meta, expected = _read_meta(folder / META_FILE)
    content = _read_weights(folder / WEIGHTS_FILE, expected)
    model = make_classifier(meta.network, meta.width, len(meta.labels), meta.mean, meta.std)
    try:
        model.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise VisionError(f"{folder}: weights do not fit network '{meta.network}' ({reason}): train it again") from None
    return Checkpoint(model.eval(), meta, expected)


def _read_meta(path: Path) -> tuple[ModelMeta, str]:
    mapping: dict[str, Any] = read_json(path, "run vision.train first")
    try:
        expected = mapping.pop("checkpoint")
        meta = ModelMeta(**{**mapping, "labels": tuple(mapping["labels"])})
    except (KeyError, TypeError, AttributeError):
        known = ", ".join(field.name for field in fields(ModelMeta))
        raise VisionError(f"{path}: should hold checkpoint, {known} and no more: run vision.train again") from None
    if meta.schema != 1:
        raise VisionError(f"{path}: schema {meta.schema} is unknown, this program reads 1: run vision.train again")
    return meta, expected


def _read_weights(path: Path, expected: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise VisionError(f"{path}: cannot be read ({error.strerror}): run vision.train again") from None
    if digest_bytes(content) != expected:
        raise VisionError(f"{path}: is {digest_bytes(content)}, {META_FILE} says {expected}: run vision.train again")
    return content
