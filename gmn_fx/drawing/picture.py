"""The door of drawing: choose a view, draw it, write the file."""

from __future__ import annotations

import os
from typing import Literal

from gmn_fx.drawing import neuron, render
from gmn_fx.drawing.architecture import architecture_dot, check_depth
from gmn_fx.drawing.neuron_dot import neuron_dot
from gmn_fx.drawing.svg import standalone
from gmn_fx.drawing.text import tooltip
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

View = Literal["auto", "architecture", "neuron"]
VIEWS: tuple[View, ...] = ("auto", "architecture", "neuron")

# `auto` chooses the neuron view up to these sizes; above, single neurons are hard to see.
AUTO_GROUPS, AUTO_NODES, AUTO_EDGES = 24, 200, 2000


def draw(
    graph: ParameterGraph,
    path: str | os.PathLike[str] | None = None,
    *,
    view: View = "auto",
    max_boxes: int = 150,
    max_edges: int = 2000,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
) -> str:
    """Draw `graph`; returns SVG text, or DOT text if `path` ends in `.dot`.

    Args:
        graph: the graph to draw.
        path: file to write as well; its ending chooses the format: `.svg`, `.dot`, or `.png` and
            `.pdf` where the renderer can make them.
        view: `"architecture"` (a box a group), `"neuron"` (a dot a neuron; small networks), or
            `"auto"`, which takes the neuron view for small networks (never with `depth`).
        max_boxes: architecture view: with more groups than this, modules are folded into boxes.
        max_edges: neuron view: larger graphs are refused.
        rankdir: architecture view: flow from top to bottom or from left to right.
        depth: architecture view: modules nested this deep are one box each.
        fold_repeats: architecture view: draw blocks that repeat once, with their number.

    Raises:
        DrawError: unknown view or format, a graph too large for the view, or no renderer.
        FileError: the file cannot be written; nothing is left half-written.
    """
    _check(graph, view, max_boxes, rankdir)
    format = render.format_of(path) if path is not None else "svg"
    if _chosen(graph, view, max_edges, depth) == "neuron":
        text, data = _neuron(graph, format, max_edges)
    else:
        dot = architecture_dot(
            graph, max_boxes=max_boxes, rankdir=rankdir, depth=depth, fold_repeats=fold_repeats
        )
        text, data = _architecture(graph, format, dot)
    if path is not None:
        render.write_file(path, data)
    return text


def to_dot(
    graph: ParameterGraph,
    *,
    view: View = "auto",
    max_boxes: int = 150,
    max_edges: int = 2000,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
) -> str:
    """DOT text of a view; needs no renderer. Arguments as in `draw`."""
    _check(graph, view, max_boxes, rankdir)
    if _chosen(graph, view, max_edges, depth) == "neuron":
        return neuron_dot(graph, max_edges=max_edges)
    return architecture_dot(
        graph, max_boxes=max_boxes, rankdir=rankdir, depth=depth, fold_repeats=fold_repeats
    )


def _chosen(graph: ParameterGraph, view: View, max_edges: int, depth: int | None) -> View:
    """The view to draw; a depth asks for the architecture, which alone has it."""
    check_depth(depth)
    if view != "auto":
        return view
    return choose_view(graph, max_edges) if depth is None else "architecture"


def choose_view(graph: ParameterGraph, max_edges: int = AUTO_EDGES) -> View:
    """The view that `auto` takes."""
    nodes, edges = neuron.size_of(graph)
    groups = sum(g.size > 0 for g in graph.groups)
    small = groups <= AUTO_GROUPS and nodes <= AUTO_NODES and edges <= min(AUTO_EDGES, max_edges)
    return "neuron" if small else "architecture"


def _check(graph: ParameterGraph, view: str, max_boxes: int, rankdir: str) -> None:
    if view not in VIEWS:
        raise DrawError(f"unknown view {view!r}", hint="use one of " + ", ".join(VIEWS))
    if rankdir not in ("TB", "LR"):
        raise DrawError(f"unknown rankdir {rankdir!r}", hint="use TB or LR")
    if max_boxes < 2:
        raise DrawError(f"max_boxes is {max_boxes}, but a picture needs at least 2 boxes")
    if not any(g.size for g in graph.groups):
        raise DrawError(
            f"nothing to draw: the graph {graph.name!r} has no nodes",
            hint="was it extracted from a model without parameters?",
        )


def _neuron(graph: ParameterGraph, format: str, max_edges: int) -> tuple[str, bytes]:
    if format == "dot":
        dot = neuron_dot(graph, max_edges=max_edges)
        return dot, dot.encode()
    svg = neuron.neuron_svg(graph, max_edges=max_edges)
    if format == "svg":
        return svg, svg.encode()
    dot = neuron_dot(graph, max_edges=max_edges)
    return svg, render.render(dot, format, positions=True)


def _architecture(graph: ParameterGraph, format: str, dot: str) -> tuple[str, bytes]:
    if format == "dot":
        return dot, dot.encode()
    title = tooltip(graph.name or "network")
    svg = standalone(render.render(dot), title, f"parameter graph, {neuron.facts(graph)}")
    return svg, svg.encode() if format == "svg" else render.render(dot, format)
