"""The page and the picture of the bytes that a site pulls. Values in, Markdown and SVG out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

WAYS = ("two images", "one image, with care", "one image, as usual")
EVENTS = {"model": "a new model", "code": "new code", "both": "both", "none": "nothing, built again"}
LEFT, TOP, ROW, BAR, WIDTH, RIGHT = 264.0, 34.0, 17.0, 11.0, 420.0, 70.0
LEAST = 1e3  # bytes at the left end of the scale, which is logarithmic
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f } .head { font-weight: 600 } .small { fill: #57606a }
.two { fill: #0969da } .care { fill: #afb8c1 } .usual { fill: #d4a72c }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 }
  .two { fill: #4493f8 } .care { fill: #59636e } .usual { fill: #9e6a03 }
}
"""
PAGE = """# What a site pulls

Made by `make benchmark-images`: real images, the compressed bytes of the blobs that a site does not have. `one image,
with care` has the same layers in the same order, without times; `as usual` is the same Dockerfile, built by an agent
that has no cache, as those of CI are, with the times of its build.

![bytes by what has changed](images.svg)

{table}

The runtime's layers: {layers}. Built by {built}.

What follows: layers that come out the same are what makes a change cheap, and one image made with that care pulls as
little; its model is smaller by what gzip saves, which the model's own image leaves, so that its digest depends on no
compressor. Two images keep apart what changes apart: a model is released without a builder, and the runtime keeps the
digest that was tested. What is kept from a new agent's clock are 96 MB a site.
"""
CLASSES = dict(zip(WAYS, ("two", "care", "usual"), strict=True))


def megabytes(size: int) -> str:
    """Return bytes as a reader takes them in: MB with two digits that count, kB below 0.1 MB."""
    if size == 0:
        return "0"
    if size < 1e5:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.2f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


def page(results: Mapping[str, Any]) -> str:
    """Return the page."""
    pulled, facts, sizes = results["bytes"], results["facts"], results["layers"]
    names = ("base", "packages", "modelpackage", "serving")
    head = f"| a site pulls for | {' | '.join(WAYS)} |\n|---|{'---:|' * len(WAYS)}"
    rows = [_row(said, [pulled[way][event] for way in WAYS]) for event, said in EVENTS.items()]
    first = _row("the first time", [pulled[way]["first"] for way in WAYS])
    told = ", ".join(f"{name} {megabytes(size)}" for name, size in zip(names, sizes, strict=False))
    built = f"{facts['builder']}, {facts['machine']}, {facts['date']}, on {_named(facts)}"
    return PAGE.format(table="\n".join((head, *rows, first)), layers=told, built=built)


def draw(pulled: Mapping[str, Mapping[str, int]]) -> str:
    """Return the picture: a group of bars a change, a bar a way, on a logarithmic scale."""
    largest = max(size for way in WAYS for size in pulled[way].values())
    height = TOP + len(EVENTS) * (len(WAYS) * ROW + 12) + 8
    title = "Bytes that a site pulls, on a logarithmic scale"
    parts = [_text(0, 16, title, "head")]
    for index, (event, said) in enumerate(EVENTS.items()):
        y = TOP + index * (len(WAYS) * ROW + 12)
        for row, way in enumerate(WAYS):
            parts.append(_bar(y + row * ROW, way, pulled[way][event], largest, said if row == 0 else ""))
    view = f'viewBox="0 0 {LEFT + WIDTH + RIGHT:.0f} {height:.0f}" width="{LEFT + WIDTH + RIGHT:.0f}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img" aria-label="{escape(title)}">'
    return f"{start}<title>{escape(title)}</title><style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"


def _bar(y: float, way: str, size: int, largest: int, said: str) -> str:
    share = max(0.0, math.log(max(size, LEAST) / LEAST) / math.log(largest / LEAST))
    bar = f'<rect class="{CLASSES[way]}" x="{LEFT}" y="{y:.1f}" width="{max(1.0, share * WIDTH):.1f}" height="{BAR}"/>'
    label = _text(LEFT + share * WIDTH + 6, y + 10, megabytes(size), "small")
    return bar + label + _text(0, y + 10, said, "head") + _text(LEFT - 124, y + 10, way, "small")


def _row(said: str, sizes: list[int]) -> str:
    return f"| {said} | {' | '.join(megabytes(size) for size in sizes)} |"


def _named(facts: Mapping[str, Any]) -> str:
    return str(facts["bases"]["BASE"]).rpartition("/")[2].partition("@")[0]


def _text(x: float, y: float, content: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(content)}</text>' if content else ""
