"""The sealed model packages that all servers are measured with: tiny, and mobilenetv2 in fp32 and int8.

Made once under .visionline/benchmarks/models from fixed seeds, made anew when a version in RECIPE changes. Peers read
the ONNX file out of the package; only our server reads the rest.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from benchmarks.serving.networks import mobilenet_v2, tiny
from benchmarks.serving.pictures import textured
from modelpackage import digest_bytes, package_digest, seal_package

RECIPE = f"2 onnxruntime {onnxruntime.__version__} numpy {np.__version__}"
CALIBRATION_FRAMES = 8


@dataclass(frozen=True)
class Package:
    """A sealed package. `side` is the height and width of the raw frames it is measured with."""

    name: str
    folder: Path
    side: int
    digest: str

    def file(self, variant: str) -> Path:
        """Return the ONNX file of a variant."""
        return self.folder / f"model_{variant}.onnx"

    def labels(self) -> list[str]:
        """Return the classes."""
        labels: list[str] = json.loads((self.folder / "labels.json").read_text(encoding="utf-8"))
        return labels


@dataclass(frozen=True)
class Recipe:
    """How a package is made: its network, classes, the side of its raw frames, and its variants."""

    network: Callable[[int], bytes]
    classes: int
    side: int
    variants: tuple[str, ...]


RECIPES = {
    "tiny": Recipe(tiny, 10, 28, ("fp32",)),
    "mobilenetv2": Recipe(mobilenet_v2, 1000, 224, ("fp32", "int8")),
}


def packages(home: Path) -> dict[str, Package]:
    """Return every package by name, made under `home` where it is not there yet."""
    return {name: _package(home / name, name, recipe) for name, recipe in RECIPES.items()}


def _package(folder: Path, name: str, recipe: Recipe) -> Package:
    made_by = folder / "recipe.txt"
    if not made_by.exists() or made_by.read_text(encoding="utf-8") != RECIPE:
        _make(folder, name, recipe)
    return Package(name, folder, recipe.side, package_digest(folder))


def _make(folder: Path, name: str, recipe: Recipe) -> None:
    building = folder.with_name(f".{name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    float_model = recipe.network(recipe.classes)
    (building / "model_fp32.onnx").write_bytes(float_model)
    if "int8" in recipe.variants:
        (building / "model_int8.onnx").write_bytes(_quantize(float_model, recipe.side))
    _write(building / "contract.json", _contract(recipe.classes))
    _write(building / "labels.json", [f"class-{index:03}" for index in range(recipe.classes)])
    (building / "recipe.txt").write_text(RECIPE, encoding="utf-8")
    seal_package(building, name, "0" * 40, "0" * 16, digest_bytes(float_model))
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _contract(classes: int) -> dict[str, Any]:
    given = {"name": "frames", "dtype": "UINT8", "layout": "NHWC", "channels": "RGB", "shape": [-1, -1, -1, 3]}
    answered = {"name": "logits", "dtype": "FP32", "shape": [-1, classes], "activation": "softmax"}
    return {"schema": 1, "input": given, "preprocessing": {"where": "inside the graph"}, "output": answered}


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


class _Frames(CalibrationDataReader):
    def __init__(self, side: int) -> None:
        self._feeds = self._iterate(side)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._feeds, None)

    @staticmethod
    def _iterate(side: int) -> Iterator[dict[str, NDArray[np.uint8]]]:
        for seed in range(CALIBRATION_FRAMES):
            yield {"frames": textured(side, side, seed)[None]}


def _quantize(float_model: bytes, side: int) -> bytes:
    """Return the static INT8 model: quantize-dequantize pairs around convolutions and the head, as vision.quantize."""
    logging.getLogger().setLevel(logging.ERROR)  # it advises a pre-processing that changes nothing here
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        given.write_bytes(float_model)
        quantize_static(
            given,
            made,
            _Frames(side),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        return made.read_bytes()
