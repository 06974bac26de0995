"""The door of drawing: choose a view, draw it, write the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from gmn_fx.drawing import render
from gmn_fx.drawing.architecture import architecture_dot, check_depth
from gmn_fx.drawing.fold import MAX_BOXES
from gmn_fx.drawing.links import links_of
from gmn_fx.drawing.neurons import (
    Scene,
    all_shown,
    check_size,
    choose_view,
    ends_shown,
    facts,
    scene_of,
    write_dot,
    write_svg,
)
from gmn_fx.drawing.svg import boxes_picture
from gmn_fx.drawing.text import tooltip
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

Orbits = Callable[[ParameterGraph], npt.NDArray[np.int64] | None]
View = Literal["auto", "architecture", "neuron", "hybrid"]
VIEWS: tuple[View, ...] = ("auto", "architecture", "neuron", "hybrid")
MAX_EDGES = 100_000
# What a page shows at first: all neurons, or closed modules.
START = {"neuron": "open", "hybrid": "open", "architecture": "closed"}


def draw(
    graph: ParameterGraph,
    path: str | os.PathLike[str] | None = None,
    *,
    other: ParameterGraph | None = None,
    view: View = "auto",
    max_boxes: int = MAX_BOXES,
    max_edges: int = MAX_EDGES,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
    orbits: Orbits | None = None,
) -> str:
    """Draw `graph`; returns SVG text, or DOT or HTML text if `path` ends in `.dot` or `.html`.

    Args:
        graph: the graph to draw.
        path: file to write as well; its ending chooses the format: `.svg`, `.dot`, `.html` (a page
            to explore the graph, or what differs), or `.png` and `.pdf` where the renderer can
            make them.
        other: a second graph: draw what differs from `graph` to `other`.
        view: `"architecture"` (a box a group), `"neuron"` (a dot a neuron), `"hybrid"` (first and
            last neurons of wide groups, the strongest edges between them), or `"auto"`, which
            chooses by size (with `depth`, the architecture).
        max_boxes: architecture view: with more groups than this, modules are folded into boxes.
        max_edges: neuron view: larger graphs are refused.
        rankdir: architecture view: flow from top to bottom or from left to right.
        depth: architecture view: modules nested this deep are one box each.
        fold_repeats: architecture view: draw blocks that repeat once, with their number.
        orbits: page: finds, [nodes], equal numbers for neurons that may be exchanged.

    Raises:
        DrawError: unknown view or format, a graph too large for the view, or no renderer.
        FileError: the file cannot be written; nothing is left half-written.
    """
    if other is not None:
        from gmn_fx.drawing.compare import compare, draw_comparison

        return draw_comparison(
            compare(graph, other), path, view=view, max_boxes=max_boxes, max_edges=max_edges,
            rankdir=rankdir, depth=depth, fold_repeats=fold_repeats,
        )  # fmt: skip
    check(graph, view, max_boxes, rankdir, depth)
    format = render.format_of(path) if path is not None else "svg"
    if format == "html":
        return _page(graph, path, view, orbits)
    chosen = choose(graph, view, max_edges, depth)
    if chosen in ("neuron", "hybrid"):
        text, data = _neurons(_scene(graph, chosen, max_edges), format)
    else:
        dot = architecture_dot(
            graph, max_boxes=max_boxes, rankdir=rankdir, depth=depth, fold_repeats=fold_repeats
        )
        about = f"parameter graph, {facts(graph)}"
        text, data = boxes_picture(dot, format, tooltip(graph.name or "network"), about)
    if path is not None:
        render.write_file(path, data)
    return text


def to_dot(
    graph: ParameterGraph,
    *,
    view: View = "auto",
    max_boxes: int = MAX_BOXES,
    max_edges: int = MAX_EDGES,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
) -> str:
    """DOT text of a view; needs no renderer. Arguments as in `draw`."""
    check(graph, view, max_boxes, rankdir, depth)
    chosen = choose(graph, view, max_edges, depth)
    if chosen in ("neuron", "hybrid"):
        return write_dot(_scene(graph, chosen, max_edges))
    return architecture_dot(
        graph, max_boxes=max_boxes, rankdir=rankdir, depth=depth, fold_repeats=fold_repeats
    )


def choose(graph: ParameterGraph, view: View, max_edges: int, depth: int | None) -> View:
    """The view to draw; a depth asks for the architecture, which alone has it."""
    if view != "auto":
        return view
    return choose_view(graph, max_edges) if depth is None else "architecture"


def check(
    graph: ParameterGraph, view: str, max_boxes: int, rankdir: str, depth: int | None
) -> None:
    """Raise DrawError unless `graph` can be drawn with these arguments."""
    check_depth(depth)
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


def _page(
    graph: ParameterGraph,
    path: str | os.PathLike[str] | None,
    view: str,
    orbits: Orbits | None,
) -> str:
    from gmn_fx.drawing.explorer import explorer_html

    links_of(graph)  # refuses a corrupt graph before anything else reads it
    found = None if orbits is None else orbits(graph)
    html = explorer_html(graph, orbits=found, start=START.get(view, "auto"))
    if path is not None:
        render.write_file(path, html.encode())
    return html


def _scene(graph: ParameterGraph, view: str, max_edges: int) -> Scene:
    check_size(graph, view, max_edges)
    return scene_of(graph, all_shown(graph) if view == "neuron" else ends_shown(graph))


def _neurons(scene: Scene, format: str) -> tuple[str, bytes]:
    if format == "dot":
        dot = write_dot(scene)
        return dot, dot.encode()
    svg = write_svg(scene)
    if format == "svg":
        return svg, svg.encode()
    return svg, render.render(write_dot(scene), format, positions=True)
