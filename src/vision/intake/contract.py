"""The contract file: what a foreign model expects, what it answers, and what its labels are called here.

    labels: [cat, dog, lorry]           # in the order of the outputs; or a text file beside this one, a label a line
    mapping: {lorry: truck}             # its labels -> the data's; those left out are not answered; none: equal names
    input: {layout: NCHW, channels: BGR, size: [224, 224], mean: [104, 117, 123], std: 1}
    output: {kind: probabilities}       # or logits; and `name`, where there are several outputs
    data: {name: pets, folder: images}  # to evaluate on: for `python -m mlops intake`, not read here

`size` is height and width; the graph is given (pixel - mean) / std of pixels 0..255, a number or one a channel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vision.errors import VisionError

CHANNELS = {"RGB": 3, "BGR": 3, "GRAY": 1}
LAYOUTS = ("NCHW", "NHWC")
KINDS = ("logits", "probabilities")
LARGEST_SIDE = 4096
LARGEST_FILE = 1 << 20  # bytes of a contract or a list of labels
KEYS = ("labels", "mapping", "input", "output", "data")


@dataclass(frozen=True)
class Input:
    """What the model is given: (pixel - mean) / std, one mean and std a channel, of a frame resized to `size`."""

    layout: str
    channels: str
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Output:
    """What it answers: logits or probabilities. `name` of None: there is one output only."""

    kind: str
    name: str | None


@dataclass(frozen=True)
class Contract:
    """A contract file's content. A checkpoint of our own knows its input and output itself: there both are None."""

    path: Path
    labels: tuple[str, ...]
    mapping: Mapping[str, str]
    input: Input | None
    output: Output | None


def read_contract(path: Path) -> Contract:
    """Return a contract file's content. Raises VisionError with the file and the key of whatever is wrong."""
    content = _section(_load(path), KEYS, str(path))
    labels = _labels(content.get("labels"), path)
    mapping = content.get("mapping") or {}
    if not isinstance(mapping, dict) or not all(isinstance(one, str) for pair in mapping.items() for one in pair):
        raise VisionError(f"{path}: mapping: should be pairs of names, as `lorry: truck`: quote numbers, yes and no")
    if not all(one.isprintable() for pair in mapping.items() for one in pair):
        raise VisionError(f"{path}: mapping: a name holds a line break or a like sign: write it as the labels are")
    given, answered = content.get("input"), content.get("output")
    return Contract(
        path,
        labels,
        mapping,
        None if given is None else _input(given, f"{path}: input"),
        None if answered is None else _output(answered, f"{path}: output"),
    )


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that there is not
        raise VisionError(f"{path}: is not YAML ({' '.join(str(error).split())}): see docs/intake.md") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise VisionError(f"{path}: is larger than {LARGEST_FILE} bytes: name the file that is meant")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VisionError(f"{path}: cannot be read ({error.strerror}): write it as docs/intake.md says") from None
    except UnicodeDecodeError:
        raise VisionError(f"{path}: is not text in UTF-8: name the file that is meant") from None


def _labels(value: Any, path: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        path = path.parent / value
        value = [line.strip() for line in _text(path).splitlines() if line.strip()]
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise VisionError(f"{path}: labels: should be a list of names or a file's: quote numbers, yes and no")
    broken = [one for one in value if not one.isprintable()]
    if broken:
        raise VisionError(f"{path}: labels: {broken[0]!r} holds a line break or a like sign: write a name without it")
    repeated = [one for one, count in Counter(value).items() if count > 1]
    if repeated or len(value) < 2:
        problem = f"'{repeated[0]}' is there twice" if repeated else "a classifier has two or more"
        raise VisionError(f"{path}: labels: {problem}: give each output a name of its own, in the model's order")
    return tuple(value)


def _input(value: Any, where: str) -> Input:
    known = ("layout", "channels", "size", "mean", "std")
    content = _section(value, known, where, known)
    channels = _choice(content, "channels", tuple(CHANNELS), where)
    size = content["size"]
    if not isinstance(size, list) or len(size) != 2 or not all(_is_side(side) for side in size):
        raise VisionError(f"{where}: size: should be [height, width] in pixels, 1 to {LARGEST_SIDE}, is {size!r}")
    mean, std = (_per_channel(content[key], CHANNELS[channels], f"{where}: {key}") for key in ("mean", "std"))
    if 0.0 in std:
        raise VisionError(f"{where}: std: 0 divides nothing: use 1 where pixels are not scaled")
    return Input(_choice(content, "layout", LAYOUTS, where), channels, (size[0], size[1]), mean, std)


def _output(value: Any, where: str) -> Output:
    content = _section(value, ("kind", "name"), where, ("kind",))
    name = content.get("name")
    return Output(_choice(content, "kind", KINDS, where), None if name is None else str(name))


def _section(value: Any, known: tuple[str, ...], where: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise VisionError(f"{where}: should be a mapping of {', '.join(known)}, is {type(value).__name__}")
    unknown = sorted(set(map(str, value)) - set(known))
    missing = [key for key in needed if key not in value]
    if unknown or missing:
        problem = f"unknown key '{unknown[0]}'" if unknown else f"{missing[0]} is missing"
        raise VisionError(f"{where}: {problem}: known keys are {', '.join(known)}")
    return value


def _choice(content: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str:
    if content[key] not in known:
        raise VisionError(f"{where}: {key}: {content[key]!r} is unknown: use one of {', '.join(known)}")
    return str(content[key])


def _per_channel(value: Any, channels: int, where: str) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value] * channels
    if len(values) != channels or not all(_is_number(one) for one in values):
        raise VisionError(f"{where}: should be a number of pixel units, 0..255, or a list of {channels}, is {value!r}")
    return tuple(float(one) for one in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIDE
