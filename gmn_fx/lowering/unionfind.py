"""Union-find on arrays: solves the equalities that weight sharing demands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]


class UnionFind:
    """Disjoint sets over `0 .. n-1`; the smallest member represents its set."""

    def __init__(self, size: int = 0) -> None:
        self._parent: Array = np.arange(max(size, 1024), dtype=np.int64)
        self._size = size
        self.merged = False  # nothing was ever united: `find` is the identity

    def __len__(self) -> int:
        return self._size

    def grow(self, size: int) -> None:
        """Make room for elements up to `size - 1`, each a set of its own."""
        if size > len(self._parent):
            bigger = np.arange(max(size, 2 * len(self._parent)), dtype=np.int64)
            bigger[: self._size] = self._parent[: self._size]
            self._parent = bigger
        self._size = max(self._size, size)

    def find(self, items: Array) -> Array:
        """Representative of each item (same shape)."""
        if not self.merged:
            return items
        root = self._parent[items]
        while True:
            up = self._parent[root]
            if np.array_equal(up, root):
                break
            root = up
        if items.size:
            self._parent[items] = root
        return root

    def union(self, left: Array, right: Array) -> bool:
        """Unite elementwise (shapes broadcast); True if anything was merged."""
        left, right = np.broadcast_arrays(left, right)
        a, b = left.reshape(-1), right.reshape(-1)
        changed = False
        while True:
            a, b = self.find(a), self.find(b)
            differ = a != b
            if not differ.any():
                return changed
            a, b = a[differ], b[differ]
            low, high = np.minimum(a, b), np.maximum(a, b)
            # several partners of one root: the smallest wins, the others come round again
            np.minimum.at(self._parent, high, low)
            self.merged = changed = True

    def roots(self) -> Array:
        """Representative of every element."""
        return self.find(np.arange(self._size, dtype=np.int64))
