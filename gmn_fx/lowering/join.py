"""Elementwise operations of several operands: a node for each distinct combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from gmn_fx.lowering.axes import (
    broadcast,
    combine_keys,
    compress,
    core,
    cut,
    full,
    rank_first_seen,
    varying,
)
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.cells import Cells, connect_cells, flat, par_key
from gmn_fx.lowering.meeting import (
    Leg,
    Spec,
    components,
    legs_of,
    position_codes,
    real_axes,
    share_along_positions,
    with_missing_neurons,
)
from gmn_fx.lowering.pairing import factor_ties, reads_ties, to_tie, with_own_neurons
from gmn_fx.lowering.tags import positions
from gmn_fx.lowering.values import Act, Origin, Par

ZERO = torch.zeros((), dtype=torch.float64)


def join(
    b: Builder, acts: Sequence[Act], shape: Sequence[int], spec: Spec, par: Par | None = None
) -> Act:
    """The result of an elementwise op on neuron ids.

    Operands meet where their factors vary along a common axis; where only one of them has
    neurons, those pass through.
    """
    shape = tuple(shape)
    xs = [b.canonical(x) for x in acts]
    if par is not None:
        xs, par = share_along_positions(b, xs, par, shape)
        if par is None:  # it was turned into an activation
            spec = replace(spec, operands=(*spec.operands, spec.par_operand))
    if par is None and len(xs) > 1 and _one_neuron(xs, shape):
        return _same_neurons(b, xs, spec)
    xs = with_missing_neurons(b, xs, shape, par)
    spec = _crossed(xs, shape, spec)
    legs = _legs(b, xs, shape, spec)
    parts = components(legs, [broadcast(x.hist, shape) for x in xs], par, shape)
    met = [p for p in parts if _meets(p[1]) or p[2]]
    if not met:
        return _pass_through(b, xs, legs, shape, spec)
    tied = to_tie(b, xs, legs, spec)
    if tied:
        xs = with_own_neurons(b, xs, tied, spec.op)
        legs = _legs(b, xs, shape, spec)
        parts = components(legs, [broadcast(x.hist, shape) for x in xs], par, shape)
    ties = factor_ties(b, legs, tied)
    factors, pos = [], full(0, shape)
    for axes, members, has_par in parts:
        if _meets(members) or has_par:
            factor, where = _combine(b, axes, members, xs, shape, spec, par if has_par else None)
            reads_ties(b, members, ties, factor, spec.op)
            factors.append(factor)
            pos = pos + where if varying(pos) else where
        else:
            factors.extend(m.factor for m in members)
    out = b.act(shape, factors, pos=pos)
    return replace(out, origin=_positions_of(xs, shape)) if repeats(out) else out


def _legs(b: Builder, xs: Sequence[Act], shape: tuple[int, ...], spec: Spec) -> list[Leg]:
    return [leg for i, x in enumerate(xs) for leg in legs_of(b, i, x, shape, spec.operands[i])]


def _crossed(xs: Sequence[Act], shape: tuple[int, ...], spec: Spec) -> Spec:
    """Operands that lie along different axes (an outer sum) are not interchangeable."""
    axes = [real_axes(x, shape) for x in xs]
    crossed = any(not (a <= c or c <= a) for a in axes for c in axes)
    if crossed and set(spec.operands) == {-1}:
        return replace(spec, operands=tuple(range(len(xs))))
    return spec


def repeats(x: Act) -> bool:
    """Whether some neuron of `x` stands at several places along the axes of its own factor."""
    cores = [cut(f, varying(f)).reshape(-1).numpy() for f in x.factors]
    return any(len(rank_first_seen(c)[1]) < len(c) for c in cores)


def _positions_of(xs: Sequence[Act], shape: tuple[int, ...]) -> Origin:
    """The position of a result is that of all its operands."""

    def mix(*tags: Tensor) -> Tensor:
        # Without the axes along which they do not vary: the whole of an attention is large.
        small = [core(broadcast(t, shape)) * (1.0 + 0.37 * i) for i, t in enumerate(tags)]
        return sum(small, ZERO).expand(shape)

    return Origin(mix, tuple(xs))


def _one_neuron(xs: Sequence[Act], shape: tuple[int, ...]) -> bool:
    """Whether all operands read the same neurons at the same positions (x * sigmoid(x))."""
    first = xs[0]
    if (
        any(x.shape != shape or len(x.factors) != len(first.factors) for x in xs)
        or not first.factors
    ):
        return False
    if any(varying(x.hist) for x in xs):
        return False
    for x in xs[1:]:
        for f, g in zip(first.factors, x.factors, strict=True):
            if varying(f) != varying(g) or not torch.equal(core(f), core(g)):
                return False
    if all(x.origin is None for x in xs):  # each stands at its own coordinates
        return True
    done: dict[int, Tensor] = {}
    tags = [positions(x, done) for x in xs]
    return all(varying(t) == varying(tags[0]) and torch.equal(core(t), core(tags[0])) for t in tags)


def _same_neurons(b: Builder, xs: Sequence[Act], spec: Spec) -> Act:
    """A function of one neuron, however many terms it has: a step of the history."""
    texts = [b.store.histories[int(x.hist.reshape(-1)[0])] for x in xs]
    if spec.operands[0] < 0:
        texts = sorted(texts)
    text = f"{spec.op}{spec.attr}({' , '.join(t or 'x' for t in texts)})"
    past = b.store.history(text.replace(" > ", " . "))
    return replace(xs[0], hist=full(past, xs[0].shape))


def _meets(legs: Sequence[Leg]) -> bool:
    return len(legs) > 1


def _pass_through(
    b: Builder, xs: Sequence[Act], legs: Sequence[Leg], shape: tuple[int, ...], spec: Spec
) -> Act:
    """No two operands have neurons in common: an elementwise step for those that have any."""
    owners = sorted({leg.owner for leg in legs})
    texts = b.store.histories
    step = spec.op + (f" {spec.attr}" if spec.attr else "")
    if len(owners) <= 1:
        x = xs[owners[0]] if owners else xs[0]
        side = (
            ""
            if len(xs) < 2 or spec.operands[0] < 0
            else f" as operand {owners[0] if owners else 0}"
        )
        wide = replace(
            x,
            shape=shape,
            factors=tuple(compress(leg.factor) for leg in legs),
            hist=broadcast(x.hist, shape),
            pos=broadcast(x.pos, shape),
            root=x.root if len(xs) == 1 else b.root(),
            origin=_same(x, shape),
        )
        return b.step(wide, step + side + _others(b, xs, owners))
    past = " , ".join(texts[int(cut(x.hist, ()).reshape(-1)[0])] for x in xs)
    out = b.act(shape, [leg.factor for leg in legs])
    return b.step(out, f"{step}({past})" if past.strip(" ,") else step)


def _others(b: Builder, xs: Sequence[Act], owners: Sequence[int]) -> str:
    """Which data the one operand with neurons met: two branches under two masks differ."""
    keys = [b.data_key(x) for i, x in enumerate(xs) if i not in owners] if owners else []
    return f"[{','.join(keys)}]" if keys else ""


def _same(x: Act, shape: tuple[int, ...]) -> Origin | None:
    return x.origin if x.shape == shape else Origin(lambda t: broadcast(t, shape), (x,))


def _combine(
    b: Builder,
    axes: list[int],
    legs: Sequence[Leg],
    xs: Sequence[Act],
    shape: tuple[int, ...],
    spec: Spec,
    par: Par | None,
) -> tuple[Tensor, Tensor]:
    """New nodes for one component; returns (factor, positions)."""
    grid = tuple(n if a in axes else 1 for a, n in enumerate(shape))
    cols = []
    for leg in legs:
        cols += [flat(leg.factor, axes, grid), flat(leg.hist, axes, grid)]
    slots = None if par is None else broadcast(par.explicit(), shape)
    if slots is not None and par is not None:
        cols += [flat(slots, axes, grid), flat(broadcast(par.hist, shape), axes, grid)]
    if not cols:
        cols = [np.zeros(int(np.prod(grid)), dtype=np.int64)]
    inverse, first = rank_first_seen(combine_keys(cols))
    whole = len(first) == len(inverse)
    group = b.new(spec.kind, spec.op, len(first))
    ids = torch.arange(group.start, group.start + group.size)
    pos = position_codes(axes, legs, xs, shape)
    if varying(pos):
        group.label = flat(pos, axes, grid)[first]
    cells = Cells(axes, grid, inverse, None if whole else torch.from_numpy(first))
    dst = ids.reshape(grid) if whole else ids
    connect_cells(b, legs, dst, cells, spec, par, shape)
    factor = ids[torch.from_numpy(inverse)].reshape(grid).expand(shape)
    return factor, pos


__all__ = ["Spec", "join", "par_key", "repeats"]
