"""One pass over all edges, block by block: what the dense and the streaming form share.

Both give, for one layer, the sums of the hidden layer of the edge MLP at the destinations and the
sources of the edges, and on request a linear readout for every edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gmn_fx.gmn.activation import Activation
from gmn_fx.gmn.kernel import (
    Parts,
    Step,
    add_into,
    argument,
    at_dst,
    at_src,
    collect,
    factor_of,
    features,
    features_back,
    finish,
    rows_base,
    to_dst,
    to_src,
    values_of,
)
from gmn_fx.gmn.plan import Block, Plan
from gmn_fx.gmn.scratch import Scratch, room

PARTS = 6  # tensors of a Step


@dataclass(frozen=True)
class Piece:
    """A block of the graphs low .. high - 1 of a batch."""

    block: Block
    batch: int
    low: int
    high: int

    def shape(self, width: int) -> tuple[int, ...]:
        """[B, P, D, S, R, H]."""
        return (self.high - self.low, *self.block.shape, width)

    def of(self, kept: Tensor) -> Tensor:
        """Its part of a tensor [edges of all graphs, H], in which pieces lie one after another."""
        p, d, s, r = self.block.shape
        width = kept.shape[-1]
        first = self.block.first * self.batch + self.low * self.block.size
        strides = (p * d * s * r * width, d * s * r * width, s * r * width, r * width, width, 1)
        return kept.as_strided(self.shape(width), strides, kept.storage_offset() + first * width)


@dataclass(frozen=True)
class Sweep:
    """What does not change from layer to layer.

    batch: number of graphs. limit: edges that are worked on at a time. backward: also sum at the
    sources. by_type: [T], by_node: [N] or None: factors of the values. saves: there may be a
    backward. scratch: buffers of all its layers, which take turns.
    """

    plan: Plan
    batch: int
    limit: int
    frequencies: int
    backward: bool
    act: Activation
    by_type: Tensor
    by_node: Tensor | None
    saves: bool
    scratch: Scratch

    def factor(self, block: Block) -> Tensor:
        """What the values of a block are multiplied by."""
        return factor_of(block, self.by_type, self.by_node)

    def pieces(self) -> Iterator[Piece]:
        """The blocks, each for as many graphs as fit."""
        for block in self.plan.blocks:
            step = max(1, self.limit // block.size)
            for low in range(0, self.batch, step):
                yield Piece(block, self.batch, low, min(self.batch, low + step))

    def plain(self) -> torch.autocast:
        """Backward without autocast, as forward is."""
        return torch.autocast(self.by_type.device.type, enabled=False)

    def kept(self, step: Step) -> Tensor:
        """Room for a layer of all edges of all graphs, [B * E, H]."""
        return room(self.batch * self.plan.num_edges, step.dst.shape[-1], step.dst)

    def result(self, step: Step, x: Tensor, layer: int = 0) -> Tensor:
        """Where the hidden layer goes: over its argument, unless backward needs that."""
        if step.keeps_result or not self.saves:
            return x
        return self.scratch.get(("h", layer), x.shape)

    def again(self, step: Step, kept: Tensor) -> Tensor:
        """The hidden layer from what was kept of it."""
        if step.keeps_result or not self.saves:
            return kept
        return finish(step, kept, self.scratch.get("again", kept.shape))

    def step(self, tensors: tuple[Tensor | None, ...]) -> Step:
        """A layer from its tensors."""
        dst, src, weight, types, gain, shift = tensors
        assert dst is not None
        assert src is not None
        assert weight is not None
        return Step(dst, src, weight, types, gain, shift, self.act)


class Sums:
    """The outputs of a sweep, filled piece by piece."""

    def __init__(self, sweep: Sweep, like: Tensor, readout: Tensor | None) -> None:
        nodes, width = sweep.plan.num_nodes, like.shape[-1]
        self.dst = like.new_zeros(sweep.batch, nodes, width)
        self.src = like.new_zeros(sweep.batch, nodes, width) if sweep.backward else None
        self.readout = readout
        self.out = None
        if readout is not None:
            self.out = like.new_empty(sweep.batch, sweep.plan.num_edges, readout.shape[1])

    def add(self, piece: Piece, h: Tensor) -> None:
        """The hidden layer of a piece."""
        block, low, high = piece.block, piece.low, piece.high
        block.dst.add(self.dst, low, high, to_dst(block, h))
        if self.src is not None:
            block.src.add(self.src, low, high, to_src(block, h))
        if self.out is not None and self.readout is not None:
            flat = h.reshape(high - low, block.size, h.shape[-1])
            self.out[low:high, block.first : block.first + block.size] = flat @ self.readout


@dataclass
class Seeds:
    """Gradients of the outputs of a sweep."""

    dst: Tensor | None
    src: Tensor | None
    out: Tensor | None
    readout: Tensor | None
    readout_grad: Tensor | None

    def at(self, piece: Piece, h: Tensor, above: Tensor | None, room: Tensor) -> Tensor:
        """Gradient of the hidden layer h of a piece, written into `room`.

        above: what the next layer gives.
        """
        block, low, high = piece.block, piece.low, piece.high
        parts = [] if above is None else [above]
        if self.dst is not None:
            parts.append(at_dst(block, self.dst, low, high, wide=True))
        if self.src is not None:
            parts.append(at_src(block, self.src, low, high, wide=True))
        if len(parts) > 1:
            add_into(parts[0], parts[1], room)
        elif parts:
            room.copy_(parts[0])
        else:
            room.zero_()
        if len(parts) > 2:
            room.add_(parts[2])
        if self.out is not None and self.readout is not None and self.readout_grad is not None:
            out = self.out[piece.low : piece.high]
            out = out[:, piece.block.first : piece.block.first + piece.block.size]
            out = out.reshape(-1, out.shape[-1])
            self.readout_grad.addmm_(h.reshape(-1, h.shape[-1]).T, out)
            room.view(-1, room.shape[-1]).addmm_(out, self.readout.T)
        return room


class Bases:
    """`rows_base`; as one tensor, made once a block, where it is the same for all graphs."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._known: tuple[int, Tensor] | None = None

    def get(self, piece: Piece, step: Step) -> tuple[Tensor, ...]:
        """What `argument` takes."""
        block = piece.block
        if step.dst.shape[0] > 1 or step.src.shape[0] > 1:
            return rows_base(block, step, piece.low, piece.high)
        if self._known is None or self._known[0] != block.first:
            # the one graph of the tables stands for all
            left, right = rows_base(block, step, 0, 1)
            shape = [max(a, b) for a, b in zip(left.shape, right.shape, strict=True)]
            out = self._scratch.get("base", shape)
            self._known = block.first, add_into(left, right, out)
        return (self._known[1],)


def seeds_of(dst: Any, src: Any, out: Any, readout: Tensor | None) -> Seeds:
    """The gradients that autograd gives, any of which may be None."""
    grad = None if readout is None or out is None else torch.zeros_like(readout)
    return Seeds(dst, src, out, readout, grad)


def through(step: Step, grads: Parts, g: Tensor, below: Tensor, room: Tensor) -> Tensor:
    """Gradient of the hidden layer below, in `room`; adds that of the matrix between."""
    flat = g.reshape(-1, g.shape[-1])
    grads.weight.addmm_(below.reshape(-1, below.shape[-1]).T, flat)
    torch.mm(flat, step.weight.T, out=room.view(-1, room.shape[-1]))
    return room


def end_at_values(
    sweep: Sweep, step: Step, grads: Parts, piece: Piece, g: Tensor,
    values: tuple[Tensor, ...], by_value: list[Tensor] | None,
) -> None:  # fmt: skip
    """The first layer: gradients of the node tables, the types, the matrix and the values."""
    block, low, high = piece.block, piece.low, piece.high
    collect(block, g, grads, low, high)
    w = values_at(sweep, piece, values)
    flat = g.reshape(-1, g.shape[-1])
    below = features(w, sweep.frequencies)
    grads.weight.addmm_(below.reshape(-1, below.shape[-1]).T, flat)
    if by_value is None or block.reading is None:
        return
    part = (flat @ step.weight.T).reshape(below.shape)
    part = features_back(part, w, sweep.frequencies).reshape(-1, *block.shape)
    part = part * sweep.factor(block)
    block.reading.add(tuple(by_value), low, high, part)


def first_argument(
    sweep: Sweep, step: Step, piece: Piece, values: tuple[Tensor, ...], bases: Bases, out: Tensor
) -> Tensor:
    """The argument of the first layer, written into `out` [B, P, D, S, R, H]."""
    block, base = piece.block, bases.get(piece, step)
    factor = sweep.factor(block)
    if sweep.frequencies or factor.numel() > 1 or block.reading is None:
        below = features(values_at(sweep, piece, values), sweep.frequencies)
        return argument(step, below, base, out)
    # one factor for all edges goes into the vector that the values are multiplied by
    w = block.reading.get(values, piece.low, piece.high).reshape(*out.shape[:-1], 1)
    first = base[0] if len(base) == 1 else add_into(base[0], base[1], out)
    return torch.addcmul(first, w, step.weight[0] * factor.reshape(1), out=out)


def values_at(sweep: Sweep, piece: Piece, values: tuple[Tensor, ...]) -> Tensor:
    """Scaled values of the edges of a piece, [B, edges]."""
    return values_of(piece.block, values, sweep.factor(piece.block), piece.low, piece.high)


def or_none(grads: list[Tensor] | None, count: int) -> list[Tensor | None]:
    """What backward returns for the values."""
    return [None] * count if grads is None else [*grads]


def value_grads(ctx: Any, values: Any) -> list[Tensor] | None:
    """Zeros for the gradients of the values, if any is asked for."""
    if not values or not any(ctx.needs_input_grad[-len(values) :]):
        return None
    return [torch.zeros_like(v, memory_format=torch.contiguous_format) for v in values]
