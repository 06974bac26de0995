"""P7, duplicates: no two edges have the same ends, the same type and the same label.

Bundles are compared only where they could collide (equal type, overlapping ends and labels), and
inside a bundle only the axes that strides do not tell apart are written out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gmn_fx.errors import GraphError
from gmn_fx.graph.coverage import spans
from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import Bundle, ParameterGraph

Array = npt.NDArray[np.int64]


def check_duplicates(graph: ParameterGraph) -> None:
    """Raise GraphError naming the first pair of edges that nothing tells apart."""
    families: dict[tuple[object, ...], list[Bundle]] = {}
    for bundle in graph.bundles:
        if 0 in bundle.shape:
            continue
        if not _distinct(bundle):
            raise _duplicate(bundle, bundle)
        key = (bundle.kind, bundle.op, bundle.depth, bundle.operand)
        families.setdefault(key, []).append(bundle)
    for family in families.values():
        _check_family(family)


def _maps(bundle: Bundle) -> list[IndexMap]:
    return [m.expand(bundle.shape) for m in (bundle.src, bundle.dst, bundle.label, bundle.history)]


def _distinct(bundle: Bundle) -> bool:
    """No two multi-indices give the same (source, destination, label, history)."""
    maps = _maps(bundle)
    return all(_injective(axes, maps) for axes in _components(bundle.shape, maps))


def _components(shape: tuple[int, ...], maps: Sequence[IndexMap]) -> list[list[int]]:
    """Axes that some map mixes stand together; each component can be judged by itself."""
    owner = list(range(len(shape)))
    for m in maps:
        axes = [a for a, s in enumerate(m.strides) if s and shape[a] > 1]
        for axis in axes[1:]:
            old, new = owner[axis], owner[axes[0]]
            owner = [new if o == old else o for o in owner]
    groups: dict[int, list[int]] = {}
    for axis, n in enumerate(shape):
        if n > 1:
            groups.setdefault(owner[axis], []).append(axis)
    return list(groups.values())


def _injective(axes: list[int], maps: Sequence[IndexMap]) -> bool:
    cut = [_restrict(m, axes) for m in maps]
    told: set[int] = set()
    for m in cut:
        if spans(IndexMap(*_only_varying(m), m.table)):
            told.update(a for a, s in enumerate(m.strides) if s)
    if len(told) == len(axes):
        return True
    varying = [m.array().reshape(-1) for m in cut if any(m.strides)]
    return bool(varying) and len(_rows(varying)[1]) == math.prod(cut[0].shape)


def _restrict(m: IndexMap, axes: list[int]) -> IndexMap:
    """The map along `axes`, at index 0 of all others."""
    shape = tuple(m.shape[a] for a in axes)
    return IndexMap(shape, m.offset, tuple(m.strides[a] for a in axes), m.table)


def _only_varying(m: IndexMap) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    kept = [(n, s) for n, s in zip(m.shape, m.strides, strict=True) if s and n > 1]
    return tuple(n for n, _ in kept), m.offset, tuple(s for _, s in kept)


def _rows(columns: Sequence[Array]) -> tuple[Array, Array]:
    """A number for each row of equally long columns, and the first place of each number."""
    ids = np.zeros(len(columns[0]), dtype=np.int64)
    first = np.zeros(1, dtype=np.int64)
    for column in columns:
        values, code = np.unique(column, return_inverse=True)
        _, first, ids = np.unique(ids * len(values) + code, return_index=True, return_inverse=True)
    return ids, first


def _check_family(family: list[Bundle]) -> None:
    """Sweep over the ranges of the destinations; compare those that overlap everywhere."""
    boxes = sorted(
        ((tuple(m.bounds() for m in reversed(_maps(b)[:3])), n) for n, b in enumerate(family)),
        key=lambda item: item[0][1],
    )
    open_boxes: list[tuple[tuple[tuple[int, int], ...], int]] = []
    for box, number in boxes:
        open_boxes = [o for o in open_boxes if o[0][1][1] >= box[1][0]]
        for other, index in open_boxes:
            if all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(box, other, strict=True)):
                _compare(family[index], family[number])
        open_boxes.append((box, number))


def _compare(a: Bundle, b: Bundle) -> None:
    """The exact comparison of two bundles, on the edges whose ends occur in both."""
    left, right = _maps(a), _maps(b)
    for one, two in zip(left, right, strict=True):
        if not _common(one.core(), two.core()):
            return
    rows = [_candidates(x, y) for x, y in ((left, right), (right, left))]
    if not all(len(r[0]) for r in rows):
        return
    ids, _ = _rows([np.concatenate(pair) for pair in zip(*rows, strict=True)])
    split = len(rows[0][0])
    if _common(ids[:split], ids[split:]):
        raise _duplicate(a, b)


def _common(a: npt.NDArray[np.integer], b: npt.NDArray[np.integer]) -> bool:
    return bool(np.intersect1d(distinct(a), distinct(b), assume_unique=True).size)


def _candidates(maps: list[IndexMap], other: list[IndexMap]) -> list[Array]:
    """The columns of the edges whose ends and label each occur somewhere in `other`."""
    keep = np.ones((1,) * len(maps[0].shape), dtype=bool)
    for m, o in zip(maps, other, strict=True):
        keep = keep & np.isin(m.core(), o.core())
    mask = np.broadcast_to(keep, maps[0].shape)
    return [m.array()[mask].astype(np.int64, copy=False) for m in maps]


def _duplicate(a: Bundle, b: Bundle) -> GraphError:
    def name(x: Bundle) -> str:
        return f"{x.kind}/{x.op} {list(x.shape)} of {x.name or '<root>'!r}"

    both = f"in bundle {name(a)}" if a is b else f"in bundles {name(a)} and {name(b)}"
    return GraphError(
        f"P7: duplicate edges: equal ends, type and label {both}",
        hint="tell them apart by label, operand or history, or merge them into one edge",
    )
