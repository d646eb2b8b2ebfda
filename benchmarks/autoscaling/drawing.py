"""What the pictures of this benchmark share: the style that a picture on its own carries with it, light and dark."""

from __future__ import annotations

from mlops.report.markup import Child, Markup, element
from mlops.report.svg import picture

STYLE = Markup("""
text { font: 12px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 } .small { font-size: 10.5px; fill: #57606a } .tick { font-size: 10px; fill: #57606a }
.lost { fill: #cf222e } .age { fill: #9a6700 } .hours { fill: #0969da } .best { fill: #0969da } .other { fill: #afb8c1 }
.load { fill: #d0d7de } .step { fill: none; stroke: #0969da; stroke-width: 1.6 } .grid { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small, .tick { fill: #9198a1 } .lost { fill: #f85149 } .age { fill: #d29922 }
  .hours, .best { fill: #4493f8 } .other { fill: #59636e } .load { fill: #3d444d } .step { stroke: #4493f8 }
  .grid { stroke: #3d444d }
}
""")


def alone(width: float, height: float, title: str, *children: Child) -> str:
    """Return a picture as a file of its own."""
    drawn = picture(width, height, title, element("style", STYLE), *children)
    return drawn.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" ', 1) + "\n"
