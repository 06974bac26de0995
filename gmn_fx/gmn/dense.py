"""The dense form of a sweep: the hidden layers of all edges are kept between the layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gmn_fx.gmn.kernel import Parts, Step, argument, collect, finish, rows_base, unfinish
from gmn_fx.gmn.sweep import (
    PARTS,
    Bases,
    Piece,
    Seeds,
    Sums,
    Sweep,
    end_at_values,
    first_argument,
    or_none,
    seeds_of,
    through,
    value_grads,
)


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
    kept, [B * E, H]. keep: a next layer will ask for the hidden layers.
    """
    if not sweep.saves:
        if prior is None:
            sums, kept = _first(sweep, step, below, readout)
        else:
            sums, kept = _next(sweep, step, prior, below[0], readout)
        return sums.dst, sums.src, sums.out, (kept,)
    parts = step.tensors()
    if prior is None:
        dst, src, out, kept = _First.apply(sweep, keep, readout, *parts, *below)
    else:
        dst, src, out, kept = _Next.apply(sweep, keep, readout, prior, below[0], *parts)
    return dst, src, out, (kept,)


def _first(
    sweep: Sweep, step: Step, values: tuple[Tensor, ...], readout: Tensor | None
) -> tuple[Sums, Tensor]:
    """From values to kept hidden layers."""
    sums, kept = Sums(sweep, step.dst, readout), sweep.kept(step)
    bases = Bases(sweep.scratch)
    for piece in sweep.pieces():
        x = first_argument(sweep, step, piece, values, bases, piece.of(kept))
        sums.add(piece, finish(step, x, sweep.result(step, x)))
    return sums, kept


def _next(
    sweep: Sweep, step: Step, prior: Step, below: Tensor, readout: Tensor | None
) -> tuple[Sums, Tensor]:
    """From kept hidden layers to kept hidden layers; without a backward, in their place."""
    sums = Sums(sweep, step.dst, readout)
    kept = sweep.kept(step) if sweep.saves else below
    for piece in sweep.pieces():
        low = sweep.again(prior, piece.of(below))
        room = piece.of(kept) if sweep.saves else sweep.scratch.get("x", low.shape)
        base = rows_base(piece.block, step, piece.low, piece.high)
        x = argument(step, low, base, room)
        into = sweep.result(step, x) if sweep.saves else piece.of(kept)
        sums.add(piece, finish(step, x, into))
    return sums, kept


class _First(torch.autograd.Function):
    """The first layer.

    What is kept of a layer is its result where backward can do with it, else its argument.
    """

    @staticmethod
    def forward(ctx: Any, sweep: Sweep, keep: bool, readout: Tensor | None, *tensors: Any) -> Any:
        step, values = sweep.step(tensors[:PARTS]), tensors[PARTS:]
        sums, kept = _first(sweep, step, values, readout)
        ctx.sweep, ctx.count = sweep, len(values)
        ctx.save_for_backward(readout, *tensors, kept)
        return sums.dst, sums.src, sums.out, kept if keep else None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dst: Any, src: Any, out: Any, above: Any) -> Any:
        sweep: Sweep = ctx.sweep
        readout, *rest, kept = ctx.saved_tensors
        step, values = sweep.step(tuple(rest[:PARTS])), tuple(rest[PARTS:])
        grads, seeds = step.zeros(), seeds_of(dst, src, out, readout)
        by_value = value_grads(ctx, values)
        with sweep.plain():
            for piece in sweep.pieces():
                g = _argument_grad(sweep, step, piece, kept, above, seeds, grads)
                end_at_values(sweep, step, grads, piece, g, values, by_value)
        return (None, None, seeds.readout_grad, *grads.tensors(), *or_none(by_value, ctx.count))


class _Next(torch.autograd.Function):
    """A later layer."""

    @staticmethod
    def forward(
        ctx: Any, sweep: Sweep, keep: bool, readout: Tensor | None, prior: Step, below: Tensor,
        *tensors: Any,
    ) -> Any:  # fmt: skip
        sums, kept = _next(sweep, sweep.step(tensors), prior, below, readout)
        ctx.sweep, ctx.prior = sweep, prior
        ctx.save_for_backward(readout, below, *tensors, kept)
        return sums.dst, sums.src, sums.out, kept if keep else None

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dst: Any, src: Any, out: Any, above: Any) -> Any:
        sweep: Sweep = ctx.sweep
        readout, below, *tensors, kept = ctx.saved_tensors
        step = sweep.step(tuple(tensors))
        grads, seeds = step.zeros(), seeds_of(dst, src, out, readout)
        # only the layer above gives `above`, and it reads it no more
        down = above if above is not None else sweep.kept(step)
        with sweep.plain():
            for piece in sweep.pieces():
                g = _argument_grad(sweep, step, piece, kept, above, seeds, grads)
                collect(piece.block, g, grads, piece.low, piece.high)
                low = sweep.again(ctx.prior, piece.of(below))
                through(step, grads, g, low, piece.of(down))
        return (None, None, seeds.readout_grad, None, down, *grads.tensors())


def _argument_grad(
    sweep: Sweep, step: Step, piece: Piece, kept: Tensor, above: Tensor | None, seeds: Seeds,
    grads: Parts,
) -> Tensor:  # fmt: skip
    """Gradient of the argument of one piece."""
    state = piece.of(kept)
    h = sweep.again(step, state) if seeds.readout is not None else state
    over = None if above is None else piece.of(above)
    g = seeds.at(piece, h, over, sweep.scratch.get("g", state.shape))
    return unfinish(step, g, state, grads)
