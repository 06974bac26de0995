"""Embeddings: a node a vocabulary entry, pinned by its row; an edge a parameter."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmn_fx.lowering import Act, Builder, Par, Value
from gmn_fx.lowering.axes import cut, varying
from gmn_fx.lowering.choice import members, plain, reads_choices
from gmn_fx.lowering.join import par_key
from gmn_fx.lowering.reduce import opaque

from ..plugin import plugin

aten = torch.ops.aten


@plugin.lowering(aten.embedding)
@reads_choices
def embedding(b: Builder, weight: Value, index: Value, *_: Any, **__: Any) -> Act:
    """Rows of `weight` chosen by `index`; which row is data, so positions stay positions."""
    return rows(b, weight, index, (*index.shape, *weight.shape[1:]))


@plugin.lowering(aten.embedding_bag, aten._embedding_bag, aten._embedding_bag_forward_only)
def embedding_bag(b: Builder, weight: Value, index: Value, *_: Any, **__: Any) -> tuple[Act, ...]:
    """The mean (or sum) of chosen rows: the same edges."""
    out = rows(b, weight, index, b.shapes[0])
    blank = b.act((0,), [])
    return (out, blank, blank, blank)


def rows(b: Builder, weight: Value, index: Value | None, shape: tuple[int, ...]) -> Act:
    """A value of `shape` whose last axes are those of `weight` after the first."""
    ids = members(b, index) if isinstance(index, Act) else None
    if ids is not None and len(ids) != weight.shape[0]:
        ids = None
    if ids is None and isinstance(index, Act):
        data: Act = plain(b, index)
        if data.factors:
            opaque(b, [data], [], "embedding index")
    if not isinstance(weight, Par):
        table = b.canonical(b.as_act(weight))
        for f in table.factors:
            if 0 in varying(f):
                b.pin(f)
        kept = [cut(f, set(range(1, table.dim))) for f in table.factors if 0 not in varying(f)]
        lead = len(shape) - (table.dim - 1)
        return b.act(shape, [k.reshape((1,) * lead + tuple(k.shape[1:])) for k in kept])
    return _table_rows(b, weight, shape, ids)


def _table_rows(b: Builder, weight: Par, shape: tuple[int, ...], ids: Tensor | None) -> Act:
    """`ids`: the neurons that the index names, one a row; else a vocabulary of their own."""
    size, tail = weight.shape[0], weight.shape[1:]
    wide = [n if s else 1 for n, s in zip(tail, _strides(weight)[1:], strict=True)]
    if ids is None:
        group = b.new("vocabulary", "embedding", size)
        b.store.pin_group(group)
        ids = torch.arange(group.start, group.start + size)
    src = ids.reshape([size] + [1] * len(tail))
    dst = b.nodes("neuron", "embedding", [1, *wide])
    view = Par(
        (size, *wide),
        cut(weight.slots, [0, *(a + 1 for a, n in enumerate(wide) if n > 1)]),
        weight.base,
        cut(weight.hist, varying(weight.hist)).expand((size, *wide)),
    )
    b.shared(("embedding", par_key(view)), src, dst)
    b.connect(src, dst, op="embedding", kind="embedding", par=view)
    lead = len(shape) - len(tail)
    out = dst.reshape([1] * lead + wide)
    return b.act(shape, [out])


def _strides(weight: Par) -> list[int]:
    return [s if n > 1 else 0 for n, s in zip(weight.shape, weight.slots.stride(), strict=True)]
