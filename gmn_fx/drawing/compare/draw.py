"""Draw a comparison: both graphs in one, what differs in colour, what is equal pale."""

from __future__ import annotations

import os
from typing import Literal

from gmn_fx.drawing import picture, render
from gmn_fx.drawing.architecture import architecture_dot
from gmn_fx.drawing.compare.comparison import Comparison
from gmn_fx.drawing.compare.page import comparison_html
from gmn_fx.drawing.compare.picture import delta_graph, overlay_of, subtractable, title_of
from gmn_fx.drawing.compare.scale import dark_rules
from gmn_fx.drawing.fold import MAX_BOXES
from gmn_fx.drawing.picture import MAX_EDGES, View
from gmn_fx.drawing.svg import boxes_picture
from gmn_fx.drawing.text import tooltip


def draw_comparison(
    found: Comparison,
    path: str | os.PathLike[str] | None = None,
    *,
    view: View = "auto",
    max_boxes: int = MAX_BOXES,
    max_edges: int = MAX_EDGES,
    rankdir: Literal["TB", "LR"] = "TB",
    depth: int | None = None,
    fold_repeats: bool = True,
) -> str:
    """Draw what differs between two graphs; returns SVG text, DOT for `.dot`, HTML for `.html`.

    Args:
        found: the comparison.
        path: file to write as well, as for `draw`.
        view: `"architecture"`; `"neuron"` for the values b - a on the edges of two graphs of equal
            structure; or `"auto"`, which takes the neuron view for small ones. It chooses what a
            page shows at first.
        max_boxes: as for `draw`.
        max_edges: as for `draw`.
        rankdir: as for `draw`.
        depth: as for `draw`.
        fold_repeats: as for `draw`; blocks are drawn once only if they changed alike.

    Raises:
        DrawError: as for `draw`, or a view of neurons for graphs that have no b - a.
        FileError: the file cannot be written.
    """
    format = render.format_of(path) if path is not None else "svg"
    picture.check(found.union, view, max_boxes, rankdir, depth)
    if path is not None and format == "html":
        html = comparison_html(found, start=picture.START.get(view, "auto"))
        render.write_file(path, html.encode())
        return html
    if view == "auto" and not (subtractable(found) and not found.identical):
        view = "architecture"
    chosen = picture.choose(found.union, view, max_edges, depth)
    if chosen in ("neuron", "hybrid"):
        return picture.draw(delta_graph(found), path, view=chosen, max_edges=max_edges)
    dot = architecture_dot(
        found.union, max_boxes=max_boxes, rankdir=rankdir, depth=depth, fold_repeats=fold_repeats,
        overlay=overlay_of(found),
    )  # fmt: skip
    title, about = tooltip(title_of(found)), tooltip(found.summary)
    text, data = boxes_picture(dot, format, title, about, dark_rules())
    if path is not None:
        render.write_file(path, data)
    return text
