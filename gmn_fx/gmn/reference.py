"""The reference executor: a plain PyG `MessagePassing` over an edge list.

Gather both ends, concatenate, apply the MLP to every edge, scatter. It takes any `Data` or `Batch`
with the fields of `graph.to_pyg()`; all other executors are tested against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.flatgraph import FlatGraph
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.states import States


class ReferenceConv(MessagePassing):  # type: ignore[misc]
    """One `Layer` on an edge list; it owns no weights."""

    def __init__(self, aggregation: str) -> None:
        super().__init__(aggr="sum" if aggregation == "sum" else "mean")

    def forward(
        self, layer: Layer, read: Tensor, edge_index: Tensor, e: Tensor, u: Tensor | None
    ) -> tuple[list[Tensor], Tensor]:
        """Messages at the nodes, [N, d] each, and the hidden layer of every edge [E, d].

        read: [N, d]. edge_index: int64 [2, E]. e: [E, d]. u: [E, d], of the graph of each edge.
        """
        h = self.edge_updater(edge_index, read=read, e=e, u=u, layer=layer)
        sums = layer.config.aggregation == "sum"
        ways = [(edge_index, layer.to_dst, layer.sizes.fan_in)]
        if layer.to_src is not None:
            ways.append((edge_index.flip(0), layer.to_src, layer.sizes.fan_out))
        out = []
        for index, last, typical in ways:
            found = self.propagate(index, m=last(h), size=(len(read), len(read)))
            out.append(found / typical if sums else found)
        return out, h

    def edge_update(
        self, read_i: Tensor, read_j: Tensor, e: Tensor, u: Tensor | None, layer: Layer
    ) -> Tensor:
        """The hidden layer of the edge MLP."""
        z = [read_i, read_j, e] if u is None else [read_i, read_j, e, u]
        return layer.hidden(layer.edge(torch.cat(z, -1)))

    def message(self, m: Tensor) -> Tensor:
        """As computed."""
        return m


def run_reference(
    graph: FlatGraph, encoder: Encoder, layers: Sequence[Layer], readout: nn.Linear | None
) -> States:
    """States of all nodes, of u, and the readout of every edge."""
    v = graph.nodes(encoder)
    e = graph.on_edges(encoder.edges(graph.edge_type)) + encoder.value(graph.features)
    u = None if encoder.start is None else encoder.start.expand(graph.space.batch, -1)
    conv = ReferenceConv(layers[0].config.aggregation)
    h: Any = None
    for layer in layers:
        read = layer.pre(v)
        per_edge = None if u is None else u[graph.edge_graph]
        messages, h = conv(layer, read, graph.edge_index, e, per_edge)
        v = layer.update(graph.space, v, read, u, messages)
        e = layer.edge_out(h)
        if u is not None:
            u = layer.update_whole(graph.space, u, v, graph.edge_sum(e))
    return States(v, u, None if readout is None else readout(h))
