"""Which groups the ends of a bundle touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Group


@dataclass(frozen=True)
class GroupIndex:
    """First node ids of the groups, in ascending order, with the number of each group."""

    starts: np.ndarray
    numbers: np.ndarray

    @staticmethod
    def of(groups: Sequence[Group]) -> GroupIndex:
        """The index of `groups`; empty ones are left out."""
        pairs = sorted((g.start, number) for number, g in enumerate(groups) if g.size)
        starts = np.array([s for s, _ in pairs], dtype=np.int64)
        return GroupIndex(starts, np.array([n for _, n in pairs], dtype=np.int64))

    def touched(self, ids: IndexMap) -> tuple[int, ...]:
        """Numbers of the groups in which `ids` lie, ascending."""
        low, high = ids.bounds()
        if high < low:
            return ()
        first, last = np.searchsorted(self.starts, [low, high], side="right") - 1
        if first == last:
            return (int(self.numbers[first]),)
        # Several groups: look at the ids, for those in between need not all be there.
        found = np.unique(np.searchsorted(self.starts, ids.compact().reshape(-1), side="right") - 1)
        return tuple(sorted(int(self.numbers[i]) for i in found))
