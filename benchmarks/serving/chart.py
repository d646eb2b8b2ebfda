"""The picture: a row a server, a column a cell, in each the share of bare ONNX Runtime as a bar. Values in, SVG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.serving.cells import CELLS, Cell
from benchmarks.serving.records import BARE, Results, Round, Span, failures, ratios
from benchmarks.serving.servers import OURS, SERVERS

LEFT, TOP, COLUMN, ROW, BAR = 92.0, 48.0, 104.0, 28.0, 10.0
FULL = 84.0  # pixels of 1.0
LONGEST = 1.15
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 } .small { font-size: 10.5px; fill: #57606a }
.peer { fill: #afb8c1 } .ours { fill: #0969da } .failed { fill: #cf222e }
.bare { stroke: #57606a; stroke-dasharray: 2 3 } .range { stroke: #24292f; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .peer { fill: #59636e } .ours { fill: #4493f8 }
  .bare { stroke: #9198a1 } .range { stroke: #e6edf3 }
}
"""


def draw(results: Results) -> str:
    """Return the picture of the closed-loop cells that were measured."""
    cells = [cell for cell in CELLS if results.cells.get(cell.name)]
    names = _by_rank(cells, results.cells)
    width, height = LEFT + len(cells) * COLUMN + 8, TOP + len(names) * ROW + 42
    title = "Requests a second, by bare ONNX Runtime's images a second in the same rounds"
    parts = [_column(cell, index, len(names)) for index, cell in enumerate(cells)]
    parts += [_row(name, index, cells, results.cells) for index, name in enumerate(names)]
    parts.append(_text(0, height - 21, f"dashed: bare ONNX Runtime; bar: median; line: range; blue: {OURS};", "small"))
    parts.append(_text(0, height - 7, "red: some of its requests failed", "small"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'role="img" aria-label="{escape(title)}"><title>{escape(title)}</title><style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _by_rank(cells: Sequence[Cell], measured: Mapping[str, Sequence[Round]]) -> list[str]:
    def mean_share(name: str) -> float:
        shares = [ratios(measured[cell.name], name) for cell in cells]
        known = [share.median for share in shares if share]
        return sum(known) / len(known)

    met = {name for cell in cells for one in measured[cell.name] for name in one} - {BARE}
    return sorted((server.name for server in SERVERS if server.name in met), key=mean_share, reverse=True)


def _column(cell: Cell, index: int, rows: int) -> str:
    x, bottom = LEFT + index * COLUMN, TOP + rows * ROW
    clients = f"{cell.kind}, {cell.clients} client{'s' if cell.clients > 1 else ''}"
    bare = f'<line class="bare" x1="{x + FULL:.1f}" x2="{x + FULL:.1f}" y1="{TOP - 8}" y2="{bottom:.1f}"/>'
    return _text(x, 16, cell.package, "head") + _text(x, 31, clients, "small") + bare


def _row(name: str, index: int, cells: Sequence[Cell], measured: Mapping[str, Sequence[Round]]) -> str:
    y = TOP + index * ROW
    bars = [_bar(name, column, y, measured[cell.name]) for column, cell in enumerate(cells)]
    return _text(0, y + BAR, name, "head" if name == OURS else "") + "".join(bars)


def _bar(name: str, column: int, y: float, rounds: Sequence[Round]) -> str:
    share, x = ratios(rounds, name), LEFT + column * COLUMN
    if share is None:
        return _text(x, y + BAR, "not measured", "small")
    kind = "failed" if failures(rounds, name) else "ours" if name == OURS else "peer"
    bar = (
        f'<rect class="{kind}" x="{x:.1f}" y="{y + 2:.1f}" width="{_length(share.median):.1f}" height="{BAR}" rx="2"/>'
    )
    return bar + _range(share, x, y + 2 + BAR / 2) + _text(x, y + BAR + 11, f"{share.median:.2f}", "small")


def _range(share: Span, x: float, y: float) -> str:
    return (
        f'<line class="range" x1="{x + _length(share.low):.1f}" x2="{x + _length(share.high):.1f}" y1="{y}" y2="{y}"/>'
    )


def _length(share: float) -> float:
    return FULL * min(share, LONGEST)


def _text(x: float, y: float, content: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(content)}</text>'
