"""One end of every edge of an edge list: gather from nodes, sum at nodes, to full precision.

Adding a hundred thousand edges to one node one by one loses four digits of float32, in the sum and
in the gradient of the gather. A node with many edges here has several rows, each with a few hundred
of its edges, which are added up afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmn_fx.gmn.spaces import RUN, segments

# Multiplicative hashing: edges of a node that are evenly spaced in the list still spread evenly.
_HASH = 2654435761


@dataclass(frozen=True)
class Ends:
    """node: int64 [E]. row: int64 [E], rows of a table in which node i has copies[i] rows.

    copies: int64 [N]; None if all are 1.
    """

    node: Tensor
    row: Tensor
    copies: Tensor | None
    nodes: int

    @staticmethod
    def of(node: Tensor, degree: Tensor) -> Ends:
        """node: int64 [E]. degree: int64 [N], how often each node occurs."""
        nodes = len(degree)
        if not len(node) or int(degree.max()) <= RUN:
            return Ends(node, node, None, nodes)
        copies = (degree + RUN - 1).div(RUN, rounding_mode="floor").clamp(min=1)
        number = torch.arange(len(node), device=node.device).mul_(_HASH).bitwise_and_(0xFFFFFFFF)
        number.bitwise_right_shift_(8).remainder_(copies[node])
        first = copies.cumsum(0) - copies
        return Ends(node, number.add_(first[node]), copies, nodes)

    def gather(self, table: Tensor) -> Tensor:
        """[E, d] from [N, d]."""
        if self.copies is None:
            return table[self.node]
        return table.repeat_interleave(self.copies, 0)[self.row]

    def sum(self, edges: Tensor) -> Tensor:
        """[N, d] from [E, d]."""
        count = self.nodes if self.copies is None else int(self.copies.sum())
        out = edges.new_zeros(count, edges.shape[-1]).index_add(0, self.row, edges)
        return out if self.copies is None else segments(out, self.copies, mean=False)
