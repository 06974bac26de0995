"""How large a graph is, and which views can show it."""

from __future__ import annotations

from typing import Literal

from gmn_fx.drawing.text import plural
from gmn_fx.errors import DrawError
from gmn_fx.graph.model import ParameterGraph

# `auto` takes the neuron view up to these sizes; above, single neurons are hard to see.
AUTO_GROUPS, AUTO_NODES, AUTO_EDGES = 24, 200, 2000
# And the hybrid view up to this many groups: more columns than a page is wide.
HYBRID_GROUPS = 40
# Groups of the hybrid view that is asked for; thousands of columns are no picture.
MOST_GROUPS = 400


def size_of(graph: ParameterGraph) -> tuple[int, int]:
    """Nodes and edges that the neuron view would draw."""
    nodes = sum(g.size for g in graph.groups)
    return nodes, graph.num_edges


def groups_of(graph: ParameterGraph) -> int:
    """Groups with nodes."""
    return sum(g.size > 0 for g in graph.groups)


def check_size(graph: ParameterGraph, view: str, max_edges: int) -> None:
    """Refuse what would be neither readable nor quick.

    Raises:
        DrawError: the neuron view would have more than `max_edges` nodes or edges, or the hybrid
            view too many groups.
    """
    nodes, edges = size_of(graph)
    groups = groups_of(graph)
    if view == "neuron" and max(nodes, edges) > max_edges:
        smaller = "hybrid" if groups <= HYBRID_GROUPS else "architecture"
        raise DrawError(
            f"the neuron view would draw {plural(nodes, 'node')} and {plural(edges, 'edge')}, "
            f"more than the limit of {max_edges:,}",
            hint=f'use the {smaller} view (view="{smaller}", --view {smaller}), '
            "or raise max_edges (--max-edges)",
        )
    if view == "hybrid" and groups > MOST_GROUPS:
        raise DrawError(
            f"the hybrid view would draw {plural(groups, 'group')} side by side, more than the "
            f"limit of {MOST_GROUPS}",
            hint='use the architecture view (view="architecture", --view architecture)',
        )


def choose_view(
    graph: ParameterGraph, max_edges: int
) -> Literal["neuron", "hybrid", "architecture"]:
    """The view that `auto` takes."""
    nodes, edges = size_of(graph)
    groups = groups_of(graph)
    if groups <= AUTO_GROUPS and nodes <= AUTO_NODES and edges <= min(AUTO_EDGES, max_edges):
        return "neuron"
    return "hybrid" if groups <= HYBRID_GROUPS else "architecture"


def facts(graph: ParameterGraph) -> str:
    """The line under the title."""
    nodes, edges = size_of(graph)
    parameters = sum(s.numel for s in graph.slots if s.used)
    said = [plural(nodes, "node"), plural(edges, "edge"), plural(parameters, "parameter")]
    if not graph.values and parameters:
        said.append("structure only, no values")
    return " · ".join(said)
