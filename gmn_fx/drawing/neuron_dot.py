"""Neuron view as DOT text with positions, for formats that Graphviz draws and we do not."""

from __future__ import annotations

from typing import Any

from gmn_fx.drawing import palette
from gmn_fx.drawing.neuron import HEADER, check_size, facts, text_width
from gmn_fx.drawing.scene import Curve, Label, Mark, scene_of
from gmn_fx.drawing.text import TIMES, dot_label, dot_tooltip, shorten, tooltip
from gmn_fx.graph.model import ParameterGraph

_DOT_SHAPES = {
    "circle": "circle",
    "square": "square",
    "diamond": "diamond",
    "query": "square",
    "triangle": "triangle",
    "hexagon": "hexagon",
    "times": "circle",
    "plus": "circle",
}
_DOT_TEXT = {"times": TIMES, "plus": "+", "query": "?"}


def neuron_dot(graph: ParameterGraph, *, max_edges: int = 2000) -> str:
    """DOT text of the neuron view, with positions: draw it with `neato -n2` (`dot -Knop2`)."""
    import graphviz

    check_size(graph, max_edges)
    scene = scene_of(graph)
    tall = scene.height + HEADER
    head = shorten(graph.name or "network", 60)
    dot = graphviz.Digraph("neurons", engine="neato", graph_attr=_graph_attr(graph))
    dot.attr(
        "node", style="filled", fixedsize="shape", fontname=palette.FONT, fontsize="9", label=""
    )
    dot.attr("edge", dir="none")
    for number, label in enumerate(scene.labels):
        _dot_text(dot, f"t{number}", label, tall)
    _dot_text(dot, "title", Label(head, (scene.width / 2, -34), "middle", 16), tall)
    _dot_text(dot, "facts", Label(facts(graph), (scene.width / 2, -18), "middle", 10), tall)
    for mark in scene.marks:
        dot.node(f"n{mark.node}", **_dot_mark(mark, tall))
    for curve in scene.curves:
        dot.edge(f"n{curve.stroke.src}", f"n{curve.stroke.dst}", **_dot_curve(curve, tall))
    return str(dot.source)


def _graph_attr(graph: ParameterGraph) -> dict[str, str]:
    return {
        "bgcolor": "white",
        "fontname": palette.FONT,
        "pad": "0.3",
        "outputorder": "edgesfirst",
        "tooltip": dot_tooltip(tooltip(graph.name or "network")),
    }


def _dot_curve(curve: Curve, tall: float) -> dict[str, str]:
    stroke = curve.stroke
    attr = {
        "pos": " ".join(f"{x:.1f},{tall - y:.1f}" for x, y in curve.points),
        "penwidth": f"{stroke.width:g}",
        "color": f"{stroke.color}{round(255 * stroke.opacity):02X}",
        "tooltip": dot_tooltip(stroke.about),
    }
    return attr | {"style": "dashed"} if stroke.dash else attr


def _dot_mark(mark: Mark, tall: float) -> dict[str, str]:
    style = palette.node_style(mark.kind)
    return {
        "pos": f"{mark.at[0]:.1f},{tall - mark.at[1]:.1f}",
        "shape": _DOT_SHAPES[style.mark],
        "width": f"{mark.radius / 36:.3f}",
        "height": f"{mark.radius / 36:.3f}",
        "fillcolor": style.fill,
        "color": style.stroke,
        "label": _DOT_TEXT.get(style.mark, ""),
        "tooltip": dot_tooltip(mark.about),
    }


def _dot_text(dot: Any, name: str, label: Label, tall: float) -> None:
    """Text as a node without a shape: Graphviz has no free text."""
    wide = text_width(label.text, label.size)
    x = label.at[0] + {"start": 0.5, "middle": 0.0, "end": -0.5}[label.anchor] * wide
    dot.node(
        name,
        label=f"<{dot_label(label.text)}>",
        shape="none",
        style="",
        fontsize=f"{label.size:g}",
        pos=f"{x:.1f},{tall - label.at[1] + 0.35 * label.size:.1f}",
        width=f"{wide / 72:.3f}",
        height=f"{label.size / 72:.3f}",
        tooltip=" ",
    )
