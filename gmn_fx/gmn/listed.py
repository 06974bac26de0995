"""A batch of one architecture as an edge list, its values kept in the autograd graph."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gmn_fx.gmn.ends import Ends
from gmn_fx.gmn.plan import Block, Plan
from gmn_fx.gmn.spaces import Flat


@dataclass(frozen=True)
class Listing:
    """The edges of `batch` graphs of one architecture, each graph's in the order of the plan.

    edge_index: int64 [2, batch * E]; sources, targets: its rows. kind: int64 [batch * E], rows of
    the plan's edge types. place: int64 [E], of each edge's value among those of all slots, one
    after another; the one behind the last is 1.
    """

    edge_index: Tensor
    sources: Ends
    targets: Ends
    kind: Tensor
    place: Tensor
    edge_graph: Tensor
    space: Flat

    def values(self, slots: tuple[Tensor, ...], like: Tensor) -> Tensor:
        """Values of the edges, [batch * E], from those of the slots, [batch, numel] each."""
        one = like.new_ones(self.space.batch, 1)
        every = torch.cat([*(s.to(like.device, like.dtype) for s in slots), one], 1)
        return every.index_select(1, self.place).reshape(-1)


def list_edges(plan: Plan, batch: int, sizes: tuple[int, ...]) -> Listing:
    """The listing of a plan; sizes: number of elements of each slot."""
    device = plan.fan_in.device
    starts = [0]
    for n in sizes:
        starts.append(starts[-1] + n)
    blocks = [_one(block, starts, device) for block in plan.blocks]
    none = torch.zeros(4, 0, dtype=torch.int64, device=device)
    src, dst, kind, place = torch.cat(blocks, 1) if blocks else none
    graph = torch.arange(batch, device=device)
    shift = graph.repeat_interleave(plan.num_edges) * plan.num_nodes
    fan_in, fan_out = plan.fan_in.repeat(batch), plan.fan_out.repeat(batch)
    edge_index = torch.stack([src, dst]).repeat(1, batch) + shift
    return Listing(
        edge_index, Ends.of(edge_index[0], fan_out), Ends.of(edge_index[1], fan_in),
        kind.repeat(batch), place, graph.repeat_interleave(plan.num_edges),
        Flat(fan_in, fan_out, graph.repeat_interleave(plan.num_nodes), batch),
    )  # fmt: skip


def _one(block: Block, starts: list[int], device: torch.device) -> Tensor:
    """int64 [4, edges]: source, destination, kind and place of the edges of a block."""
    p, d, s, _ = block.shape
    src = block.src.index(device).reshape(p, 1, s, 1)
    dst = block.dst.index(device).reshape(p, d, 1, 1)
    if block.reading is None:
        place = torch.full(block.shape, starts[-1], device=device)
    else:
        place = block.reading.elements(device).reshape(block.shape) + starts[block.reading.slot]
    parts = (src, dst, block.kinds, place)
    return torch.stack([t.expand(block.shape).reshape(-1) for t in parts])
