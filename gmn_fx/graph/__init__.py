"""The parameter graph: groups of nodes, bundles of edges, slots of parameters."""

from gmn_fx.graph.arrays import Arrays, materialise
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Equality, Group, ParameterGraph, Slot
from gmn_fx.graph.schema import EDGE_COLUMNS, EDGE_KINDS, NODE_COLUMNS, NODE_KINDS, Schema

__all__ = [
    "EDGE_COLUMNS",
    "EDGE_KINDS",
    "NODE_COLUMNS",
    "NODE_KINDS",
    "Arrays",
    "Bundle",
    "Equality",
    "Group",
    "IndexMap",
    "ParameterGraph",
    "Schema",
    "Slot",
    "materialise",
]
