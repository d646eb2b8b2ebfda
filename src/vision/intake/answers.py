"""Whether a model's output is a classifier's, and which of its outputs mean which label of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.errors import VisionError
from vision.intake.contract import Contract
from vision.intake.refusal import Refused
from vision.intake.signature import Signature

SUM_OF_PROBABILITIES = 1e-2  # how far from 1: float16, and networks that round


def check_classifier(signature: Signature, answers: Sequence[np.ndarray], contract: Contract) -> None:
    """Raise Refused where the outputs on some images are not one number for each of the contract's labels."""
    assert contract.output is not None
    if len(answers) != 1:
        shapes = ", ".join(
            f"{name} {list(one.shape[1:])}" for name, one in zip(signature.outputs, answers, strict=True)
        )
        way = "name under output.name the one that has a number a label, or serve it by a runtime for detectors"
        raise Refused(f"no classifier: it has {len(answers)} outputs ({shapes}), as detectors do: {way}")
    shape = answers[0].shape[1:]
    if sum(size > 1 for size in shape) > 1:
        way = "export it with its pooling and last layer, or serve it by a runtime for such models"
        raise Refused(f"no classifier: output {signature.outputs[0]} is a map {list(shape)} of a frame: {way}")
    count = int(np.prod(shape))
    if count != len(contract.labels):
        problem = f"the model answers {count} numbers a frame, the contract has {len(contract.labels)} labels"
        raise Refused(f"{problem}: give one label an output, in the model's order (a background class counts)")
    _check_kind(contract.output.kind, answers[0].reshape(len(answers[0]), -1))


def label_groups(contract: Contract, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return, for each label of the data, the outputs that mean it. Raises Refused where one has none or is unknown."""
    unknown = sorted(set(contract.mapping) - set(contract.labels))
    if unknown:
        raise VisionError(f"{contract.path}: mapping: '{unknown[0]}' is none of the labels: correct the name")
    meaning = {label: contract.mapping.get(label, None if contract.mapping else label) for label in contract.labels}
    strange = sorted({one for one in meaning.values() if one is not None} - set(names))
    if strange:
        known = ", ".join(names[:10])
        raise Refused(f"label '{strange[0]}' is unknown to the data ({known}): add it to the mapping, or to the data")
    groups = [tuple(index for index, one in enumerate(meaning.values()) if one == name) for name in names]
    for name, group in zip(names, groups, strict=True):
        if not group:
            raise Refused(
                f"the data's label '{name}' is none that the model answers: map one to it, or leave it out of the data"
            )
    return tuple(groups)


def _check_kind(kind: str, rows: np.ndarray) -> None:
    sums = rows.sum(axis=1)
    is_distribution = bool((rows >= -1e-6).all() and (np.abs(sums - 1) <= SUM_OF_PROBABILITIES).all())
    if kind == "probabilities" and not is_distribution:
        found = f"a row sums to {sums[0]:.4g}, its least is {rows.min():.4g}"
        raise Refused(
            f"the contract says probabilities, but {found}: say logits, or export it with a softmax at its end"
        )
    if kind == "logits" and is_distribution:
        raise Refused("the contract says logits, but each row is positive and sums to 1: say probabilities")
