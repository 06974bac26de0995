"""Indexing: by constants it is movement; by data it picks positions, or rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Const, Par, Value
from gmn_fx.lowering.axes import compress, cut, varying
from gmn_fx.lowering.choice import members, plain, reads_choices
from gmn_fx.lowering.join import Spec, join
from gmn_fx.lowering.movement import move, move_act
from gmn_fx.lowering.reduce import mixed, opaque, reduce
from gmn_fx.lowering.selected import reads_selected, united
from gmn_fx.lowering.values import Order, Selected

from ..plugin import plugin
from .embedding import rows

aten = torch.ops.aten


@plugin.lowering(aten.index.Tensor, aten._unsafe_index)
@reads_selected
def index(b: Builder, x: Any, indices: Any) -> Any:
    """x[i, :, j] with tensors in some places."""
    x, indices = united(b, x), [united(b, i) for i in indices]
    arranged = _arranged(b, x, indices)
    if arranged is not None:
        return arranged
    x, indices = _unordered(b, x), [_unordered(b, i) for i in indices]
    places = [d for d, i in enumerate(indices) if i is not None]
    known = all(isinstance(i, Const) and i.value is not None for i in (indices[d] for d in places))
    if isinstance(x, Par) and not (known and _injective([indices[d] for d in places])):
        return _parameter_rows(b, x, indices, places)
    if known:
        looked = _looked_up(b, x, indices, places)
        if looked is not None:
            return looked
        chosen = [None if i is None else i.value for i in indices]
        free = isinstance(x, Act) and not any(x.on(d) for d in places)
        trace = "index " + ",".join(i.key for i in indices if i is not None) if free else ""
        return move(b, lambda t: _take(t, chosen), x, positional=trace)  # type: ignore[return-value]
    return _by_data(b, x, indices, places)


def _unordered(b: Builder, value: Any) -> Any:
    """`value` for a rule that sees in which order rows are; it may still name neurons."""
    if not isinstance(value, Act) or value.order is None:
        return value
    named = value.choice
    return replace(plain(b, replace(value, choice=None)), choice=named)


def _arranged(b: Builder, x: Any, indices: list[Any]) -> Act | None:
    """Rows put into the order of the experts that they go to, or back."""
    by = indices[0] if len(indices) == 1 and isinstance(indices[0], Act) else None
    if by is None or by.order is None or by.choice is not None or not isinstance(x, Act):
        return None
    there = by.order.role == "rows" and x.order is None
    back = by.order.role == "inverse" and x.order == Order(by.order.choice, "rows")
    if not (there or back) or x.on(0):
        return None
    out = b.as_act(_by_data(b, replace(x, order=None), [replace(by, order=None)], [0]))
    return replace(out, order=by.order if there else None, choice=x.choice)


def _take(t: Tensor, chosen: list[Tensor | None]) -> Tensor:
    return t[tuple(slice(None) if i is None else i for i in chosen)]


def _looked_up(b: Builder, x: Value, indices: Any, places: list[int]) -> Act | None:
    """A table of units whose rows are looked up more than once, as the offsets of pairs of places.

    The pairs are positions; each of them may read any row, so that the size of the example does not
    matter. A channel that is merely repeated along one axis is movement.
    """
    index = indices[places[0]].value
    act = b.canonical(x) if isinstance(x, Act) else None
    if act is None or len(places) > 1 or index.dim() < 2 or index.dtype == torch.bool:
        return None
    dim = places[0]
    if not act.on(dim) or len(torch.unique(index)) == index.numel():
        return None
    lead, tail = act.shape[:dim], act.shape[dim + 1 :]
    where = f"places {indices[dim].key}"
    flat = mixed(b, act, [dim], (*lead, index.numel(), *tail), "index", where)
    assert flat is not None
    return move_act(b, lambda t: t.reshape(*lead, *index.shape, *tail), b.placed(flat))


def _injective(indices: list[Const]) -> bool:
    """Whether no element can be taken twice (then indexing is movement, of parameters too)."""
    if len(indices) != 1 or indices[0].value is None:
        return False
    values = indices[0].value
    return values.dtype == torch.bool or (
        values.dim() <= 1 and len(torch.unique(values)) == values.numel()
    )


def _parameter_rows(b: Builder, x: Par, indices: Any, places: list[int]) -> Value:
    """Entries of a table chosen more than once: a node a row, like an embedding."""
    lead = list(range(len(places)))
    picked = [indices[d] for d in places]
    repeated = [d for d in places if d in lead and x.shape[d] > 1 and d not in varying(x.slots)]
    if repeated and places == lead:  # rows of a batch that are all the same: any of them will do
        x = move(b, lambda t: cut(t, set(range(t.dim())) - set(repeated)), x)  # type: ignore[assignment]
    if places != lead or any(_dtype(b, d) == torch.bool for d in places):
        return _by_data(b, b.as_act(x), indices, places)
    if len(places) == 1:
        data = picked[0] if isinstance(picked[0], Act) else None
        shape = (*picked[0].shape, *x.shape[1:])
        chosen = None if data is None else _options(b, x, data, shape)
        return rows(b, x, data, shape) if chosen is None else chosen
    # A table of several axes, as a voxel grid or a hash grid: a row a combination of them.
    flat = move(b, lambda t: t.reshape(-1, *t.shape[len(places) :]), x)
    where = [b.canonical(a) for a in plain(b, picked) if isinstance(a, Act)]
    if any(a.factors for a in where):
        opaque(b, where, [], "table index")
    return rows(b, flat, None, b.shape)  # type: ignore[arg-type]


def _options(b: Builder, table: Par, data: Act, shape: tuple[int, ...]) -> Any:
    """Weights of experts: one option for each neuron that the index may name."""
    ids = members(b, data)
    if data.choice is None or ids is None or len(ids) != table.shape[0]:
        return None
    past = compress(data.hist)
    if varying(past):
        return None
    lead = (1,) * data.dim

    def option(number: int) -> Value:
        return move(b, lambda t: t[number].reshape(lead + t.shape[1:]).expand(shape), table)  # type: ignore[return-value]

    options = tuple(option(i) for i in range(table.shape[0]))
    whole = None if len(table.shape) > 2 else lambda: rows(b, table, data, shape)
    return Selected(shape, options, data.choice, int(past.reshape(-1)[0]), whole)  # type: ignore[arg-type]


def _by_data(b: Builder, x: Value, indices: Any, places: list[int]) -> Value:
    """Entries chosen by data: which one does not matter where none has neurons of its own."""
    act = b.canonical(b.as_act(x))
    covered = [c for d in places for c in covered_axes(b, indices, d)]
    if any(act.on(d) for d in covered):
        among = _among(b, act, indices, places)
        where = [plain(b, i) for i in indices if isinstance(i, Act)]
        act = any_of(b, act, covered, by_data(b, "index", where)) if among is None else among
    fn, lead = _fitted(b, act, indices, places, covered)
    where = [plain(b, i) for i in indices if isinstance(i, Act)]
    moved = move(b, fn, act, positional=by_data(b, "index", where))
    return _depending(b, b.placed(moved), where, lead, "index")  # type: ignore[arg-type]


def covered_axes(b: Builder, indices: Any, place: int) -> list[int]:
    """Axes that the index in `place` takes away: a mask takes as many as it has."""
    before = sum(
        (len(indices[d].shape) if _dtype(b, d) == torch.bool else 1)
        for d in range(place)
        if indices[d] is not None
    ) + sum(indices[d] is None for d in range(place))
    count = len(indices[place].shape) if _dtype(b, place) == torch.bool else 1
    return list(range(before, before + count))


def _fitted(
    b: Builder, x: Act, indices: Any, places: list[int], covered: list[int]
) -> tuple[Callable[[Tensor], Tensor], int]:
    """A movement that takes entry 0 instead, and how many axes stand behind those of the index."""
    shape = b.shape
    together = covered == list(range(covered[0], covered[-1] + 1))
    at = covered[0] if together else 0
    rest = x.dim - len(covered)

    def fn(t: Tensor) -> Tensor:
        if 0 in t.shape or 0 in shape:
            return t.new_zeros(()).expand(shape)
        for d in sorted(covered, reverse=True):
            t = t.select(d, 0)
        new = len(shape) - rest
        t = t.reshape(*t.shape[:at], *([1] * new), *t.shape[at:])
        return t.expand(shape)

    return fn, rest - at


def _among(b: Builder, x: Act, indices: Any, places: list[int]) -> Act | None:
    """Neurons chosen by an index that names them: their sum, weighted by "is it chosen?"."""
    if len(places) != 1 or not isinstance(indices[places[0]], Act):
        return None
    return weighted(b, x, places[0], indices[places[0]], "index")


def weighted(b: Builder, x: Act, dim: int, picked: Act, op: str) -> Act | None:
    """The neurons of `x` along `dim` that `picked` names, as one entry; None if it does not."""
    ids = members(b, picked)
    dim %= x.dim
    if ids is None or len(ids) != x.shape[dim]:
        return None
    mask = b.act([n if d == dim else 1 for d, n in enumerate(x.shape)], [_along(ids, dim, x.dim)])
    both = join(b, [x, mask], x.shape, Spec(op, (0, 1)))
    return reduce(b, both, [dim], op, keepdim=True)


def any_of(b: Builder, x: Act, dims: Sequence[int], text: str) -> Act:
    """`x` where data decides which of the neurons along `dims` is read: it may be any of them."""
    mine = [d for d in dims if x.on(d)]
    return x if not mine else mixed(b, x, mine, x.shape, text)  # type: ignore[return-value]


def _along(ids: Tensor, dim: int, rank: int) -> Tensor:
    return ids.reshape([-1 if d == dim else 1 for d in range(rank)])


def by_data(b: Builder, op: str, where: Sequence[Act]) -> str:
    """What is left of an op at places that data decides: which data."""
    keys = [b.data_key(w) for w in where if not w.factors]
    return f"{op} by data {','.join(keys)}".rstrip()


def _depending(b: Builder, x: Act, where: Sequence[Act], behind: int, op: str) -> Act:
    """`x`, which also depends on the neurons that its indices were computed from."""
    deep = [b.canonical(w) for w in where]
    deep = [w for w in deep if w.factors]
    if not deep:
        return x
    laid = [move(b, lambda t: t.reshape(*t.shape, *([1] * behind)), w) for w in deep]
    return join(b, [x, *laid], x.shape, Spec(op, tuple(range(len(laid) + 1))))  # type: ignore[list-item]


def _dtype(b: Builder, place: int) -> torch.dtype:
    given: Any = b.node.args[1:]  # type: ignore[union-attr]
    node = given[1] if isinstance(given[0], int) else given[0][place]  # index_select, index
    return node.meta["val"].dtype  # type: ignore[union-attr]


@plugin.lowering(aten.index_select)
@reads_choices
def index_select(b: Builder, x: Value, dim: int, picked: Value) -> Value:
    """Entries of one axis."""
    places: list[Any] = [None] * (dim % len(x.shape)) + [picked]
    if isinstance(x, Par) and isinstance(picked, Act) and dim % len(x.shape):
        x = b.as_act(x)
    if not isinstance(picked, Act) or isinstance(x, Par):
        return index(b, x, places)
    act = b.canonical(b.as_act(x))
    where = [plain(b, picked)]
    trace = by_data(b, "index", where)
    if act.on(dim):
        among = weighted(b, act, dim, picked, "index")
        act = any_of(b, act, [dim % act.dim], trace) if among is None else among
    shape, axis = b.shape, dim % act.dim
    moved = move(b, lambda t: t.narrow(axis, 0, 1).expand(shape), act, positional=trace)
    behind = act.dim - axis - 1
    return _depending(b, b.placed(moved), where, behind, "index")  # type: ignore[arg-type]


@plugin.lowering(aten.gather, aten.take_along_dim)
@reads_choices
def gather(b: Builder, x: Value, dim: int, picked: Value, **_: Any) -> Value:
    """Entries of one axis, chosen for each element."""
    act = b.canonical(b.as_act(x))
    where = picked if isinstance(picked, Act) else None
    axis = dim % act.dim
    if isinstance(picked, Const) and picked.value is not None and act.on(axis):
        return _gather_known(b, act, axis, picked)
    if act.on(axis):
        among = None if where is None else weighted(b, act, axis, where, "gather")
        if among is None:
            act = any_of(b, act, [axis], by_data(b, "gather", [plain(b, where)] if where else []))
        else:
            act, where = among, None
    shape = b.shape

    def fn(t: Tensor) -> Tensor:
        t = t.narrow(axis, 0, 1)
        for d, n in enumerate(shape):
            t = t if d == axis else t.narrow(d, 0, n)
        return t.expand(shape)

    others = [plain(b, where)] if where else []
    moved = move(b, fn, act, positional=by_data(b, "gather", others))
    return _depending(b, b.placed(moved), others, 0, "gather")  # type: ignore[arg-type]


def _gather_known(b: Builder, x: Act, axis: int, picked: Const) -> Act:
    """Units at known places: the same ones everywhere is movement, else each may be any of them."""
    index, shape = picked.value, b.shape
    assert index is not None
    part = tuple(slice(None) if d == axis else slice(n) for d, n in enumerate(shape))
    x = move_act(b, lambda t: t[part], x)
    small = cut(compress(index), [axis]).reshape(-1)
    if varying(compress(index)) <= {axis} and len(torch.unique(small)) == len(small):
        return move_act(b, lambda t: t.index_select(axis, small), x)
    out = mixed(b, x, [axis], shape, "gather", f"places {picked.key}")
    assert out is not None
    return b.placed(out)
