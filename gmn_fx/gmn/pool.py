"""From node states to one vector for each graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from gmn_fx.gmn.batch import GraphBatch
from gmn_fx.gmn.flatgraph import graph_of_nodes
from gmn_fx.gmn.model import GMN
from gmn_fx.gmn.spaces import segments
from gmn_fx.graph.schema import NODE_COLUMNS, NODE_KINDS

if TYPE_CHECKING:
    from torch_geometric.data import Data

Pool = Literal["graph", "kind", "depth"]
NUM_KINDS = len(NODE_KINDS)


def pooled(gmn: GMN, graphs: GraphBatch | Data, nodes: Tensor, pool: Pool) -> Tensor:
    """[B, d], or [B, kinds * d] for "kind".

    nodes: [B, N, d] of a `GraphBatch`, [N, d] of a `Data`.
    """
    if isinstance(graphs, GraphBatch):
        types = gmn.plan(graphs.structure).node_types
        flat = nodes.reshape(-1, nodes.shape[-1])
        batch = nodes.shape[0]
        graph = torch.arange(batch, device=nodes.device).repeat_interleave(nodes.shape[1])
        types = types.repeat(batch, 1)
    else:
        flat, types = nodes, graphs.x
        graph, batch = graph_of_nodes(graphs)
    if pool == "graph":
        sizes = torch.bincount(graph, minlength=batch)
        if gmn.config.aggregation != "sum":
            return segments(flat, sizes, mean=True)
        return segments(flat, sizes, mean=False) / gmn.vocabulary.sizes.nodes
    column = types[:, NODE_COLUMNS.index(pool)]
    if pool == "kind":
        return _mean(flat, graph * NUM_KINDS + column, batch * NUM_KINDS).reshape(batch, -1)
    low = int(column.min())
    count = int(column.max()) - low + 1
    cell = graph * count + column - low
    means = _mean(flat, cell, batch * count).reshape(batch, count, -1)
    there = torch.bincount(cell, minlength=batch * count).reshape(batch, count, 1) > 0
    return means.sum(1) / there.sum(1).to(means.dtype)


def _mean(rows: Tensor, cell: Tensor, count: int) -> Tensor:
    """Mean of the rows of each cell."""
    order = torch.argsort(cell, stable=True)
    return segments(rows[order], torch.bincount(cell, minlength=count), mean=True)
