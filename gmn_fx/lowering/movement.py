"""Data movement is free: the op itself runs on neuron ids, histories and slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering.axes import combine_keys, compress, core, cut, full, rank_first_seen, varying
from gmn_fx.lowering.builder import Builder
from gmn_fx.lowering.meeting import spread
from gmn_fx.lowering.values import Act, Const, Origin, Par, Value

Move = Callable[..., Any]
# Positions of the parts of a concatenation are this far apart.
_PARTS = 1_000_003


def move(b: Builder, fn: Move, value: Value, *, positional: str = "") -> Value | tuple[Value, ...]:
    """Apply a movement `fn` of one tensor. `positional` is the history it leaves behind."""
    match value:
        case Act():
            return _move_act(b, fn, value, positional)
        case Par():
            return _move_par(fn, value)
        case Const():
            return _move_const(b, fn, value)
    raise TypeError(value)


def move_act(b: Builder, fn: Move, x: Act, *, positional: str = "") -> Act:
    """`move` of an activation by a movement with one result."""
    out = _move_act(b, fn, x, positional)
    assert isinstance(out, Act)
    return out


def _move_act(b: Builder, fn: Move, x: Act, positional: str) -> Act | tuple[Act, ...]:
    moved = [fn(f) for f in x.factors]
    hist, pos = fn(x.hist), fn(x.pos)
    if isinstance(hist, Tensor):
        return _finish(b, fn, x, [moved, hist, pos, None], positional)
    return tuple(
        _finish(b, fn, x, [[m[i] for m in moved], hist[i], pos[i], i], positional)
        for i in range(len(hist))
    )


def _finish(b: Builder, fn: Move, x: Act, parts: Sequence[Any], positional: str) -> Act:
    moved, hist, pos, pick = parts
    factors = tuple(compress(f) for f in moved)
    clash = _clashing(factors)
    if clash:
        merged = product(b, x, [x.factors[i] for i in clash])
        out = _move_act(b, fn, merged, positional)
        return out if isinstance(out, Act) else out[pick]
    shape = tuple(hist.shape)
    root = f"{b.root()}[{pick}]" if pick is not None else b.root()
    origin = Origin(fn, (x,), pick)
    out = Act(shape, factors, compress(hist), compress(pos), origin, root, x.data, x.choice)
    return b.step(out, positional)


def _clashing(factors: Sequence[Tensor]) -> list[int]:
    """Indices of factors that vary along a common axis."""
    seen: dict[int, int] = {}
    for i, f in enumerate(factors):
        for axis in varying(f):
            if axis in seen and seen[axis] != i:
                return sorted({seen[axis], i})
            seen[axis] = i
    return []


def product(b: Builder, x: Act, factors: Sequence[Tensor]) -> Act:
    """`x` with some of its factors replaced by one: a node for each combination of neurons."""
    if len(factors) < 2:
        return x
    rest = [f for f in x.factors if not any(f is g for g in factors)]
    axes = sorted(frozenset[int]().union(*(varying(f) for f in factors)))
    legs = [cut(f, axes) for f in factors]
    shape = torch.broadcast_shapes(*(leg.shape for leg in legs))
    cols = [leg.expand(shape).reshape(-1).numpy() for leg in legs]
    inverse, first = rank_first_seen(combine_keys(cols))
    ids = b.nodes("product", "pair", (len(first),))
    for number, leg in enumerate(legs):
        src = leg.expand(shape).reshape(-1)[torch.from_numpy(first)]
        b.connect(src, ids, op="pair", operand=number, kind="operand")
    joint = ids[torch.from_numpy(inverse)].reshape(shape).expand(x.shape)
    return replace(x, factors=(*rest, joint))


def _move_par(fn: Move, p: Par) -> Par | tuple[Par, ...]:
    hist = fn(p.hist)
    slots: Any
    try:
        slots = fn(p.slots)
        first = slots if isinstance(slots, Tensor) else slots[0]
        if p.affine and first.untyped_storage()._cdata != p.slots.untyped_storage()._cdata:
            slots = fn(p.explicit())
    except RuntimeError:  # a view that these strides do not allow
        slots = fn(p.explicit())
    zero = None if p.zero is None else fn(p.zero)
    if isinstance(slots, Tensor):
        return _par(p, slots, hist, zero)
    zeros = [None] * len(slots) if zero is None else zero
    return tuple(_par(p, s, h, z) for s, h, z in zip(slots, hist, zeros, strict=True))


def _par(p: Par, slots: Tensor, hist: Tensor, zero: Tensor | None) -> Par:
    if slots.device.type != "meta":
        return Par(tuple(slots.shape), compress(slots), 0, compress(hist), zero)
    return Par(tuple(slots.shape), slots, p.base, compress(hist), zero)


def _move_const(b: Builder, fn: Move, c: Const) -> Const | tuple[Const, ...]:
    if c.value is None:
        shapes = b.shapes
        out = [Const(s, None, f"{c.key}/{b.root()}[{i}]", c.dtype) for i, s in enumerate(shapes)]
        return out[0] if len(out) == 1 and not _many(b) else tuple(out)
    moved = fn(c.value)
    if isinstance(moved, Tensor):
        return const(b, moved)
    return tuple(const(b, m) for m in moved)


def _many(b: Builder) -> bool:
    return b.node is not None and isinstance(b.node.meta["val"], (tuple, list))


def const(b: Builder, value: Tensor) -> Const:
    """A known constant; equal constants have equal keys."""
    small = core(value.detach())
    key = (
        tuple(value.shape),
        str(value.dtype),
        small.contiguous().numpy(force=True).tobytes()
        if value.dtype not in (torch.bfloat16,)
        else small.float().contiguous().numpy().tobytes(),
    )
    number = b.const_keys.setdefault(key, len(b.const_keys))
    return Const(tuple(value.shape), value, f"#{number}", value.dtype)


def cat(b: Builder, values: Sequence[Value], dim: int, move_fn: Move) -> Value:
    """Concatenation (or stack: then `move_fn` unsqueezes too) along `dim` of the result."""
    if all(isinstance(v, Const) for v in values):
        known = [v.value for v in values if isinstance(v, Const)]
        if all(k is not None for k in known):
            return const(b, move_fn(*known))
        return Const(b.shape, None, b.root(), values[0].dtype)  # type: ignore[union-attr]
    if all(isinstance(v, Par) for v in values):
        slots = move_fn(*(p.explicit() for p in values))  # type: ignore[union-attr]
        hist = move_fn(*(p.hist for p in values))  # type: ignore[union-attr]
        return Par(tuple(slots.shape), compress(slots), 0, compress(hist))
    acts = [b.canonical(b.as_act(v)) for v in values]
    acts = [_mirrored(b, a, acts, dim) for a in acts]
    if not any(a.factors for a in acts):
        return _cat_data(b, acts, move_fn, dim)
    if _along_positions(acts, [isinstance(v, Par) for v in values], dim):
        axes = frozenset[int]().union(*(a.axes for a in acts)) - {dim}
        acts = [_settle_part(b, a, i, dim, axes) for i, a in enumerate(acts)]
    else:
        axes = frozenset[int]().union(*(a.axes - varying(a.pos) for a in acts))
        acts = [_featured(b, _beside(b, a, axes - {dim}), dim) for a in acts]
    return _join_parts(b, _aligned(b, acts, dim), move_fn, dim)


def _cat_data(b: Builder, acts: Sequence[Act], move_fn: Move, dim: int) -> Act:
    hist = compress(move_fn(*(a.hist for a in acts)))
    pos = full(0, hist.shape)
    origin = Origin(move_fn, tuple(acts), along=dim)
    return Act(tuple(hist.shape), (), hist, pos, origin, b.root(), True)


def _along_positions(acts: Sequence[Act], learned: Sequence[bool], dim: int) -> bool:
    """Whether the axis is one of positions: nobody has features there, and it is really an axis.

    learned: which parts are parameters. Beside tokens that have their features along another axis
    they are tokens too (registers, memory), and their places positions.
    """
    if any(a.dim <= dim for a in acts):  # stack: a new axis, kept apart
        return False
    features = [bool(a.on(dim)) and dim not in varying(a.pos) for a in acts]
    tokens = any(a.factors and a.shape[dim] > 1 and not a.on(dim) for a in acts)
    if tokens:
        features = [f and not mine for f, mine in zip(features, learned, strict=True)]
    return not any(features) and any(a.shape[dim] > 1 for a in acts)


def _mirrored(b: Builder, a: Act, acts: Sequence[Act], dim: int) -> Act:
    """A constant that is the same everywhere has a node beside each neuron of the other parts."""
    if not a.uniform:
        return a
    for other in acts:
        for f in other.factors:
            axes = varying(f) - {dim}
            if (
                axes
                and other.shape[:dim] + other.shape[dim + 1 :] == a.shape[:dim] + a.shape[dim + 1 :]
            ):
                like = cut(f, axes)
                inverse, first = rank_first_seen(like.reshape(-1).numpy())
                ids = b.constants(a.uniform, (len(first),))[torch.from_numpy(inverse)]
                small = b.act(like.shape, [ids.reshape(like.shape)])
                beside = b.act(a.shape, [ids.reshape(like.shape)], pos=a.pos)
                origin = Origin(lambda t: t.expand(a.shape), (small,))  # one number everywhere
                return replace(beside, uniform=a.uniform, origin=origin)
    return a


def _beside(b: Builder, a: Act, axes: frozenset[int]) -> Act:
    """A part that lies beside neurons along `axes` gets pinned neurons there.

    Otherwise all of it would become one with each of theirs when a layer reads both.
    """
    lacking = [d for d in sorted(axes) if a.shape[d] > 1 and not a.on(d)]
    if a.factors:
        lacking = sorted(spread(a, lacking))
    return b.with_pinned(a, lacking) if lacking else a


def _settle_part(b: Builder, a: Act, number: int, dim: int, axes: frozenset[int]) -> Act:
    """New neurons for one part of a concatenation of positions: which part it is stays visible."""
    a = _beside(b, a, axes)
    if not a.factors:  # nobody has neurons along any other axis: one for the whole part
        a = b.with_pinned(a, [])
    a = product(b, a, a.factors)
    code = a.pos if varying(a.pos) else full(0, a.shape)
    if dim in varying(a.factors[0]):
        ramp = torch.arange(a.shape[dim]).reshape([-1 if x == dim else 1 for x in range(a.dim)])
        code = _both(code, ramp.expand(a.shape))
    code = compress(code + number * _PARTS)
    return replace(settle(b, a, "concat", part=number, places=code), pos=code)


def _both(left: Tensor, right: Tensor) -> Tensor:
    """A number for each pair of two codes of one shape."""
    pair = torch.broadcast_tensors(core(left), core(right))
    inverse, _ = rank_first_seen(combine_keys([t.reshape(-1).numpy() for t in pair]))
    return torch.from_numpy(inverse).reshape(pair[0].shape).expand(left.shape)


def settle(
    b: Builder,
    x: Act,
    op: str,
    *,
    part: int | None = None,
    kind: str = "neuron",
    places: Tensor | None = None,
) -> Act:
    """Copy neurons, so that the history moves onto the edges of the copies.

    places: positions of the elements, where neurons differ along positions.
    """
    factor = x.factors[0]
    axes = sorted(varying(factor) | varying(x.hist))
    ids, hist = cut(factor, axes), cut(x.hist, axes)
    shape = torch.broadcast_shapes(ids.shape, hist.shape)
    src, past = ids.expand(shape).reshape(-1), hist.expand(shape).reshape(-1)
    inverse, first = rank_first_seen(combine_keys([src.numpy(), past.numpy()]))
    index = torch.from_numpy(first)
    group = b.new(kind, op, len(first))
    new = torch.arange(group.start, group.start + group.size)
    if places is not None and varying(places):
        group.label = cut(places, axes).expand(shape).reshape(-1)[index].numpy()
    attr = "" if part is None else f"{op} part {part}"
    b.connect(src[index], new, op=op, hist=past[index], attr=attr)
    joint = new[torch.from_numpy(inverse)].reshape(shape).expand(x.shape)
    out = b.act(x.shape, [joint, *x.factors[1:]], pos=x.pos)
    return replace(out, origin=Origin(lambda t: t, (x,))) if len(first) < len(inverse) else out


def _featured(b: Builder, a: Act, dim: int) -> Act:
    """A part of a concatenation of features: give raw data and constants their neurons."""
    if dim >= a.dim or a.on(dim):
        return a
    if a.factors and not spread(a, [dim]):  # one entry, or one constant beside each of theirs
        return a
    return b.with_pinned(a, [dim])


def _aligned(b: Builder, acts: list[Act], dim: int) -> list[Act]:
    """Every part with one factor for the axis, and the same other factors in the same order."""
    extra = [[f for f in a.factors if not _main(a, f, dim)] for a in acts]
    same = all(
        len(e) == len(extra[0])
        and all(torch.equal(core(x), core(y)) for x, y in zip(e, extra[0], strict=True))
        for e in extra
    )
    if not same or any(len(a.factors) - len(e) != 1 for a, e in zip(acts, extra, strict=True)):
        return [product(b, a, a.factors) for a in acts]
    return [
        replace(a, factors=(next(f for f in a.factors if _main(a, f, dim)), *e))
        for a, e in zip(acts, extra, strict=True)
    ]


def _main(a: Act, factor: Tensor, dim: int) -> bool:
    if a.on(dim):
        return dim in varying(factor)
    return factor is a.factors[0]


def _join_parts(b: Builder, acts: Sequence[Act], move_fn: Move, dim: int) -> Act:
    """Run the concatenation on the ids."""
    main = compress(move_fn(*(a.factors[0] for a in acts)))
    hist = compress(move_fn(*(a.hist for a in acts)))
    pos = compress(move_fn(*(a.pos for a in acts)))
    rest = [
        compress(move_fn(*(a.factors[i] for a in acts))) for i in range(1, len(acts[0].factors))
    ]
    factors = (main, *rest)
    origin = Origin(move_fn, tuple(acts))
    return Act(tuple(hist.shape), factors, hist, pos, origin, b.root())
