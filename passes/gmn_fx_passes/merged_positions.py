"""At which of the positions that weight sharing made one an edge arrives.

Tokens of one value share their neurons, but a position table adds another vector to each of them:
the rows of the table may not be exchanged. Where several nodes of one group feed such a merged node
at different positions, the set of positions becomes the label of the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import Bundle, Group
from gmn_fx.lowering.axes import combine_keys, rank_first_seen


@dataclass(frozen=True)
class Positions:
    """code: old node id -> its position, -1 where nothing was merged over positions.

    starts: first node ids of the groups after the quotient, ascending.
    """

    code: np.ndarray | None
    starts: np.ndarray

    @staticmethod
    def of(groups: Sequence[Group], merged: Sequence[Group], root: np.ndarray | None) -> Positions:
        """Positions of `groups`, whose classes are described by `root` and became `merged`."""
        starts = np.array([g.start for g in merged], dtype=np.int64)
        placed = [g for g in groups if _placed(g)]
        if root is None or not placed:
            return Positions(None, starts)
        code = np.full(len(root), -1, dtype=np.int64)
        for g in placed:
            code[g.start : g.start + g.size] = g.label.expand((g.size,)).array()
        low, high = code.copy(), code.copy()
        np.minimum.at(low, root, code)
        np.maximum.at(high, root, code)
        code[(low == high)[root]] = -1
        return Positions(code if (code >= 0).any() else None, starts)

    def mark(self, bundle: Bundle, before: Bundle) -> Bundle:
        """`bundle` with the positions of the ends that it had `before` in its labels."""
        if self.code is None or not (self.code[before.dst.core()] >= 0).any():
            return bundle
        maps = [bundle.src, bundle.dst, bundle.history, bundle.label, before.dst]
        wide = [m.expand(bundle.shape) for m in maps]
        shape = tuple(
            n if any(m.strides[a] for m in wide) else 1 for a, n in enumerate(bundle.shape)
        )
        src, dst, past, label, old = (_cut(m, shape).reshape(-1) for m in wide)
        edge, first = rank_first_seen(combine_keys([src, dst, past, label]))
        sets = _sets(edge, self.code[old])
        group = np.searchsorted(self.starts, src[first], side="right") - 1
        marks = np.full(len(first), -1, dtype=np.int64)
        for g in distinct(group):
            mine = group == g
            if len(distinct(sets[mine])) > 1:
                marks[mine] = rank_first_seen(sets[mine])[0]
        if (marks < 0).all():
            return bundle
        both = rank_first_seen(combine_keys([marks[edge], label]))[0]
        new = np.broadcast_to(both.reshape(shape), bundle.shape)
        return replace(bundle, label=IndexMap.from_array(new))


def ranked(groups: Sequence[Group]) -> tuple[Group, ...]:
    """`groups` with their positions numbered from 0 in the order of the old numbers.

    Where a part of a sequence begins depends on the size of the example; that it comes second
    does not.
    """
    placed = [_placed(g) for g in groups]
    found = [
        distinct(g.label.core().reshape(-1)) for g, yes in zip(groups, placed, strict=True) if yes
    ]
    values = distinct(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)
    values = values[values >= 0]
    if len(values) == 0 or values[-1] == len(values) - 1:
        return tuple(groups)
    return tuple(
        _renumbered(g, values) if yes else g for g, yes in zip(groups, placed, strict=True)
    )


def _placed(group: Group) -> bool:
    """Whether the labels of the group are positions."""
    return group.size > 0 and group.label.bounds()[1] >= 0 > group.pin.bounds()[1]


def _renumbered(group: Group, values: np.ndarray) -> Group:
    label = group.label.core()
    rank = np.where(label < 0, -1, np.searchsorted(values, label))
    return replace(group, label=IndexMap.from_array(np.broadcast_to(rank, group.label.shape)))


def _sets(edge: np.ndarray, code: np.ndarray) -> np.ndarray:
    """A number for the set of positions of each edge."""
    count = int(code.max()) + 2
    pairs = distinct(edge * np.int64(count) + code + 1)
    words = np.random.default_rng(0x5EED).integers(1, 2**62, size=count)
    sets = np.zeros(int(edge.max()) + 1, dtype=np.int64)
    with np.errstate(over="ignore"):
        np.add.at(sets, pairs // count, words[pairs % count])
    return sets


def _cut(m: IndexMap, shape: tuple[int, ...]) -> np.ndarray:
    strides = tuple(s if n > 1 else 0 for n, s in zip(shape, m.strides, strict=True))
    return IndexMap(shape, m.offset, strides, m.table).array()
