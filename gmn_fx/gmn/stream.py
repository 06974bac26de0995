"""The streaming form of a sweep: nothing is kept.

An edge's hidden layer is a function of its value and of the node tables of the layers so far, so
each pass computes it again, block by block, in the cache.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gmn_fx.gmn.kernel import Step, argument, collect, finish, rows_base, unfinish
from gmn_fx.gmn.sweep import (
    PARTS,
    Bases,
    Piece,
    Sums,
    Sweep,
    end_at_values,
    first_argument,
    or_none,
    seeds_of,
    through,
    value_grads,
)


def stream(
    sweep: Sweep, steps: list[Step], values: tuple[Tensor, ...], readout: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The last of `steps`: sums at destinations and sources [B, N, H], the readout [B, E, C]."""
    if not sweep.saves:
        sums = _run(sweep, steps, values, readout)
        return sums.dst, sums.src, sums.out
    parts = [t for step in steps for t in step.tensors()]
    return _Stream.apply(sweep, len(steps), readout, *parts, *values)


def _run(
    sweep: Sweep, steps: list[Step], values: tuple[Tensor, ...], readout: Tensor | None
) -> Sums:
    sums = Sums(sweep, steps[-1].dst, readout)
    bases = Bases(sweep.scratch)
    for piece in sweep.pieces():
        sums.add(piece, _chain(sweep, steps, values, piece, bases)[-1][0])
    return sums


class _Stream(torch.autograd.Function):
    """One layer, with its backward."""

    @staticmethod
    def forward(ctx: Any, sweep: Sweep, layers: int, readout: Tensor | None, *tensors: Any) -> Any:
        sums = _run(sweep, *_split(sweep, layers, tensors), readout)
        ctx.sweep, ctx.layers = sweep, layers
        ctx.save_for_backward(readout, *tensors)
        return sums.dst, sums.src, sums.out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dst: Any, src: Any, out: Any) -> Any:
        sweep: Sweep = ctx.sweep
        readout, *tensors = ctx.saved_tensors
        steps, values = _split(sweep, ctx.layers, tuple(tensors))
        grads, seeds = [s.zeros() for s in steps], seeds_of(dst, src, out, readout)
        by_value = value_grads(ctx, values)
        bases = Bases(sweep.scratch)
        with sweep.plain():
            for piece in sweep.pieces():
                chain = _chain(sweep, steps, values, piece, bases)
                shape = chain[-1][0].shape
                g = seeds.at(
                    piece, chain[-1][0], None, sweep.scratch.get(("g", len(steps) % 2), shape)
                )
                for k in reversed(range(len(steps))):
                    g = unfinish(steps[k], g, chain[k][1], grads[k])
                    if k:
                        collect(piece.block, g, grads[k], piece.low, piece.high)
                        room = sweep.scratch.get(("g", k % 2), shape)
                        g = through(steps[k], grads[k], g, chain[k - 1][0], room)
                end_at_values(sweep, steps[0], grads[0], piece, g, values, by_value)
        parts = [t for one in grads for t in one.tensors()]
        return (None, None, seeds.readout_grad, *parts, *or_none(by_value, len(values)))


def _split(
    sweep: Sweep, layers: int, tensors: tuple[Any, ...]
) -> tuple[list[Step], tuple[Tensor, ...]]:
    cut = [tensors[i * PARTS : (i + 1) * PARTS] for i in range(layers)]
    return [sweep.step(c) for c in cut], tensors[layers * PARTS :]


def _chain(
    sweep: Sweep, steps: list[Step], values: tuple[Tensor, ...], piece: Piece,
    bases: Bases,
) -> list[tuple[Tensor, Tensor]]:  # fmt: skip
    """(hidden layer, what backward needs) of every layer for one piece."""
    out: list[tuple[Tensor, Tensor]] = []
    for k, step in enumerate(steps):
        # without a backward two buffers are enough
        name = ("x", k if sweep.saves else k % 2)
        x = sweep.scratch.get(name, piece.shape(step.dst.shape[-1]))
        if k == 0:
            first_argument(sweep, step, piece, values, bases, x)
        else:
            base = rows_base(piece.block, step, piece.low, piece.high)
            argument(step, out[-1][0], base, x)
        out.append((finish(step, x, sweep.result(step, x, k)), x))
    return out
