"""Where node states live: see `gmn_fx.gmn.layer.Space`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

# Rows that are added one after the other; more are added in runs of so many.
RUN = 256


def segments(rows: Tensor, sizes: Tensor, *, mean: bool) -> Tensor:
    """Sum or mean of runs of `rows` [n, d], whose lengths are `sizes`; 0 of an empty run.

    In short runs, then runs of these: many rows scattered or added into one lose digits.
    """
    total, left = rows, sizes
    while len(left) and int(left.max()) > RUN:
        parts = (left + RUN - 1).div(RUN, rounding_mode="floor")
        lengths = torch.full_like(parts.new_empty(int(parts.sum())), RUN)
        some = parts > 0
        lengths[(parts.cumsum(0) - 1)[some]] = (left - (parts - 1) * RUN)[some]
        total, left = _reduced(total, lengths), parts
    total = _reduced(total, left)
    return total / sizes.clamp(min=1).unsqueeze(-1).to(rows.dtype) if mean else total


def _reduced(rows: Tensor, sizes: Tensor) -> Tensor:
    return torch.segment_reduce(rows, "sum", lengths=sizes, axis=0, unsafe=True)


@dataclass(frozen=True)
class Stacked:
    """[B, N, d]: B graphs of one architecture. fan_in, fan_out: [N]."""

    fan_in: Tensor
    fan_out: Tensor
    batch: int
    num_edges: int

    def cut(self, low: int, high: int) -> Stacked:
        """For the nodes low .. high - 1 alone."""
        return replace(self, fan_in=self.fan_in[low:high], fan_out=self.fan_out[low:high])

    def spread(self, u: Tensor) -> Tensor:
        """[B, 1, d]."""
        return u.unsqueeze(1)

    def pool(self, v: Tensor, mean: bool) -> Tensor:
        """[B, d]."""
        out = v.mean(1) if mean else v.sum(1)
        return out.expand(self.batch, -1)

    def edges(self) -> Tensor:
        """[1, 1]."""
        return self.fan_in.new_full((1, 1), self.num_edges)


@dataclass(frozen=True)
class Flat:
    """[N, d]: all nodes of all graphs. graph: [N], the graph of each node, ascending."""

    fan_in: Tensor
    fan_out: Tensor
    graph: Tensor
    batch: int

    def spread(self, u: Tensor) -> Tensor:
        """[N, d]."""
        return u.expand(self.batch, -1)[self.graph]

    def pool(self, v: Tensor, mean: bool) -> Tensor:
        """[B, d]."""
        return segments(v, torch.bincount(self.graph, minlength=self.batch), mean=mean)

    def edges(self) -> Tensor:
        """[B, 1]."""
        total = torch.zeros(self.batch, dtype=self.fan_in.dtype, device=self.fan_in.device)
        return total.index_add(0, self.graph, self.fan_in).unsqueeze(-1)
