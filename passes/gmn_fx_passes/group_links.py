"""Which groups the bundles join, and how to merge groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gmn_fx.graph.indexmap import IndexMap, distinct
from gmn_fx.graph.model import Bundle, Group, ParameterGraph


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
        found = distinct(np.searchsorted(self.starts, ids.compact().reshape(-1), side="right") - 1)
        return tuple(sorted(int(self.numbers[i]) for i in found))


class Links:
    """The bundles that enter and leave each group, by number.

    src, dst: for each bundle, the groups that its ends touch. into, outof: for each group, the
    bundles that enter and leave it.
    """

    def __init__(self, graph: ParameterGraph) -> None:
        self.graph = graph
        index = GroupIndex.of(graph.groups)
        self.src = [index.touched(b.src) for b in graph.bundles]
        self.dst = [index.touched(b.dst) for b in graph.bundles]
        self.into: list[list[int]] = [[] for _ in graph.groups]
        self.outof: list[list[int]] = [[] for _ in graph.groups]
        for number in range(len(graph.bundles)):
            for g in self.src[number]:
                self.outof[g].append(number)
            for g in self.dst[number]:
                self.into[g].append(number)

    def readers(self, group: int) -> set[int]:
        """Groups that have an edge from `group`."""
        return {g for b in self.outof[group] for g in self.dst[b]}

    def sources(self, group: int) -> set[int]:
        """Groups that have an edge to `group`."""
        return {g for b in self.into[group] for g in self.src[b]}


def is_free(group: Group) -> bool:
    """Whether no node of `group` has a label or a pin."""
    return group.label.bounds()[1] < 0 and group.pin.bounds()[1] < 0


def is_bare(bundle: Bundle) -> bool:
    """No parameter, no label, no operand, no history."""
    return (
        bundle.kind == "flow"
        and bundle.slot is None
        and bundle.operand == -1
        and bundle.label.bounds() == (-1, -1)
        and bundle.history.bounds() == (0, 0)
    )


def pairs(bundle: Bundle) -> tuple[np.ndarray, np.ndarray] | None:
    """(sources, destinations), one an edge, if no node stands twice on either side."""
    src, dst = (ids.expand(bundle.shape).array().reshape(-1) for ids in (bundle.src, bundle.dst))
    whole = len(distinct(dst)) == len(dst) and len(distinct(src)) == len(src)
    return (src, dst) if whole else None


def without(graph: ParameterGraph, gone: dict[int, int], onto: np.ndarray) -> ParameterGraph:
    """`graph` without some groups, their nodes merged with others.

    gone: group -> the bundle that goes with it. onto: for each node id, the one that stays.
    """
    kept = np.ones(len(onto), dtype=bool)
    for number in gone:
        group = graph.groups[number]
        kept[group.start : group.start + group.size] = False
    new = (np.cumsum(kept) - 1)[onto]

    def moved(ids: IndexMap) -> IndexMap:
        return IndexMap.from_array(np.broadcast_to(new[ids.compact()], ids.shape))

    bundles = set(gone.values())
    groups = (g for number, g in enumerate(graph.groups) if number not in gone)
    return replace(
        graph,
        groups=tuple(replace(g, start=int(new[g.start]) if g.size else 0) for g in groups),
        bundles=tuple(
            replace(b, src=moved(b.src), dst=moved(b.dst))
            for number, b in enumerate(graph.bundles)
            if number not in bundles
        ),
    )
