"""Which of the values that weight sharing made one an edge reads and writes.

A layer that is called twice has one set of neurons, but its two results are two values: what reads
the second may not be exchanged with what reads the first. The number of the value, its site, goes
into the history of the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gmn_fx.graph.indexmap import IndexMap, cut_constant
from gmn_fx.graph.model import Bundle, Group


@dataclass
class Sites:
    """number: old node id -> rank of its group among the groups merged with it (None: all 0)."""

    number: np.ndarray | None
    histories: list[str]
    known: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(groups: Sequence[Group], root: np.ndarray | None, histories: list[str]) -> Sites:
        """Sites of the classes that `root` describes; new histories are appended in place."""
        known = {text: i for i, text in enumerate(histories)}
        if root is None:
            return Sites(None, histories, known)
        shared = root != np.arange(len(root), dtype=root.dtype)
        shared[root[shared]] = True
        ids = np.nonzero(shared)[0]
        starts = np.array([g.start for g in groups])
        owner = np.searchsorted(starts, ids, side="right") - 1
        keys, inverse = np.unique(root[ids] * np.int64(len(groups)) + owner, return_inverse=True)
        of_class = keys // len(groups)
        first = np.r_[0, np.nonzero(np.diff(of_class))[0] + 1]
        rank = np.arange(len(keys)) - np.repeat(first, np.diff(np.r_[first, len(keys)]))
        number = np.zeros(len(root), dtype=np.int32)
        number[ids] = rank[inverse.reshape(-1)]
        return Sites(number if number.any() else None, histories, known)

    def mark(self, bundle: Bundle, before: Bundle) -> Bundle:
        """`bundle` with the sites of the ends that it had `before` the quotient in its history."""
        if self.number is None:
            return bundle
        maps = (before.src, before.dst, before.history)
        src, dst, past = (m.expand(before.shape).core() for m in maps)
        # All neurons of a value have one site: what is joined below is mostly one number each.
        left, right = cut_constant(self.number[src]), cut_constant(self.number[dst])
        if not left.any() and not right.any():
            return bundle
        (a, b, h), inverse = _distinct([left, right, cut_constant(past)])
        new = [self._history(*row) for row in zip(h.tolist(), a.tolist(), b.tolist(), strict=True)]
        marked = np.broadcast_to(np.array(new)[inverse], before.shape)
        return replace(bundle, history=IndexMap.from_array(marked))

    def _history(self, number: int, source: int, target: int) -> int:
        if not source and not target:
            return number
        old = self.histories[number]
        text = f"{old} > site {source} to {target}" if old else f"site {source} to {target}"
        if text not in self.known:
            self.known[text] = len(self.histories)
            self.histories.append(text)
        return self.known[text]


def _distinct(columns: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """The distinct tuples of `columns`, which broadcast, in order; which of them stands where."""
    key: np.ndarray = np.zeros((), dtype=np.int64)
    values = []
    for column in columns:
        value, code = np.unique(column, return_inverse=True)
        key = key * len(value) + code.reshape(column.shape)
        values.append(value)
    found, inverse = np.unique(key, return_inverse=True)
    codes = np.unravel_index(found, [len(v) for v in values])
    return [v[c] for v, c in zip(values, codes, strict=True)], inverse.reshape(key.shape)
