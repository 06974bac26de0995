"""Indexing: by constants it is movement; by data it picks positions, or rows of a table."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Const, Par, Value
from gmn_fx.lowering.movement import move
from gmn_fx.lowering.reduce import opaque, positional

from ..plugin import plugin
from .embedding import rows
from .pointwise import elementwise

aten = torch.ops.aten


@plugin.lowering(aten.index.Tensor, aten._unsafe_index)
def index(b: Builder, x: Value, indices: Any) -> Value:
    """x[i, :, j] with tensors in some places."""
    places = [d for d, i in enumerate(indices) if i is not None]
    known = all(isinstance(i, Const) and i.value is not None for i in (indices[d] for d in places))
    if isinstance(x, Par) and not (known and _injective([indices[d] for d in places])):
        return _parameter_rows(b, x, indices, places)
    if known:
        chosen = [None if i is None else i.value for i in indices]
        free = isinstance(x, Act) and not any(x.on(d) for d in places)
        trace = "index " + ",".join(i.key for i in indices if i is not None) if free else ""
        return move(b, lambda t: _take(t, chosen), x, positional=trace)  # type: ignore[return-value]
    return _by_data(b, x, indices, places)


def _take(t: Tensor, chosen: list[Tensor | None]) -> Tensor:
    return t[tuple(slice(None) if i is None else i for i in chosen)]


def _injective(indices: list[Const]) -> bool:
    """Whether no element can be taken twice (then indexing is movement, of parameters too)."""
    if len(indices) != 1 or indices[0].value is None:
        return False
    values = indices[0].value
    return values.dtype == torch.bool or (
        values.dim() == 1 and len(torch.unique(values)) == values.numel()
    )


def _parameter_rows(b: Builder, x: Par, indices: Any, places: list[int]) -> Value:
    """Entries of a table chosen more than once: a node a row, like an embedding."""
    if places != [0]:
        return opaque(b, [b.as_act(x)], b.shapes, "index")[0]
    picked = indices[0]
    return rows(b, x, picked if isinstance(picked, Act) else None, (*picked.shape, *x.shape[1:]))


def _by_data(b: Builder, x: Value, indices: Any, places: list[int]) -> Value:
    """Positions chosen by data: which one does not matter where none has neurons of its own."""
    acts = [i for i in indices if isinstance(i, Act)]
    x = b.canonical(b.as_act(x))
    dtypes = {_dtype(b, d) for d in places}
    if any(a.factors for a in acts) or any(x.on(d) for d in places) or torch.bool in dtypes:
        return opaque(b, [x, *acts], b.shapes, "index")[0]
    chosen = [
        None if i is None else torch.zeros(tuple(i.shape), dtype=torch.int64) for i in indices
    ]
    return move(b, lambda t: _take(t, chosen), x, positional="index by data")  # type: ignore[return-value]


def _dtype(b: Builder, place: int) -> torch.dtype:
    node = b.node.args[1][place]  # type: ignore[union-attr,index]
    return node.meta["val"].dtype  # type: ignore[union-attr]


@plugin.lowering(aten.index_select)
def index_select(b: Builder, x: Value, dim: int, picked: Value) -> Value:
    """Entries of one axis."""
    places: list[Any] = [None] * (dim % len(x.shape)) + [picked]
    if isinstance(picked, Act) and not isinstance(x, Par):
        return gather(b, x, dim, picked)
    return index(b, x, places)


@plugin.lowering(aten.index_add, aten.scatter_add)
def index_add(b: Builder, x: Value, dim: int, picked: Value, src: Value, **kwargs: Any) -> Value:
    """A sum into positions chosen by data: free where no neurons lie along `dim`."""
    old, new = b.canonical(b.as_act(x)), b.canonical(b.as_act(src))
    where = [picked] if isinstance(picked, Act) else []
    if old.on(dim) or new.on(dim) or any(w.factors for w in where):
        return opaque(b, [old, new, *where], b.shapes, "index_add")[0]
    name = "index_add" if kwargs.get("alpha", 1) == 1 else f"index_add(alpha={kwargs['alpha']})"
    spread = positional(b, new, [dim], x.shape, name)
    assert spread is not None
    return elementwise(b, "add", (x, spread), {})


@plugin.lowering(aten.gather, aten.take_along_dim)
def gather(b: Builder, x: Value, dim: int, picked: Value, **_: Any) -> Value:
    """Entries of one axis, chosen for each element."""
    act = b.canonical(b.as_act(x))
    others = [picked] if isinstance(picked, Act) else []
    if act.on(dim) or any(o.factors for o in others):
        return opaque(b, [act, *others], b.shapes, "gather")[0]
    shape = b.shape
    axis = dim % act.dim

    def fn(t: Tensor) -> Tensor:
        return t.narrow(axis, 0, 1).expand(
            *(n if d == axis else m for d, (n, m) in enumerate(zip(shape, t.shape, strict=True)))
        )

    return move(b, fn, act, positional="gather")  # type: ignore[return-value]
