"""One pass over all edges, with a backward by hand: the dense and the streaming form.

Both give, for one layer, the sums of the hidden layer of the edge MLP at the destinations and the
sources of the edges, and on request a linear readout for every edge. The dense form keeps the
hidden layers of all edges between the layers; the streaming form keeps nothing: an edge's hidden
layer is a function of its value and of the node tables of the layers so far, so each pass computes
it again, block by block, in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gmn_fx.gmn.activation import Activation
from gmn_fx.gmn.kernel import (
    Parts,
    Step,
    again,
    argument,
    base_of,
    collect,
    factor_of,
    features,
    features_back,
    finish,
    spread,
    to_dst,
    to_src,
    unfinish,
    values_of,
)
from gmn_fx.gmn.plan import Block, Plan

_PARTS = 6  # tensors of a Step


@dataclass(frozen=True)
class Sweep:
    """What does not change from layer to layer.

    batch: number of graphs. limit: edges that are worked on at a time. backward: also sum at the
    sources. by_type: [T], by_node: [N] or None: factors of the values.
    """

    plan: Plan
    batch: int
    limit: int
    frequencies: int
    backward: bool
    act: Activation
    by_type: Tensor
    by_node: Tensor | None

    def factor(self, block: Block) -> Tensor:
        """What the values of a block are multiplied by."""
        return factor_of(block, self.by_type, self.by_node)

    def pieces(self) -> Iterator[tuple[Block, int, int]]:
        """(block, first graph, last graph + 1)."""
        for block in self.plan.blocks:
            step = max(1, self.limit // block.size)
            for low in range(0, self.batch, step):
                yield block, low, min(self.batch, low + step)

    def step(self, tensors: tuple[Tensor | None, ...]) -> Step:
        """A layer from its tensors."""
        dst, src, weight, types, gain, shift = tensors
        assert dst is not None
        assert src is not None
        assert weight is not None
        return Step(dst, src, weight, types, gain, shift, self.act)


class _Sums:
    """The outputs of a sweep, filled piece by piece."""

    def __init__(self, sweep: Sweep, like: Tensor, readout: Tensor | None) -> None:
        nodes, width = sweep.plan.num_nodes, like.shape[-1]
        self.dst = like.new_zeros(sweep.batch, nodes, width)
        self.src = like.new_zeros(sweep.batch, nodes, width) if sweep.backward else None
        self.readout = readout
        self.out = None
        if readout is not None:
            self.out = like.new_empty(sweep.batch, sweep.plan.num_edges, readout.shape[1])

    def add(self, block: Block, low: int, high: int, h: Tensor) -> None:
        block.dst.add(self.dst[low:high], to_dst(block, h))
        if self.src is not None:
            block.src.add(self.src[low:high], to_src(block, h))
        if self.out is not None and self.readout is not None:
            flat = h.reshape(high - low, block.size, h.shape[-1])
            self.out[low:high, block.first : block.first + block.size] = flat @ self.readout


@dataclass
class _Seeds:
    """Gradients of the outputs of a sweep."""

    dst: Tensor | None
    src: Tensor | None
    out: Tensor | None
    readout: Tensor | None
    readout_grad: Tensor | None

    def at(self, block: Block, low: int, high: int, h: Tensor, above: Tensor | None) -> Tensor:
        """Gradient of the hidden layer h of a piece; `above`: what the next layer gives."""
        cut = [None if t is None else t[low:high] for t in (self.dst, self.src)]
        g = spread(block, *cut)
        parts = [] if g is None else [g]
        if above is not None:
            parts.append(above.reshape(h.shape))
        if self.out is not None and self.readout is not None and self.readout_grad is not None:
            out = self.out[low:high, block.first : block.first + block.size]
            out = out.reshape(-1, out.shape[-1])
            self.readout_grad.addmm_(h.reshape(-1, h.shape[-1]).T, out)
            parts.append((out @ self.readout.T).reshape(h.shape))
        if not parts:
            return torch.zeros_like(h)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total.expand(h.shape)


class _Bases:
    """`base_of`, made once a block where it is the same for all graphs."""

    def __init__(self) -> None:
        self.known: tuple[int, Tensor] | None = None

    def get(self, block: Block, step: Step, low: int, high: int) -> Tensor:
        if step.dst.shape[0] > 1 or step.src.shape[0] > 1:
            return base_of(block, step, low, high)
        if self.known is None or self.known[0] != block.first:
            self.known = block.first, base_of(block, step, low, high)
        return self.known[1]


class _First(torch.autograd.Function):
    """The first layer of the dense form: from values to kept hidden layers."""

    @staticmethod
    def forward(ctx: Any, sweep: Sweep, keep: bool, readout: Tensor | None, *tensors: Any) -> Any:
        step, values = sweep.step(tensors[:_PARTS]), tensors[_PARTS:]
        sums, kept, bases = _Sums(sweep, step.dst, readout), [], _Bases()
        needed = keep or any(ctx.needs_input_grad)
        for block, low, high in sweep.pieces():
            w = values_of(block, values, sweep.factor(block), low, high)
            below = features(w, sweep.frequencies)
            x = argument(block, step, below, bases.get(block, step, low, high))
            h, state = finish(step, x)
            sums.add(block, low, high, h)
            if needed:
                kept.append(state)
        ctx.sweep, ctx.count = sweep, len(values)
        ctx.save_for_backward(readout, *tensors, *kept)
        return (sums.dst, sums.src, sums.out, *(kept if keep else ()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dst: Any, src: Any, out: Any, *above: Any) -> Any:
        sweep: Sweep = ctx.sweep
        readout, *rest = ctx.saved_tensors
        step = sweep.step(tuple(rest[:_PARTS]))
        values, kept = rest[_PARTS : _PARTS + ctx.count], rest[_PARTS + ctx.count :]
        grads, seeds = step.zeros(), _seeds(dst, src, out, readout)
        by_value = _value_grads(ctx, values)
        for i, (block, low, high) in enumerate(sweep.pieces()):
            state = kept[i]
            h = again(step, state) if readout is not None else state
            g = seeds.at(block, low, high, h, above[i] if above else None)
            g = unfinish(step, g, state, grads)
            _end(sweep, step, grads, block, low, high, g, tuple(values), by_value)
        return (None, None, seeds.readout_grad, *grads.tensors(), *_or_none(by_value, ctx.count))


class _Next(torch.autograd.Function):
    """A later layer of the dense form: from kept hidden layers to kept hidden layers."""

    @staticmethod
    def forward(
        ctx: Any,
        sweep: Sweep,
        keep: bool,
        readout: Tensor | None,
        gain: Any,
        shift: Any,
        *tensors: Any,
    ) -> Any:
        step, below = sweep.step(tensors[:_PARTS]), tensors[_PARTS:]
        prior = replace(step, types=None, gain=gain, shift=shift)
        sums, kept = _Sums(sweep, step.dst, readout), []
        needed = keep or any(ctx.needs_input_grad)
        for i, (block, low, high) in enumerate(sweep.pieces()):
            x = argument(block, step, again(prior, below[i]), base_of(block, step, low, high))
            h, state = finish(step, x)
            sums.add(block, low, high, h)
            if needed:
                kept.append(state)
        ctx.sweep, ctx.count = sweep, len(below)
        ctx.save_for_backward(readout, gain, shift, *tensors, *kept)
        return (sums.dst, sums.src, sums.out, *(kept if keep else ()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dst: Any, src: Any, out: Any, *above: Any) -> Any:
        sweep: Sweep = ctx.sweep
        readout, gain, shift, *rest = ctx.saved_tensors
        step = sweep.step(tuple(rest[:_PARTS]))
        prior = replace(step, types=None, gain=gain, shift=shift)
        below, kept = rest[_PARTS : _PARTS + ctx.count], rest[_PARTS + ctx.count :]
        grads, seeds, down = step.zeros(), _seeds(dst, src, out, readout), []
        for i, (block, low, high) in enumerate(sweep.pieces()):
            state = kept[i]
            h = again(step, state) if readout is not None else state
            g = seeds.at(block, low, high, h, above[i] if above else None)
            g = unfinish(step, g, state, grads)
            collect(block, g, grads, low, high)
            down.append(_through(step, grads, g, again(prior, below[i])))
        return (None, None, seeds.readout_grad, None, None, *grads.tensors(), *down)


class _Stream(torch.autograd.Function):
    """One layer of the streaming form: everything again from the values and the node tables."""

    @staticmethod
    def forward(ctx: Any, sweep: Sweep, layers: int, readout: Tensor | None, *tensors: Any) -> Any:
        steps, values = _split(sweep, layers, tensors)
        sums = _Sums(sweep, steps[-1].dst, readout)
        for block, low, high in sweep.pieces():
            h = _chain(sweep, steps, values, block, low, high)[-1][0]
            sums.add(block, low, high, h)
        ctx.sweep, ctx.layers = sweep, layers
        ctx.save_for_backward(readout, *tensors)
        return sums.dst, sums.src, sums.out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dst: Any, src: Any, out: Any) -> Any:
        sweep: Sweep = ctx.sweep
        readout, *tensors = ctx.saved_tensors
        steps, values = _split(sweep, ctx.layers, tuple(tensors))
        grads, seeds = [s.zeros() for s in steps], _seeds(dst, src, out, readout)
        by_value = _value_grads(ctx, values)
        for block, low, high in sweep.pieces():
            chain = _chain(sweep, steps, values, block, low, high)
            g = seeds.at(block, low, high, chain[-1][0], None)
            for k in reversed(range(len(steps))):
                g = unfinish(steps[k], g, chain[k][1], grads[k])
                if k:
                    collect(block, g, grads[k], low, high)
                    g = _through(steps[k], grads[k], g, chain[k - 1][0])
            _end(sweep, steps[0], grads[0], block, low, high, g, values, by_value)
        parts = [t for one in grads for t in one.tensors()]
        return (None, None, seeds.readout_grad, *parts, *_or_none(by_value, len(values)))


def dense(
    sweep: Sweep,
    step: Step,
    prior: Step | None,
    below: tuple[Tensor, ...],
    readout: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None, tuple[Tensor, ...]]:
    """One layer: sums at destinations and sources [B, N, H], the readout [B, E, C], kept layers.

    below: the values of the slots for the first layer (`prior` is None), else what the layer before
    kept. keep: a next layer will ask for the hidden layers.
    """
    parts = step.tensors()
    if prior is None:
        dst, src, out, *kept = _First.apply(sweep, keep, readout, *parts, *below)
    else:
        dst, src, out, *kept = _Next.apply(
            sweep, keep, readout, prior.gain, prior.shift, *parts, *below
        )
    return dst, src, out, tuple(kept)


def stream(
    sweep: Sweep, steps: list[Step], values: tuple[Tensor, ...], readout: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The last of `steps`: sums at destinations and sources [B, N, H], the readout [B, E, C]."""
    parts = [t for step in steps for t in step.tensors()]
    return _Stream.apply(sweep, len(steps), readout, *parts, *values)


def _split(
    sweep: Sweep, layers: int, tensors: tuple[Any, ...]
) -> tuple[list[Step], tuple[Tensor, ...]]:
    cut = [tensors[i * _PARTS : (i + 1) * _PARTS] for i in range(layers)]
    return [sweep.step(c) for c in cut], tensors[layers * _PARTS :]


def _chain(
    sweep: Sweep, steps: list[Step], values: tuple[Tensor, ...], block: Block, low: int, high: int
) -> list[tuple[Tensor, Tensor]]:
    """(hidden layer, what backward needs) of every layer for one piece."""
    w = values_of(block, values, sweep.factor(block), low, high)
    below = features(w, sweep.frequencies)
    out = []
    for step in steps:
        x = argument(block, step, below, base_of(block, step, low, high))
        below, state = finish(step, x)
        out.append((below, state))
    return out


def _seeds(dst: Any, src: Any, out: Any, readout: Tensor | None) -> _Seeds:
    grad = None if readout is None or out is None else torch.zeros_like(readout)
    return _Seeds(dst, src, out, readout, grad)


def _through(step: Step, grads: Parts, g: Tensor, below: Tensor) -> Tensor:
    """Gradient of the hidden layer below; adds that of the matrix between."""
    flat = g.reshape(-1, g.shape[-1])
    grads.weight.addmm_(below.reshape(-1, below.shape[-1]).T, flat)
    return (flat @ step.weight.T).reshape(below.shape)


def _end(
    sweep: Sweep, step: Step, grads: Parts, block: Block, low: int, high: int, g: Tensor,
    values: tuple[Tensor, ...], by_value: list[Tensor] | None,
) -> None:  # fmt: skip
    """The first layer: gradients of the node tables, the types, the matrix and the values."""
    collect(block, g, grads, low, high)
    w = values_of(block, values, sweep.factor(block), low, high)
    flat = g.reshape(-1, g.shape[-1])
    below = features(w, sweep.frequencies)
    grads.weight.addmm_(below.reshape(-1, below.shape[-1]).T, flat)
    if by_value is None or block.reading is None:
        return
    part = (flat @ step.weight.T).reshape(below.shape)
    part = features_back(part, w, sweep.frequencies).reshape(-1, *block.shape)
    part = part * sweep.factor(block)
    block.reading.add(tuple(by_value), low, high, part)


def _or_none(grads: list[Tensor] | None, count: int) -> list[Tensor | None]:
    return [None] * count if grads is None else [*grads]


def _value_grads(ctx: Any, values: Any) -> list[Tensor] | None:
    if not values or not any(ctx.needs_input_grad[-len(values) :]):
        return None
    return [torch.zeros_like(v, memory_format=torch.contiguous_format) for v in values]
