"""Writes into a part of a tensor: by constants a concatenation, by data a function of positions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Const, Value
from gmn_fx.lowering.axes import varying
from gmn_fx.lowering.choice import members, plain, reads_choices, tested
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import cat, move
from gmn_fx.lowering.reduce import opaque
from gmn_fx.lowering.selected import reads_selected, united
from gmn_fx.lowering.values import Order, blank

from ..plugin import plugin
from .indexing import any_of, by_data, covered_axes
from .pointwise import elementwise

aten = torch.ops.aten


@plugin.lowering(aten.slice_scatter)
def slice_scatter(
    b: Builder,
    x: Value,
    src: Value,
    dim: int = 0,
    start: Any = None,
    end: Any = None,
    step: int = 1,
) -> Value:
    """A write into a range: what stays before, what is written, what stays after."""
    n = x.shape[dim]
    first, stop, _ = slice(start, end, step).indices(n)
    axis = dim % len(x.shape)
    if first == 0 and stop >= n and step == 1:
        return src
    if step != 1:
        chosen = (slice(None),) * axis + (slice(first, stop, step),)
        return overwrite(b, x, src, axis, lambda t, s: _set(t, chosen, s))
    parts = [
        move(b, lambda t: t.narrow(axis, 0, first), x) if first else None,
        src,
        move(b, lambda t: t.narrow(axis, stop, n - stop), x) if stop < n else None,
    ]
    return cat(b, [p for p in parts if p is not None], axis, lambda *ts: torch.cat(ts, axis))  # type: ignore[misc]


def _set(t: Tensor, chosen: Any, s: Tensor) -> Tensor:
    out = t.clone()
    out[chosen] = s
    return out


def overwrite(
    b: Builder, x: Value, src: Value, dim: int, fn: Callable[[Tensor, Tensor], Tensor]
) -> Value:
    """`fn(x, src)` writes `src` at known places along `dim`: a concatenation in another order."""
    return cat(b, [x, src], dim, fn)


@plugin.lowering(aten.select_scatter)
def select_scatter(b: Builder, x: Value, src: Value, dim: int, index: int) -> Value:
    """A write into one entry of an axis."""
    axis, n = dim % len(x.shape), x.shape[dim]
    at = index % n
    wide = move(b, lambda t: t.unsqueeze(axis), src)
    return slice_scatter(b, x, wide, axis, at, at + 1)  # type: ignore[arg-type]


@plugin.lowering(aten.copy)
def copy(b: Builder, x: Value, src: Value, *_: Any) -> Value:
    """Overwrite everything."""
    target = tuple(x.shape)
    return move(b, lambda t: t.expand(target), src)  # type: ignore[return-value]


@plugin.lowering(
    aten.index_add,
    aten.index_copy,
    aten.index_fill.int_Scalar,
    aten.index_fill.int_Tensor,
    aten.index_reduce,
)
def index_write(
    b: Builder, x: Value, dim: int, picked: Value, src: Any, *rest: Any, **kwargs: Any
) -> Value:
    """Slices of `src` into, or added to, slices of `x` along one axis."""
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    if name == "index_copy" and isinstance(picked, Const) and picked.value is not None:
        at = (*[slice(None)] * (dim % len(x.shape)), picked.value)
        return overwrite(b, x, src, dim % len(x.shape), lambda t, s: _set(t, at, s))
    behind = len(x.shape) - dim % max(len(x.shape), 1) - 1
    if name == "index_add" and kwargs.get("alpha", 1) == 1:
        added = _added(b, x, dim, picked, behind, src)
        if added is not None:
            return added
    return written(b, x, dim, [(picked, behind)], src, _text(name, [*rest, *kwargs.values()]))


@plugin.lowering(
    aten.scatter_add,
    aten.scatter.src,
    aten.scatter.value,
    aten.scatter.reduce,
    aten.scatter.value_reduce,
    aten.scatter_reduce.two,
)
@reads_choices
def scatter(
    b: Builder, x: Value, dim: int, picked: Value, src: Any, *rest: Any, **kwargs: Any
) -> Value:
    """Entries of `src` into, or added to, entries of `x` along one axis."""
    name = b.node.target.overloadpacket.__name__  # type: ignore[union-attr]
    text = _text(name, [*rest, *kwargs.values()])
    if isinstance(picked, Act) and picked.choice is not None:
        named = _into_named(b, x, dim, picked, src, text)
        if named is not None:
            return named
    picked, x, src = plain(b, [picked, x, src])
    if name == "scatter_add":
        added = _added(b, x, dim, picked, 0, src)
        if added is not None:
            return added
    where = picked.value if isinstance(picked, Const) else None
    if where is not None and text == "scatter" and isinstance(src, (Act, Const)):
        part, at = tuple(slice(n) for n in where.shape), where
        return overwrite(b, x, src, dim % len(x.shape), lambda t, s: t.scatter(dim, at, s[part]))
    return written(b, x, dim, [(picked, 0)], src, text)


def _added(b: Builder, x: Value, dim: int, picked: Value, behind: int, src: Value) -> Value | None:
    """A sum into places that data decides is a plain sum with what was spread over the places."""
    if 0 in src.shape:
        return x
    old, new = b.canonical(b.as_act(x)), b.canonical(b.as_act(src))
    axis = dim % max(old.dim, 1)
    if old.on(axis) or new.on(axis):
        return None
    where = [picked] if isinstance(picked, Act) else []
    spread = b.step(b.placed(_spread(b, new, [axis], old.shape)), by_data(b, "index_add", where))
    if isinstance(picked, Act) and b.canonical(picked).factors:
        chosen = _spread(b, _behind(b, b.canonical(picked), behind), [axis], old.shape)
        spread = join(b, [spread, chosen], old.shape, Spec("index_add", (0, 1)))
    return elementwise(b, "add", (x if isinstance(x, Const) else old, spread), {})


def _text(name: str, static: list[Any]) -> str:
    plain_ = [str(s) for s in static if s is not None and not isinstance(s, (Act, Const))]
    return f"{name}({','.join(plain_)})" if plain_ and plain_ != ["1"] else name


def _into_named(b: Builder, x: Value, dim: int, picked: Act, src: Any, text: str) -> Act | None:
    """A write into the neurons that the index names: each knows whether it is chosen."""
    ids = members(b, picked)
    shape = tuple(x.shape)
    dim %= len(shape)
    if ids is None or len(ids) != shape[dim]:
        return None
    chosen = b.act(shape, [ids.reshape([-1 if d == dim else 1 for d in range(len(shape))])])
    parts = [b.step(replace(chosen, hist=_single(picked, shape)), "named")]
    for what, value in (("onto", x), ("write", src)):
        number = _uniform(value)
        if number is not None:
            text += f" {what} {number!r}"
            continue
        part = b.canonical(b.as_act(value))
        if what == "write":
            if part.dim == len(shape) and part.on(dim):
                return None
            part = _spread(b, part, [dim], shape)
        parts.append(b.step(part, what))
    return b.placed(join(b, parts, shape, Spec(text, tuple(range(len(parts))))))


def _uniform(value: Any) -> float | None:
    """The number that a constant is everywhere; None for anything else."""
    if not isinstance(value, Value):
        return float(value)
    if not isinstance(value, Const) or value.value is None or not value.uniform:
        return None
    return float(value.value.reshape(-1)[0])


def _single(picked: Act, shape: tuple[int, ...]) -> Tensor:
    """The history of an index that has the same at all places."""
    return _single_entry(picked.hist, shape)


def written(
    b: Builder, x: Value, dim: int, where: list[tuple[Any, int]], src: Any, text: str
) -> Value:
    """A write at places that data decides: a function of old, new, and the indices' neurons."""
    if isinstance(src, Value) and 0 in src.shape:
        return x
    old = b.canonical(b.as_act(x))
    picked = [(b.canonical(i), n) for i, n in where if isinstance(i, Act)]
    dim %= max(old.dim, 1)
    shape = old.shape
    parts: list[Act] = []
    text = by_data(b, text, [i for i, _ in picked])
    for what, value in (("onto", x), ("write", src)):
        number = _uniform(value)
        if number is not None:
            text += f" {what} {number!r}"
            continue
        part = b.canonical(b.as_act(value))
        if part.dim == old.dim:
            part = any_of(b, part, [dim], text)
        parts.append(b.step(_spread(b, part, [dim], shape) if what == "write" else part, what))
    for index, behind in picked:
        if index.factors:
            parts.append(_spread(b, _behind(b, index, behind), [dim], shape))
    if not parts:
        return b.step(blank(shape, b.root()), text)
    return b.placed(join(b, parts, shape, Spec(text, tuple(range(len(parts))))))


def _behind(b: Builder, x: Act, count: int) -> Act:
    return move(b, lambda t: t.reshape(*t.shape, *([1] * count)), x)  # type: ignore[return-value]


def _spread(b: Builder, x: Act, dims: list[int], shape: tuple[int, ...]) -> Act:
    """`x` with one entry along `dims`, over all of `shape`: which entries are written is data."""
    lead = len(shape) - x.dim

    def fn(t: Tensor) -> Tensor:
        t = t.reshape((1,) * lead + tuple(t.shape))
        for d, n in enumerate(shape):
            size = 1 if d in dims else min(n, t.shape[d])
            t = t.narrow(d, 0, size if t.shape[d] > 1 else 1)
        return t.expand(shape)

    return move(b, fn, x)  # type: ignore[return-value]


@plugin.lowering(aten.index_put, aten._unsafe_index_put)
@reads_selected
def index_put(b: Builder, x: Any, indices: Any, src: Any, accumulate: bool = False) -> Value:
    """x[i, :, j] = src."""
    inverse = _inverse(b, indices, src)
    if inverse is not None and not accumulate:
        return inverse
    x, src = (plain(b, united(b, v)) for v in (x, src))
    indices = [plain(b, united(b, i)) for i in indices]
    places = [d for d, i in enumerate(indices) if i is not None]
    known = all(isinstance(indices[d], Const) and indices[d].value is not None for d in places)
    axes = [a for d in places for a in covered_axes(b, indices, d)]
    if known and not accumulate and axes == list(range(axes[0], axes[-1] + 1)):
        return _put_at(b, x, src, axes, tuple(indices[d].value for d in places))
    apart = None if accumulate else _put_where_chosen(b, x, indices, src)
    if apart is not None:
        return apart
    text = "index_put(add)" if accumulate else "index_put"
    return _put_by_data(b, x, indices, places, src, text)


def _inverse(b: Builder, indices: Any, src: Any) -> Act | None:
    """`back[order] = 0, 1, 2, ...`: the permutation that undoes a sort by experts."""
    by = indices[0] if len(indices) == 1 and isinstance(indices[0], Act) else None
    if by is None or by.order is None or by.order.role != "rows" or by.choice is not None:
        return None
    if not isinstance(src, Const) or src.value is None or src.shape != by.shape:
        return None
    if not torch.equal(src.value, torch.arange(len(src.value))):
        return None
    return replace(b.step(by, "inverse"), order=Order(by.order.choice, "inverse"))


def _put_where_chosen(b: Builder, x: Value, indices: Any, src: Value) -> Value | None:
    """`y[index == k] = expert(k)` onto zeros, for one k after the other: their sum.

    The rows of two numbers are never the same rows, so the order of the writes does not matter.
    """
    mask = indices[0] if len(indices) == 1 and isinstance(indices[0], Act) else None
    test = None if mask is None else tested(b, mask)
    if mask is None or test is None or 0 in src.shape or not isinstance(src, (Act, Const)):
        return None
    choice, member = test
    done = b.put_where.get(x.uid) if isinstance(x, Act) else None
    fresh = isinstance(x, Const) and x.uniform in ("0.0", "0")
    if not fresh and (done is None or done[0] is not choice or member in done[1]):
        return None
    part = _put_by_data(b, _zeros(x), [mask], [0], src, "index_put")
    out = part if fresh else elementwise(b, "add", (x, part), {})
    if not isinstance(out, Act):
        return None
    b.put_where[out.uid] = choice, {member} | (set() if done is None else done[1])
    return out


def _zeros(x: Value) -> Const:
    return Const(x.shape, torch.zeros(()).expand(x.shape), "0.0")


def _put_at(b: Builder, x: Value, src: Value, axes: list[int], chosen: tuple[Tensor, ...]) -> Value:
    """A write at known places of neighbouring axes: beside each other, then in another order."""
    lead, tail = tuple(x.shape[: axes[0]]), tuple(x.shape[axes[-1] + 1 :])
    size = tuple(x.shape[axes[0] : axes[-1] + 1])
    old = torch.arange(math.prod(size)).reshape(size)
    where = old[chosen]
    count, dim = where.numel(), len(lead)
    order = old.reshape(-1).clone()
    order[where.reshape(-1)] = len(order) + torch.arange(count)
    flat = move(b, lambda t: t.reshape(*lead, len(order), *tail), x)
    wide = (*lead, *where.shape, *tail)
    new = move(b, lambda t: t.expand(wide).reshape(*lead, count, *tail), src)
    both = cat(b, [flat, new], dim, lambda *ts: torch.cat(ts, dim))  # type: ignore[list-item]
    return move(b, lambda t: t.index_select(dim, order).reshape(x.shape), both)  # type: ignore[return-value]


def _put_by_data(
    b: Builder, x: Value, indices: Any, places: list[int], src: Value, text: str
) -> Value:
    if 0 in src.shape:
        return x
    old, new = b.canonical(b.as_act(x)), b.canonical(b.as_act(src))
    axes = [a for d in places for a in covered_axes(b, indices, d)]
    rest = old.dim - len(axes)
    acts = [b.canonical(i) for i in indices if isinstance(i, Act)]
    together = axes == list(range(axes[0], axes[-1] + 1))
    behind = old.dim - 1 - axes[-1] if together else rest
    mixed = any(varying(f) - set(range(new.dim - behind, new.dim)) for f in new.factors)
    old = any_of(b, old, axes, text)
    if mixed or any(i.axes for i in acts) or (behind != rest and axes[0] and new.dim > behind + 1):
        return opaque(b, [old, new, *acts], b.shapes, text)[0]
    shape = old.shape

    def fn(t: Tensor) -> Tensor:
        lead = t.dim() - behind
        for d in range(lead):
            t = t.narrow(d, 0, 1)
        tail = t.shape[max(lead, 0) :]
        return t.reshape((1,) * (len(shape) - len(tail)) + tuple(tail)).expand(shape)

    parts = []
    text = by_data(b, text, acts)
    for what, value, part in (("onto", x, old), ("write", src, new)):
        number = _uniform(value)
        if number is None:
            parts.append(b.step(move(b, fn, part) if what == "write" else part, what))  # type: ignore[arg-type]
        else:
            text += f" {what} {number!r}"
    for i in acts:
        if i.factors:
            parts.append(move(b, lambda t: _single_entry(t, shape), i))  # type: ignore[arg-type]
    if not parts:
        return b.step(blank(shape, b.root()), text)
    return b.placed(join(b, parts, shape, Spec(text, tuple(range(len(parts))))))


def _single_entry(t: Tensor, shape: tuple[int, ...]) -> Tensor:
    return t.reshape(-1)[:1].reshape([1] * len(shape)).expand(shape)


@plugin.lowering(aten.masked_scatter)
def masked_scatter(b: Builder, x: Value, mask: Value, src: Value) -> Value:
    """Entries of `src`, in order, where the mask says so."""
    old, new = b.canonical(b.as_act(x)), b.canonical(b.as_act(src))
    where = b.as_act(mask) if isinstance(mask, Act) else None
    rows = new.axes <= {new.dim - 1} and old.axes <= {old.dim - 1}
    if not rows or new.shape[-1:] != old.shape[-1:] or (where is not None and where.axes):
        read = [a for a in (old, new, where) if a is not None]
        return opaque(b, read, b.shapes, "masked_scatter")[0]
    shape = old.shape

    def fn(t: Tensor) -> Tensor:
        for d in range(t.dim() - 1):
            t = t.narrow(d, 0, 1)
        return t.reshape(t.shape[-1]).expand(shape)

    masks = [where] if where is not None else []
    text = by_data(b, "masked_scatter", masks)
    parts = [old, b.step(move(b, fn, new), "written")]  # type: ignore[arg-type]
    if where is not None and where.factors:
        parts.append(move(b, lambda t: t.expand(shape), where))  # type: ignore[arg-type]
    return b.placed(join(b, parts, shape, Spec(text, tuple(range(len(parts))))))
