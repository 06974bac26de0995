"""Ops that choose entries of an axis: over positions data, over neurons a choice of neurons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from gmn_fx.lowering import Act, Builder, Value
from gmn_fx.lowering.axes import broadcast, compress, full, varying
from gmn_fx.lowering.choice import choose, members, plain, reads_choices
from gmn_fx.lowering.movement import const, move_act
from gmn_fx.lowering.reduce import opaque
from gmn_fx.lowering.selected import reads_selected, united
from gmn_fx.lowering.values import Order, blank

from ..plugin import plugin

aten = torch.ops.aten


def _name(b: Builder) -> str:
    return b.node.target.overloadpacket.__name__  # type: ignore[union-attr]


@plugin.lowering(
    aten.topk,
    aten.sort,
    aten.argsort,
    aten.kthvalue,
    aten.mode,
    aten.max.dim,
    aten.min.dim,
    aten.median.dim,
    aten.argmax,
    aten.argmin,
)
@reads_selected
def ranked(b: Builder, x: Any, *args: Any, **kwargs: Any) -> Any:
    """Entries of one axis by rank: what they are, and where."""
    assert b.node is not None
    sorted_ = _sorted_choice(b, x) if isinstance(x, Act) else None
    if sorted_ is not None:
        return sorted_
    x = plain(b, united(b, x))
    named = {a.name: v for a, v in zip(b.node.target._schema.arguments[1:], args, strict=False)}  # type: ignore[union-attr]
    named |= kwargs
    name = _name(b)
    text = ",".join(f"{k}={named[k]}" for k in ("k", "largest", "descending") if k in named)
    act = b.as_act(x)
    dim = named.get("dim", -1)
    if dim is None:  # argmax over everything
        act, dim = move_act(b, lambda t: t.reshape(-1), act), 0
    found, where = choose(b, act, dim, f"{name}({text})" if text else name)
    shapes, single = b.shapes, name in ("argmax", "argmin", "argsort")
    results = [_laid(b, r, dim, shapes[0]) for r in ((where,) if single else (found, where))]
    return results[0] if single else tuple(results)


def _sorted_choice(b: Builder, x: Act) -> Any:
    """An index that names neurons, sorted: the order of rows by what it names, and back."""
    name = _name(b)
    if x.dim != 1 or name not in ("sort", "argsort"):
        return None
    if x.choice is not None and x.choice.alone and x.order is None:
        order = Order(x.choice, "rows")
        found = replace(b.step(b.placed(x), "sorted"), order=order)
        where = replace(b.step(b.placed(x), "order of"), order=order, choice=None)
        return where if name == "argsort" else (found, where)
    if x.order is not None and x.order.role == "rows" and x.choice is None and name == "argsort":
        return replace(b.step(x, "inverse"), order=Order(x.order.choice, "inverse"))
    return None


def _laid(b: Builder, x: Act, dim: int, shape: tuple[int, ...]) -> Act:
    """`x`, which has one entry along `dim`, repeated or without that axis."""
    if len(shape) == x.dim:
        return move_act(b, lambda t: t.expand(shape), x)
    return move_act(b, lambda t: t.reshape(shape), x)


@plugin.lowering(aten.one_hot)
@reads_choices
def one_hot(b: Builder, index: Value, classes: int = -1) -> Act:
    """A new axis: of the neurons that the index names, or of pinned ones."""
    act = b.as_act(index)
    shape = b.shape
    ids = members(b, act)
    if ids is not None and len(ids) < shape[-1]:  # classes that nothing is ever in
        ids = torch.cat([ids, b.constants("0", (shape[-1] - len(ids),))])
    if ids is None or len(ids) != shape[-1]:
        ids, act = None, plain(b, act)
    act = replace(act, choice=None)
    wide = move_act(b, lambda t: t.unsqueeze(-1).expand(shape), act)
    if ids is not None:
        return b.step(replace(wide, factors=(broadcast(ids, shape),), origin=None), "one_hot")
    if not wide.factors:
        return b.step(blank(shape, b.root()), "one_hot")
    return b.step(b.with_pinned(wide, [len(shape) - 1]), "one_hot")


@plugin.lowering(
    aten.nonzero_static,
    aten.masked_select,
    aten.bincount,
    aten.histc,
    aten.unique_consecutive,
    aten._unique2,
    aten.unique_dim,
    aten.searchsorted,
)
@reads_selected
def summary(b: Builder, *args: Any, **_: Any) -> Any:
    """What data holds, in a shape that data decides."""
    assert b.node is not None
    many = isinstance(b.node.meta["val"], (tuple, list))
    args = tuple(united(b, a) for a in args)
    read = [a for a in args if isinstance(a, Act)]
    full_count = _all_positions(b, read)
    if full_count is not None:
        return full_count
    counted = _counted(b, read)
    if counted is not None:
        return counted
    read = [b.canonical(b.as_act(a)) for a in plain(b, args) if isinstance(a, Value)]
    if not any(x.factors for x in read):
        outs = tuple(b.step(blank(s, f"{b.root()}[{i}]"), _name(b)) for i, s in enumerate(b.shapes))
    elif len(read) == 1 and not read[0].axes and not varying(read[0].hist):
        outs = tuple(_of_scalars(b, read[0], s, i) for i, s in enumerate(b.shapes))
    else:
        outs = opaque(b, read, b.shapes, _name(b))
    return outs if many else outs[0]


def _all_positions(b: Builder, read: list[Act]) -> Value | None:
    """`nonzero` of a vector that finds every entry can only be 0, 1, 2, ..."""
    if _name(b) != "nonzero_static" or len(read) != 1 or read[0].dim != 1:
        return None
    n = read[0].shape[0]
    return const(b, torch.arange(n).reshape(n, 1)) if b.shape == (n, 1) else None


def _counted(b: Builder, read: list[Act]) -> Act | None:
    """How often an index names each neuron."""
    if _name(b) not in ("bincount", "histc") or len(read) != 1:
        return None
    ids = members(b, read[0])
    if ids is None or b.shape != (len(ids),):
        return None
    assert read[0].choice is not None
    return replace(b.step(b.act(b.shape, [ids]), _name(b)), order=Order(read[0].choice, "counts"))


def _of_scalars(b: Builder, x: Act, shape: tuple[int, ...], number: int) -> Act:
    """Data that depends on single neurons, laid out anew."""
    factors = tuple(full(int(compress(f).reshape(-1)[0]), shape) for f in x.factors)
    past = full(int(x.hist.reshape(-1)[0]), shape)
    out = replace(b.act(shape, factors), hist=past)
    return b.step(out, f"{_name(b)} result {number}" if number else _name(b))
