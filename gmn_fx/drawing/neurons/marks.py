"""The mark of a node as an SVG element; kinds differ in shape as well as in colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from gmn_fx.drawing import palette
from gmn_fx.drawing.neurons.parts import Point

# Draws at x, y with a radius, attributes and the colour of lines.
Draw = Callable[[float, float, float, str, str], str]


def draw_mark(role: str, at: Point, r: float) -> str:
    """SVG of one node of a role (key of `palette.NODES`) with radius `r`."""
    style = palette.node_style(role)
    look = f'fill="{style.fill}" stroke="{style.stroke}"'
    return _MARKS[style.mark](at[0], at[1], r, look, style.stroke)


def _circle(x: float, y: float, r: float, look: str, _: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {look}/>'


def _square(x: float, y: float, r: float, look: str, _: str) -> str:
    side = f"{2 * r:.1f}"
    return f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{side}" height="{side}" {look}/>'


def _polygon(turns: list[float]) -> Draw:
    def draw(x: float, y: float, r: float, look: str, _: str) -> str:
        points = " ".join(
            f"{x + 1.2 * r * math.cos(2 * math.pi * t):.1f},"
            f"{y - 1.2 * r * math.sin(2 * math.pi * t):.1f}"
            for t in turns
        )
        return f'<polygon points="{points}" {look}/>'

    return draw


def _signed(
    body: Draw,
    lines: Sequence[tuple[float, float, float, float]],
) -> Draw:
    """`body` with lines (x0, y0, x1, y1 in radii) on it."""

    def draw(x: float, y: float, r: float, look: str, ink: str) -> str:
        path = "".join(
            f"M{x + a * r:.1f} {y + b * r:.1f}L{x + c * r:.1f} {y + d * r:.1f}"
            for a, b, c, d in lines
        )
        return body(x, y, r, look, ink) + f'<path d="{path}" stroke="{ink}"/>'

    return draw


def _query(x: float, y: float, r: float, look: str, ink: str) -> str:
    return _square(x, y, r, look, ink) + (
        f'<text x="{x:.1f}" y="{y + 0.6 * r:.1f}" text-anchor="middle" '
        f'font-size="{1.7 * r:.1f}" fill="{ink}">?</text>'
    )


_PLUS = [(-0.75, 0.0, 0.75, 0.0), (0.0, -0.75, 0.0, 0.75)]
_MARKS: dict[str, Draw] = {
    "circle": _circle,
    "square": _square,
    "diamond": _polygon([0, 0.25, 0.5, 0.75]),
    "triangle": _polygon([0.25, 7 / 12, 11 / 12]),
    "hexagon": _polygon([k / 6 for k in range(6)]),
    "times": _signed(_circle, [(-0.55, -0.55, 0.55, 0.55), (-0.55, 0.55, 0.55, -0.55)]),
    "plus": _signed(_circle, _PLUS),
    "boxplus": _signed(_square, _PLUS),
    "equals": _signed(_circle, [(-0.6, -0.3, 0.6, -0.3), (-0.6, 0.3, 0.6, 0.3)]),
    "query": _query,
}
