"""The flat executor: an edge list, but nodes are projected once and messages summed early.

W [v_i; v_j; e; u] is a sum of four parts, so the parts of the nodes and of u are computed once a
node and gathered; the last linear of MLP_m commutes with the sum; the last linear of MLP_e is one
matrix with the first of the next layer. Exact for every option.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from gmn_fx.gmn.encoder import Encoder
from gmn_fx.gmn.flatgraph import FlatGraph
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.states import States


def run_flat(
    graph: FlatGraph, encoder: Encoder, layers: Sequence[Layer], readout: nn.Linear | None
) -> States:
    """As `run_reference`."""
    v = graph.nodes(encoder)
    u = None if encoder.start is None else encoder.start.expand(graph.space.batch, -1)
    src, dst = graph.sources, graph.targets
    h: Tensor | None = None
    before: Layer | None = None
    for layer in layers:
        read = layer.pre(v)
        at_dst, at_src = layer.ends(graph.space, read, u, merged_bias(before, layer))
        if h is None or before is None:
            part = layer.part(2).T
            z = graph.features @ (encoder.value.weight.T @ part)
            z = z + graph.on_edges(encoder.edges(graph.edge_type) @ part)
        else:
            z = h @ merged(before, layer)
        h = layer.hidden(z + dst.gather(at_dst) + src.gather(at_src))
        total = dst.sum(h)
        back = None if layer.to_src is None else src.sum(h)
        v = layer.absorb(graph.space, v, layer.own(graph.space, read, u), total, back)
        if u is not None:
            edges = layer.edge_total(graph.space, graph.space.pool(total, mean=False))
            u = layer.update_whole(graph.space, u, v, edges)
        before = layer
    assert h is not None
    return States(v, u, None if readout is None else readout(h))


def merged(before: Layer, layer: Layer) -> Tensor:
    """[d, d]: from the hidden layer of `before` to the argument of that of `layer`."""
    return before.edge_out.weight.T @ layer.part(2).T


def merged_bias(before: Layer | None, layer: Layer) -> Tensor | None:
    """[d]: what the bias of the edge MLP of `before` adds to that argument."""
    return None if before is None else F.linear(before.edge_out.bias, layer.part(2))
