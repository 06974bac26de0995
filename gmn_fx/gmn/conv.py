"""One round as a layer for other PyG models: any edge list, states of nodes, edges and graphs."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from gmn_fx.errors import UsageError
from gmn_fx.gmn.config import GMNConfig
from gmn_fx.gmn.ends import Ends
from gmn_fx.gmn.layer import Layer
from gmn_fx.gmn.sizes import Sizes
from gmn_fx.gmn.spaces import Flat


class GMNConv(nn.Module):
    """The update of edges, nodes and (if there is one) of u of Lim et al. (ICLR 2024), eq. 1 to 3.

    hidden: width d of all states. options: the other fields of `GMNConfig` but `layers` and
    `value_frequencies`. A sum of messages is divided by `sizes`, what a typical graph has.
    """

    def __init__(self, hidden: int, *, sizes: Sizes | None = None, **options: Any) -> None:
        super().__init__()
        config = GMNConfig(hidden=hidden, **options)
        if config.aggregation == "fan_in":
            raise UsageError(
                "GMNConv has no aggregation='fan_in': that multiplies the values of parameters",
                hint="multiply them where you make the first edge states, and take the 'mean'",
            )
        self.layer = Layer(config, sizes or Sizes())

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        u: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The next states of nodes, edges and graphs.

        x: [N, d]. edge_index: int64 [2, E]. edge_attr: [E, d]. u: [B, d], needed exactly where
        `global_state` is on. batch: int64 [N], ascending, the graph of each node.

        Raises:
            UsageError: a width is not d, or u is missing or too many.
        """
        layer = self.layer
        self._check(x, edge_attr, u)
        space = _space(x, edge_index, batch, 1 if u is None else len(u))
        src, dst = Ends.of(edge_index[0], space.fan_out), Ends.of(edge_index[1], space.fan_in)
        read = layer.pre(x)
        at_dst, at_src = layer.ends(space, read, u, None)
        hidden = layer.hidden(
            F.linear(edge_attr, layer.part(2)) + dst.gather(at_dst) + src.gather(at_src)
        )
        total = dst.sum(hidden)
        back = None if layer.to_src is None else src.sum(hidden)
        after = layer.absorb(space, x, layer.own(space, read, u), total, back)
        if u is not None:
            edges = layer.edge_total(space, space.pool(total, mean=False))
            u = layer.update_whole(space, u, after, edges)
        return after, layer.edge_out(hidden), u

    def _check(self, x: Tensor, edge_attr: Tensor, u: Tensor | None) -> None:
        config = self.layer.config
        for name, table in (("x", x), ("edge_attr", edge_attr), ("u", u)):
            if table is not None and table.shape[-1] != config.hidden:
                raise UsageError(
                    f"{name} has width {table.shape[-1]}, the layer has hidden={config.hidden}",
                    hint="map features to that width first, with nn.Linear or an embedding",
                )
        if config.global_state != (u is not None):
            raise UsageError(
                f"GMNConv has global_state={config.global_state}, u is "
                + ("missing" if u is None else "given"),
                hint="give u [graphs, hidden], or make the layer with global_state=False",
            )


def _space(x: Tensor, edge_index: Tensor, batch: Tensor | None, graphs: int) -> Flat:
    src, dst = edge_index
    degrees = (x.new_zeros(len(x), dtype=edge_index.dtype) for _ in range(2))
    fan_in, fan_out = (
        d.index_add(0, at, at.new_ones(len(at))) for d, at in zip(degrees, (dst, src), strict=True)
    )
    if batch is None:
        batch = edge_index.new_zeros(len(x))
    return Flat(fan_in, fan_out, batch, graphs)
