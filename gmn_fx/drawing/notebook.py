"""How a graph shows itself in a notebook: its picture where that is small enough, else facts."""

from __future__ import annotations

from gmn_fx.drawing.neurons import facts
from gmn_fx.drawing.picture import draw
from gmn_fx.drawing.text import escape, shorten
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

# A notebook keeps every output: pictures above this many characters are not put into it.
LIMIT = 1_500_000
# A cell is no poster: larger graphs are folded.
CELL_BOXES = 60


def notebook_svg(graph: ParameterGraph) -> str | None:
    """SVG text; None for a graph that cannot be drawn here or whose picture is too large."""
    try:
        svg = draw(graph, max_boxes=CELL_BOXES)
    except DrawError:
        return None
    return svg if len(svg) <= LIMIT else None


def notebook_html(graph: ParameterGraph) -> str:
    """The picture in a frame that scrolls, or the facts and what to do for a picture."""
    svg = notebook_svg(graph)
    if svg is not None:
        return f'<div style="max-height:640px;overflow:auto">{svg}</div>'
    name = escape(shorten(graph.name or "network", 80))
    return (
        f"<p><b>{name}</b><br>{escape(facts(graph))}<br>"
        "<code>gmn_fx.draw(graph, &quot;graph.html&quot;)</code> writes a page to explore it.</p>"
    )
