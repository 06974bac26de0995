"""Which of the values that weight sharing made one an edge reads and writes.

A layer that is called twice has one set of neurons, but its two results are two values: what reads
the second may not be exchanged with what reads the first. The number of the value, its site, goes
into the history of the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gmn_fx.graph.indexmap import IndexMap
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
        ends = [before.src, before.dst, before.history]
        shape = tuple(
            n if any(m.expand(before.shape).strides[a] for m in ends) else 1
            for a, n in enumerate(before.shape)
        )
        src, dst, past = (_cut(m.expand(before.shape), shape) for m in ends)
        left, right = self.number[src], self.number[dst]
        if not left.any() and not right.any():
            return bundle
        rows = np.stack([left.reshape(-1), right.reshape(-1), past.reshape(-1)])
        unique, inverse = np.unique(rows, axis=1, return_inverse=True)
        new = np.array([self._history(int(h), int(a), int(b)) for a, b, h in unique.T])
        marked = np.broadcast_to(new[inverse.reshape(-1)].reshape(shape), before.shape)
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


def _cut(m: IndexMap, shape: tuple[int, ...]) -> np.ndarray:
    strides = tuple(s if n > 1 else 0 for n, s in zip(shape, m.strides, strict=True))
    return IndexMap(shape, m.offset, strides, m.table).array()
