"""Neuron view of a small network: a dot a neuron, a stroke an edge; as SVG and as DOT."""

from __future__ import annotations

import math
from collections.abc import Callable

from gmn_fx.drawing import palette
from gmn_fx.drawing.scene import Curve, Label, Point, Scene, scene_of
from gmn_fx.drawing.text import escape, plural, shorten, tooltip, value
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

MARGIN, HEADER, LEGEND_ROW = 24.0, 62.0, 18.0
NARROWEST = 380.0


def size_of(graph: ParameterGraph) -> tuple[int, int]:
    """Nodes and edges that the neuron view would draw."""
    nodes = sum(g.size for g in graph.groups)
    return nodes, sum(math.prod(b.shape) for b in graph.bundles)


def check_size(graph: ParameterGraph, max_edges: int) -> None:
    """Refuse what would be neither readable nor quick.

    Raises:
        DrawError: the graph has more than `max_edges` nodes or edges.
    """
    nodes, edges = size_of(graph)
    if max(nodes, edges) > max_edges:
        raise DrawError(
            f"the neuron view would draw {plural(nodes, 'node')} and {plural(edges, 'edge')}, "
            f"more than the limit of {max_edges:,}",
            hint='use the architecture view (view="architecture", --view architecture), '
            "or raise max_edges",
        )


def neuron_svg(graph: ParameterGraph, *, max_edges: int = 2000) -> str:
    """SVG text of the neuron view."""
    check_size(graph, max_edges)
    scene = scene_of(graph)
    legend = _legend(graph, scene)
    width = max(scene.width + 2 * MARGIN, NARROWEST)
    rows = _wrap([text_width(text, 10) + 34 for _, text in legend], width - 2 * MARGIN)
    height = HEADER + scene.height + 2 * MARGIN + LEGEND_ROW * (rows[-1][0] + 1 if rows else 0)
    left = (width - scene.width) / 2
    name = graph.name or "network"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-family="{palette.FONT}">',
        f"<title>{escape(tooltip(name))}</title>",
        f"<desc>{escape(facts(graph))}</desc>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        f'<text x="{width / 2:.0f}" y="28" text-anchor="middle" font-size="16" '
        f'font-weight="bold">{escape(shorten(name, int(width / 10)))}</text>',
        f'<text x="{width / 2:.0f}" y="46" text-anchor="middle" font-size="11" '
        f'fill="{palette.PALE}">{escape(facts(graph))}</text>',
        f'<g transform="translate({left:.1f} {HEADER + 6:.0f})">',
        *_body(graph, scene),
        "</g>",
        f'<g class="legend" font-size="10" transform="translate({MARGIN:.0f} '
        f'{HEADER + scene.height + MARGIN + 12:.0f})">',
        *(
            f'<g transform="translate({x:.1f} {row * LEGEND_ROW:.0f})">{mark}'
            f'<text x="24" y="3.5">{escape(text)}</text></g>'
            for (mark, text), (row, x) in zip(legend, rows, strict=True)
        ),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def facts(graph: ParameterGraph) -> str:
    """The line under the title."""
    nodes, edges = size_of(graph)
    parameters = sum(s.numel for s in graph.slots if s.used)
    said = [plural(nodes, "node"), plural(edges, "edge"), plural(parameters, "parameter")]
    if not graph.values and parameters:
        said.append("structure only, no values")
    return " · ".join(said)


def _body(graph: ParameterGraph, scene: Scene) -> list[str]:
    parts = ['<g class="outlines" fill="#F7F7F7" stroke="#D0D0D0" stroke-width="0.8">']
    for outline in scene.outlines:
        x, y, wide, high = outline.box
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="6">'
            f"<title>{escape_lines(outline.about)}</title></rect>"
        )
    parts.append('</g>\n<g class="edges" fill="none">')
    parts += [_path(c) for c in scene.curves]
    parts.append('</g>\n<g class="nodes" stroke-width="1.1">')
    for mark in scene.marks:
        parts.append(
            f'<g class="node {_word(mark.kind)}">{draw_mark(mark.kind, mark.at, mark.radius)}'
            f"<title>{escape_lines(mark.about)}</title></g>"
        )
    parts.append(f'</g>\n<g class="labels" fill="{palette.INK}">')
    parts += [_text(label) for label in scene.labels]
    return [*parts, "</g>"]


def _word(kind: str) -> str:
    """`kind` as a class name."""
    return kind if kind in palette.NODES else "other"


def escape_lines(text: str) -> str:
    """XML text that keeps its line breaks."""
    return "\n".join(escape(line) for line in text.split("\n"))


def _path(curve: Curve) -> str:
    s, (a, one, two, b) = curve.stroke, curve.points
    d = f"M{a[0]:.1f} {a[1]:.1f}"
    if curve.straight:
        d += f"L{b[0]:.1f} {b[1]:.1f}"
    else:
        d += "C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in (one, two, b))
    dash = f' stroke-dasharray="{s.dash}"' if s.dash else ""
    return (
        f'<path class="edge" d="{d}" stroke="{s.color}" stroke-width="{s.width:g}" '
        f'stroke-opacity="{s.opacity:g}"{dash}><title>{escape_lines(s.about)}</title></path>'
    )


def _text(label: Label) -> str:
    return (
        f'<text x="{label.at[0]:.1f}" y="{label.at[1]:.1f}" text-anchor="{label.anchor}" '
        f'font-size="{label.size:g}">{escape(label.text)}</text>'
    )


# ---- marks


def draw_mark(kind: str, at: Point, r: float) -> str:
    """The mark of one node as an SVG element."""
    style = palette.node_style(kind)
    look = f'fill="{style.fill}" stroke="{style.stroke}"'
    return _MARKS[style.mark](at[0], at[1], r, look, style.stroke)


def _circle(x: float, y: float, r: float, look: str, _: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {look}/>'


def _square(x: float, y: float, r: float, look: str, _: str) -> str:
    side = f"{2 * r:.1f}"
    return f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{side}" height="{side}" {look}/>'


def _polygon(turns: list[float]) -> Callable[[float, float, float, str, str], str]:
    def draw(x: float, y: float, r: float, look: str, _: str) -> str:
        points = " ".join(
            f"{x + 1.2 * r * math.cos(2 * math.pi * t):.1f},"
            f"{y - 1.2 * r * math.sin(2 * math.pi * t):.1f}"
            for t in turns
        )
        return f'<polygon points="{points}" {look}/>'

    return draw


def _crossed(turn: float) -> Callable[[float, float, float, str, str], str]:
    def draw(x: float, y: float, r: float, look: str, ink: str) -> str:
        arms = []
        for quarter in (0, 1):
            angle = 2 * math.pi * (turn + quarter / 4)
            dx, dy = 0.75 * r * math.cos(angle), 0.75 * r * math.sin(angle)
            arms.append(f"M{x - dx:.1f} {y - dy:.1f}L{x + dx:.1f} {y + dy:.1f}")
        return _circle(x, y, r, look, ink) + f'<path d="{"".join(arms)}" stroke="{ink}"/>'

    return draw


def _query(x: float, y: float, r: float, look: str, ink: str) -> str:
    return _square(x, y, r, look, ink) + (
        f'<text x="{x:.1f}" y="{y + 0.6 * r:.1f}" text-anchor="middle" '
        f'font-size="{1.7 * r:.1f}" fill="{ink}">?</text>'
    )


_MARKS: dict[str, Callable[[float, float, float, str, str], str]] = {
    "circle": _circle,
    "square": _square,
    "diamond": _polygon([0, 0.25, 0.5, 0.75]),
    "triangle": _polygon([0.25, 7 / 12, 11 / 12]),
    "hexagon": _polygon([k / 6 for k in range(6)]),
    "times": _crossed(0.125),
    "plus": _crossed(0.0),
    "query": _query,
}


# ---- legend


def _legend(graph: ParameterGraph, scene: Scene) -> list[tuple[str, str]]:
    """(mark, text) of what is on this picture."""
    kinds = {m.kind for m in scene.marks}
    order = [*palette.NODES, *sorted(kinds - palette.NODES.keys())]
    out = [(draw_mark(k, (11, 0), 5), k) for k in order if k in kinds]
    colors = {c.stroke.color for c in scene.curves}
    top = value(scene.reference)
    for color, text in (
        (palette.POSITIVE, f"positive (full width: {top} or more)"),
        (palette.NEGATIVE, "negative"),
        (palette.NOT_FINITE, "nan or inf"),
    ):
        if graph.values and any(
            c.stroke.color == color and graph.bundles[c.stroke.bundle].slot for c in scene.curves
        ):
            out.append((_line_mark(color, 2.4, "2 2" if color == palette.NOT_FINITE else ""), text))
    for key in ("parameter", "residual", "free"):
        style = palette.EDGES[key]
        plain = any(
            c.stroke.color == style.color and c.stroke.dash == style.dash for c in scene.curves
        )
        if style.color in colors and plain:
            out.append((_line_mark(style.color, 1.1, style.dash), style.label))
    if any(c.stroke.dash == "6 2" for c in scene.curves):
        out.append((_line_mark(palette.INK, 1.4, "6 2"), "not trainable"))
    return out


def _line_mark(color: str, width: float, dash: str) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M1 0H20" stroke="{color}" stroke-width="{width:g}"{dashes}/>'


def text_width(text: str, size: float) -> float:
    """About how wide `text` is: fonts differ, so nothing may depend on it closely."""
    return 0.53 * size * len(text)


def _wrap(widths: list[float], room: float) -> list[tuple[int, float]]:
    """(row, x) of items laid out like words of a text."""
    out, row, x = [], 0, 0.0
    for width in widths:
        if x and x + width > room:
            row, x = row + 1, 0.0
        out.append((row, x))
        x += width
    return out
