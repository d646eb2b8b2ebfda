"""What is measured and what should come out: one table. Ratios are of bare ONNX Runtime in the same round."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A model, a payload and a number of clients.

    `least` is our smallest share of bare, `ahead` our smallest multiple of the best peer's rate (None: not asked for),
    `cpu` the most processor time a request in multiples of bare's an image (None: not asked for).
    """

    name: str
    package: str
    kind: str
    clients: int
    least: float
    ahead: float | None = None
    cpu: float | None = None
    variant: str = "fp32"


CELLS = (
    Cell("tiny-raw-1", "tiny", "raw", 1, 0.50, ahead=1.25),
    Cell("tiny-raw-8", "tiny", "raw", 8, 0.70, ahead=1.25),
    Cell("tiny-raw-32", "tiny", "raw", 32, 0.80, ahead=1.25),
    Cell("tiny-jpeg-1", "tiny", "jpeg", 1, 0.95, ahead=1.0),
    Cell("tiny-jpeg-8", "tiny", "jpeg", 8, 1.0, ahead=1.0),
    Cell("tiny-jpeg-32", "tiny", "jpeg", 32, 1.0, ahead=1.0),
    Cell("mobilenetv2-raw-8", "mobilenetv2", "raw", 8, 0.95, cpu=1.05),
    Cell("mobilenetv2-jpeg-8", "mobilenetv2", "jpeg", 8, 0.95, cpu=1.05),
)
INT8, MEMORY, STREAMS, OVERLOAD, GENERATOR = "int8", "memory", "streams", "overload", "generator"
EXTRAS = (INT8, MEMORY, OVERLOAD, STREAMS, GENERATOR)
NAMES = (*(cell.name for cell in CELLS), *EXTRAS)
INT8_CELLS = tuple(Cell(f"int8-{kind}", "mobilenetv2", "raw", 8, 0.0, variant=kind) for kind in ("fp32", "int8"))
INT8_WITHIN = 0.10
STREAM_COUNTS, STREAM_RATE, STREAM_LEAST = (1, 8, 32), 25, 0.85
OVERLOAD_FACTOR, GOODPUT_LEAST = 3.0, 0.9
