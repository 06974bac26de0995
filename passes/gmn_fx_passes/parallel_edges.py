"""Parallel edges of one bundle: merged where they carry nothing, labelled where they do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmn_fx.graph.coverage import spans
from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import Bundle
from gmn_fx.lowering.axes import combine_keys, rank_first_seen


def tell_apart(b: Bundle) -> Bundle:
    """`b` without two edges of equal ends and type.

    Axes along which neither end varies are where parallel edges come from: with parameters the
    coordinate becomes the label (a kernel offset, a position); without, one edge stands for all.
    """
    b = replace(b, label=b.label.expand(b.shape), history=b.history.expand(b.shape))
    idle = [
        a for a, n in enumerate(b.shape) if n > 1 and not b.src.strides[a] and not b.dst.strides[a]
    ]
    if b.slot is None:
        b = _cut(b, [a for a in idle if not b.label.strides[a] and not b.history.strides[a]])
    elif idle:
        b = replace(b, label=_with_coordinates(b.label, idle))
    b = b if _separate(b) else _ranked(b)
    return replace(b, label=small(b.label), history=small(b.history))


def small(m: IndexMap) -> IndexMap:
    """A map that is the same everywhere, as a scalar."""
    return m if any(m.strides) else IndexMap((), int(m.bounds()[0]) if m.size else m.offset, ())


def _cut(b: Bundle, axes: list[int]) -> Bundle:
    """Size 1 along `axes`."""
    if not axes:
        return b

    def cut(m: IndexMap) -> IndexMap:
        shape = tuple(1 if a in axes else n for a, n in enumerate(m.shape))
        return IndexMap(
            shape, m.offset, tuple(0 if a in axes else s for a, s in enumerate(m.strides)), m.table
        )

    shape = tuple(1 if a in axes else n for a, n in enumerate(b.shape))
    return replace(
        b, shape=shape, src=cut(b.src), dst=cut(b.dst), label=cut(b.label), history=cut(b.history)
    )


def _with_coordinates(label: IndexMap, axes: list[int]) -> IndexMap:
    """Labels that also tell the coordinate along `axes`."""
    strides, step = [0] * len(label.shape), 1
    for a in reversed(axes):
        strides[a] = step
        step *= label.shape[a]
    if label.bounds() == (-1, -1):
        return IndexMap(label.shape, 0, tuple(strides))
    core = tuple(n if a in axes or label.strides[a] else 1 for a, n in enumerate(label.shape))
    cut = IndexMap(core, label.offset, label.strides, label.table).array()
    where = IndexMap(core, 0, tuple(strides)).array()
    return IndexMap.from_array(np.broadcast_to((cut + 1) * step + where, label.shape))


def _axes(m: IndexMap) -> list[int]:
    return [a for a, (n, s) in enumerate(zip(m.shape, m.strides, strict=True)) if n > 1 and s]


def _core(m: IndexMap, axes: list[int]) -> np.ndarray:
    shape = tuple(n if a in axes else 1 for a, n in enumerate(m.shape))
    return (
        IndexMap(
            shape, m.offset, tuple(s if a in axes else 0 for a, s in enumerate(m.strides)), m.table
        )
        .array()
        .reshape(-1)
    )


def _injective(maps: list[IndexMap]) -> bool:
    axes = sorted(set().union(*(_axes(m) for m in maps)))
    if any(_spans(m, axes) for m in maps):
        return True
    key = combine_keys([_core(m, axes) for m in maps])
    return bool((key[1:] > key[:-1]).all()) or len(distinct(key)) == len(key)


def _spans(m: IndexMap, axes: list[int]) -> bool:
    """Whether the strides of `m` alone tell everything along `axes` apart: O(axes)."""
    shape, strides = (tuple(t[a] for a in axes) for t in (m.shape, m.strides))
    return m.table is None and all(strides) and spans(IndexMap(shape, m.offset, strides))


def _separate(b: Bundle) -> bool:
    """Whether ends and type tell all edges apart; sufficient reasons that cost O(nodes) first."""
    rest = [m for m in (b.label, b.history) if _axes(m)]
    if _injective([b.dst]) and _injective([b.src, *rest]):
        return set(_axes(b.dst)).union(*(_axes(m) for m in [b.src, *rest])) == _wide(b)
    if _injective([b.src]) and _injective([b.dst, *rest]):
        return set(_axes(b.src)).union(*(_axes(m) for m in [b.dst, *rest])) == _wide(b)
    ends = [b.src, b.dst, *rest]
    return set().union(*(_axes(m) for m in ends)) == _wide(b) and _injective(ends)


def _wide(b: Bundle) -> set[int]:
    return {a for a, n in enumerate(b.shape) if n > 1}


def _ranked(b: Bundle) -> Bundle:
    """The last resort: flat, one edge each without parameters, numbered among equals with them."""
    maps = [b.src, b.dst, b.label, b.history]
    rows = [m.expand(b.shape).array().reshape(-1) for m in maps]
    inverse, first = rank_first_seen(combine_keys(rows))
    if b.slot is None:
        src, dst, label, history = (IndexMap.from_array(r[first]) for r in rows)
        return replace(b, shape=(len(first),), src=src, dst=dst, label=label, history=history)
    order = np.argsort(inverse, kind="stable")
    ordered = inverse[order]
    starts = np.r_[0, np.nonzero(np.diff(ordered))[0] + 1]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    most = int(rank.max()) + 1
    src, dst, label, history = (
        IndexMap.from_array(r) for r in (rows[0], rows[1], (rows[2] + 1) * most + rank, rows[3])
    )
    assert b.view is not None
    view = IndexMap.from_array(b.view.expand(b.shape).array().reshape(-1))
    return replace(
        b, shape=(len(order),), src=src, dst=dst, label=label, history=history, view=view
    )
