"""The raw parameter graph while it grows: nodes, edges, equalities, histories."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import Bundle, Group
from gmn_fx.lowering.axes import core, to_numpy
from gmn_fx.lowering.unionfind import UnionFind


@dataclass
class RawGroup:
    """A group before the quotient; `pinned` nodes are labelled by their index."""

    kind: str
    op: str
    start: int
    size: int
    name: str
    source: str
    pin: int = -1
    label: np.ndarray | None = None  # position labels of nodes that stay distinct along a position
    pinned: bool = False


@dataclass
class Store:
    """Everything that rules write. Ids are node ids before the quotient.

    silent: nothing goes into histories. joins: neurons that a construction made one although the
    network tells them apart. left_out: index of a parameter -> why it is on no edge.
    """

    groups: list[RawGroup] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    histories: list[str] = field(default_factory=lambda: [""])
    sets: UnionFind = field(default_factory=UnionFind)
    size: int = 0
    pins: int = 0
    silent: bool = False
    joins: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)
    _history_ids: dict[str, int] = field(default_factory=lambda: {"": 0})

    def new_group(self, kind: str, op: str, size: int, name: str, source: str) -> RawGroup:
        """Append `size` fresh nodes."""
        group = RawGroup(kind, op, self.size, size, name, source)
        self.groups.append(group)
        self.size += size
        self.sets.grow(self.size)
        return group

    def pin_group(self, group: RawGroup) -> None:
        """Label every node of `group` so that none of them may ever be exchanged."""
        if not group.pinned:
            group.pinned, group.pin = True, self.pins
            self.pins += 1

    def groups_of(self, ids: np.ndarray) -> list[RawGroup]:
        """The groups that `ids` (node ids) lie in, in order."""
        if not ids.size:
            return []
        # Only the groups in between: all of them, for each layer, would be quadratic in depth.
        low = bisect_right(self.groups, int(ids.min()), key=_start) - 1
        high = bisect_right(self.groups, int(ids.max()), key=_start)
        near = self.groups[low:high]
        starts = np.array([g.start for g in near])
        index = distinct(np.searchsorted(starts, ids, side="right") - 1)
        return [near[i] for i in index]

    def history(self, text: str) -> int:
        """The number of a history string."""
        if self.silent:
            return 0
        if text not in self._history_ids:
            self._history_ids[text] = len(self.histories)
            self.histories.append(text)
        return self._history_ids[text]

    def extend_history(self, hist: Tensor, text: str) -> Tensor:
        """Append one step to every history in `hist` (stride-0 axes kept)."""
        if not text or self.silent:
            return hist
        small = core(hist)
        unique, inverse = torch.unique(small, return_inverse=True)
        new = [self.history(_append(self.histories[int(u)], text)) for u in unique]
        table = torch.tensor(new, dtype=torch.int64)
        return table[inverse].reshape(small.shape).expand(hist.shape)

    def extend_each(self, hist: Tensor, codes: Tensor, steps: list[str]) -> Tensor:
        """Append `steps[code]` to every history; `hist` and `codes` broadcast."""
        pairs = hist * len(steps) + codes
        if self.silent:
            return torch.zeros_like(pairs)
        unique, inverse = torch.unique(pairs, return_inverse=True)
        new = [
            self.history(_append(self.histories[u // len(steps)], steps[u % len(steps)]))
            for u in unique.tolist()
        ]
        return torch.tensor(new, dtype=torch.int64)[inverse]

    def find(self, ids: Tensor) -> Tensor:
        """Canonical ids; stride-0 axes kept."""
        if not self.sets.merged:
            return ids
        small = core(ids)
        found = torch.from_numpy(self.sets.find(np.atleast_1d(small.numpy())))
        return found.reshape(small.shape).expand(ids.shape)

    def unite(self, left: Tensor, right: Tensor) -> bool:
        """Demand that the nodes are one, elementwise (shapes broadcast)."""
        return self.sets.union(to_numpy(left), to_numpy(right))

    def join(self, left: Tensor, right: Tensor) -> None:
        """Make neurons one that the network tells apart; parallel edges lead to them."""
        self.joins.append((left, right))
        self.unite(left, right)

    def frozen_groups(self) -> tuple[Group, ...]:
        """The groups as they go into the raw graph."""
        out = []
        for g in self.groups:
            label, pin = IndexMap.constant(-1, (g.size,)), IndexMap.constant(-1, (g.size,))
            if g.pinned:
                label, pin = IndexMap.arange(g.size), IndexMap.constant(g.pin, (g.size,))
            elif g.label is not None:
                label = IndexMap.from_array(g.label)
            out.append(Group(g.kind, g.op, g.start, g.size, -1, label, pin, g.name, g.source))
        return tuple(out)


def _start(group: RawGroup) -> int:
    return group.start


_COUNTED = re.compile(r"^(.*) x(\d+)$")


def _append(history: str, step: str) -> str:
    """`a > b`; a step repeated at once is counted."""
    if not history:
        return step
    head, _, last = history.rpartition(" > ")
    counted = _COUNTED.match(last)
    base, times = (counted[1], int(counted[2])) if counted else (last, 1)
    if base == step:
        return f"{head} > {step} x{times + 1}" if head else f"{step} x{times + 1}"
    return f"{history} > {step}"


def index_map(ids: Tensor) -> IndexMap:
    """An IndexMap of an id tensor."""
    return IndexMap.from_array(to_numpy(ids))
