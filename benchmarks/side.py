"""What `POST /score?side=N` costs in accuracy: labelled images as JPEGs of a camera's size, decoded whole and smaller.

Each test image is enlarged to SIZE, given a sensor's noise, and written as a JPEG. It is decoded as the server does
without and with `side`, scaled to the model's input inside a graph (ONNX Resize, linear, antialiased), and scored by
the package. Run after `make demo`:

    python -m benchmarks.side --out docs/benchmarks [--home .visionline/demo] [--images 10000]
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from modelpackage import package_digest
from mlops.loading import write_json, write_text
from serving.images import decode_image, decode_scaled
from serving.model import Model, load_model
from vision.data import read_raw

SIZE = 448
QUALITY = 90
NOISE = 8.0  # standard deviation of the sensor's noise, of 255
SIDES = (224, 112, 56, 28)
Pixels = NDArray[np.uint8]
Decode = Callable[[bytes], Pixels]


@dataclass(frozen=True)
class Figure:
    """One way of decoding: share of right labels, share of labels as of the whole decoding, processor time (ms)."""

    side: int
    decoded: int
    accuracy: float
    agreement: float
    decode_ms: float


def main() -> int:
    """Measure and write side.json and side.md."""
    options = _arguments()
    images, labels = _test_set(options.home)
    images, labels = images[: options.images], labels[: options.images]
    model = _served(options.home)
    figures = measure(_photographs(images), labels, model)
    content = {"images": len(images), "size": SIZE, "quality": QUALITY, "noise": NOISE, "variant": model.variant}
    write_json(options.out / "side.json", {**content, "figures": [asdict(figure) for figure in figures]})
    write_text(options.out / "side.md", page(len(images), figures))
    print(f"written: {options.out}/side.md")
    return 0


def measure(files: Iterable[bytes], labels: NDArray[np.int64], model: Model) -> list[Figure]:
    """Return the figures of each decoding, the whole one first, on JPEGs with the indices of their labels."""
    resize = _resizing()
    decodings = {0: decode_image, **{side: _scaled_to(side) for side in SIDES}}
    seen: dict[int, list[Answer]] = {side: [] for side in decodings}
    for content in files:
        for side, decode in decodings.items():
            seen[side].append(_answer(decode, content, resize, model))
    return [figure(side, seen, labels) for side in decodings]


def page(count: int, figures: list[Figure]) -> str:
    """Return the figures as a page."""
    rows = [
        f"| {figure.side or 'whole'} | {figure.decoded} | {figure.accuracy:.4f} | {figure.agreement:.4f} "
        f"| {figure.decode_ms:.2f} |"
        for figure in figures
    ]
    return "\n".join(
        (
            "# `POST /score?side=N`: what decoding smaller costs",
            "",
            f"{count} test images of Fashion-MNIST, enlarged to {SIZE}x{SIZE} pixels with a sensor's noise (standard",
            f"deviation {NOISE:g} of 255), as JPEGs of quality {QUALITY}; model input 28x28, INT8. Made by",
            "`python -m benchmarks.side` after `make demo`.",
            "",
            "| side | decoded to | accuracy | same label as whole | decoding, ms |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "These images have no detail finer than the model's input; where yours have, measure on them first.",
            "",
        )
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of side.json and side.md")
    parser.add_argument("--home", type=Path, default=Path(".visionline/demo"), help="state of a demo that was played")
    parser.add_argument("--images", type=int, default=10_000, help="how many")
    return parser.parse_args()


def _test_set(home: Path) -> tuple[Pixels, NDArray[np.int64]]:
    raw = next(path.parent for path in sorted(home.glob("data/*/*/t10k-images-idx3-ubyte")))
    _, test = read_raw(raw)
    return test.images, test.labels


def _served(home: Path) -> Model:
    folder = max((path.parent for path in home.glob("packages/*/*/release.json")), key=lambda path: int(path.name))
    return load_model(folder, package_digest(folder), "int8")


def _photographs(images: Pixels) -> Iterator[bytes]:
    random = np.random.default_rng(7)
    for image in images:
        large = np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float32)
        noisy = np.clip(large[..., None] + random.normal(0, NOISE, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=QUALITY)
        yield file.getvalue()


def _scaled_to(side: int) -> Decode:
    return lambda content: decode_scaled(content, side)


@dataclass(frozen=True)
class Answer:
    """The label's index, the side of the decoded frame, and the processor's seconds for its decoding."""

    label: int
    decoded: int
    seconds: float


def _answer(decode: Decode, content: bytes, resize: onnxruntime.InferenceSession, model: Model) -> Answer:
    started = time.process_time()
    frame = decode(content)
    seconds = time.process_time() - started
    small = resize.run(None, {"frames": frame[None]})[0]
    return Answer(int(model.predict(small).logits.argmax()), frame.shape[0], seconds)


def _resizing() -> onnxruntime.InferenceSession:
    """Return a graph from uint8 [1, height, width, 3] to uint8 [1, 28, 28, 3]."""
    nodes = [
        helper.make_node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Resize", ["planes", "", "", "sizes"], ["small"], mode="linear", antialias=1),
        helper.make_node("Round", ["small"], ["whole"]),
        helper.make_node("Transpose", ["whole"], ["rows"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["rows"], ["out"], to=TensorProto.UINT8),
    ]
    given = helper.make_tensor_value_info("frames", TensorProto.UINT8, [1, "height", "width", 3])
    out = helper.make_tensor_value_info("out", TensorProto.UINT8, [1, 28, 28, 3])
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 3, 28, 28])
    graph = helper.make_graph(nodes, "resize", [given], [out], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def figure(side: int, seen: Mapping[int, Sequence[Answer]], labels: NDArray[np.int64]) -> Figure:
    """Return the figures of one side (0: whole) from all answers, of the whole decoding among them."""
    own = np.array([answer.label for answer in seen[side]])
    whole = np.array([answer.label for answer in seen[0]])
    milliseconds = 1000 * sum(answer.seconds for answer in seen[side]) / len(own)
    right, same = float((own == labels).mean()), float((own == whole).mean())
    return Figure(side, seen[side][0].decoded, right, same, milliseconds)


if __name__ == "__main__":
    raise SystemExit(main())
