"""The typed multigraph that the oracle colours: everything that a metanet may see, nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.graph.arrays import materialise
from gmn_fx.graph.model import ParameterGraph
from gmn_fx.graph.schema import EDGE_COLUMNS, NODE_COLUMNS

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Columns:
    """The integer columns of a graph in numpy.

    nodes: [N, node columns]. edges: [E, edge columns]. param: flat parameter index of an edge, -1
    for none. category: for each flat parameter, which values it may be exchanged with (real,
    complex, integer).
    """

    nodes: Array
    src: Array
    dst: Array
    edges: Array
    param: Array
    category: Array
    node_names: tuple[str, ...] = NODE_COLUMNS
    edge_names: tuple[str, ...] = EDGE_COLUMNS


@dataclass(frozen=True)
class TypedGraph:
    """A multigraph with one integer type for each node and each edge.

    param: flat parameter index of each edge, -1 for none (an edge with a parameter never has the
    type of one without). An edge whose parameter lies on other edges as well cannot move without
    them.
    """

    node_type: Array
    src: Array
    dst: Array
    edge_type: Array
    param: Array

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_type)

    @property
    def num_edges(self) -> int:
        """Number of edges."""
        return len(self.src)


def columns_of(graph: ParameterGraph) -> Columns:
    """Materialise the columns of `graph`; values are not touched."""
    arrays = materialise(graph, values=False)
    index = arrays.edge_index.numpy()
    return Columns(
        nodes=arrays.x.numpy(),
        src=index[0],
        dst=index[1],
        edges=arrays.edge_type.numpy(),
        param=arrays.edge_param.numpy(),
        category=_categories(graph),
    )


def typed_graph(columns: Columns, forget: Collection[str] = ()) -> TypedGraph:
    """Types from all columns except those named in `forget` (on nodes and edges alike)."""
    nodes = _kept(columns.nodes, columns.node_names, forget)
    edges = _kept(columns.edges, columns.edge_names, forget)
    carried = np.full(len(columns.param), -1, dtype=np.int64)
    on = columns.param >= 0
    carried[on] = columns.category[columns.param[on]]
    return TypedGraph(
        node_type=row_ids(nodes),
        src=columns.src,
        dst=columns.dst,
        edge_type=row_ids([*edges, carried]),
        param=columns.param,
    )


def row_ids(columns: list[Array]) -> Array:
    """Number the distinct rows of equally long columns 0, 1, ... in sorted order."""
    ids = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        if len(values) > 1:
            ids = np.unique(ids * len(values) + code, return_inverse=True)[1]
    return ids


def _kept(table: Array, names: tuple[str, ...], forget: Collection[str]) -> list[Array]:
    """The columns to look at; a constant one keeps the list non-empty."""
    kept = [table[:, i] for i, name in enumerate(names) if name not in forget]
    return [*kept, np.zeros(len(table), dtype=np.int64)]


def _categories(graph: ParameterGraph) -> Array:
    """0 real, 1 complex, 2 integer, for each element of the flat parameter vector."""
    total = max((slot.offset + slot.numel for slot in graph.slots), default=0)
    out = np.zeros(total, dtype=np.int64)
    for slot in graph.slots:
        kind = 1 if slot.dtype.is_complex else 0 if slot.dtype.is_floating_point else 2
        out[slot.offset : slot.offset + slot.numel] = kind
    return out
