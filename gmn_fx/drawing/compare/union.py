"""One graph that holds what both graphs hold, so that the views can draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gmn_fx.drawing.compare.align import Alignment
from gmn_fx.drawing.text import shorten
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph, Slot


def union(a: ParameterGraph, b: ParameterGraph, found: Alignment) -> ParameterGraph:
    """The union of `a` and `b`, without values.

    Group k, bundle k and slot k are those of pair k of `found`. What both have is as in b (its
    shape, its wiring) under the names of a; groups of two sizes have the larger one.
    """
    groups, start = [], 0
    for pair in found.groups:
        one = a.groups[pair.a] if pair.a is not None else None
        two = b.groups[pair.b] if pair.b is not None else None
        groups.append(_group(one, two, start, found))
        start += groups[-1].size
    slots = _slots(a, b, found)
    histories = tuple(dict.fromkeys((*a.histories, *b.histories)))
    texts = {text: k for k, text in enumerate(histories)}
    sides = []
    for graph, side in ((a, "a"), (b, "b")):
        numbers = [getattr(p, side) for p in found.groups]
        names = [getattr(p, side) for p in found.slots]
        sides.append(
            _Side(
                graph,
                _shifts(graph, numbers, groups),
                {
                    graph.slots[i].name: s.name
                    for i, s in zip(names, slots, strict=True)
                    if i is not None
                },
                np.array([texts[t] for t in graph.histories], dtype=np.int64),
            )
        )
    bundles = []
    for pair in found.bundles:
        if pair.b is None:
            assert pair.a is not None
            bundles.append(sides[0].moved(a.bundles[pair.a], a.bundles[pair.a].name))
            continue
        name = b.bundles[pair.b].name
        own = a.bundles[pair.a].name if pair.a is not None else found.renaming.of(name)
        bundles.append(sides[1].moved(b.bundles[pair.b], own))
    before, after = (shorten(g.name or "network", 40) for g in (a, b))
    name = f"{before}: a → b" if a.name == b.name else f"{before} → {after}"
    return replace(
        a, name=name, slots=slots, groups=tuple(groups), bundles=tuple(bundles),
        histories=histories, equalities=(), unread=(), notes=(), values={},
    )  # fmt: skip


def _group(one: Group | None, two: Group | None, start: int, found: Alignment) -> Group:
    if two is None:
        assert one is not None
        return replace(one, start=start)
    if one is None:
        return replace(two, start=start, name=found.renaming.of(two.name))
    # Labels go with the larger group, of which they name every node.
    large = one if one.size > two.size else two
    return replace(large, start=start, name=one.name, depth=two.depth)


def _slots(a: ParameterGraph, b: ParameterGraph, found: Alignment) -> tuple[Slot, ...]:
    taken = {name for s in a.slots for name in (s.name, *s.aliases)}
    out: list[Slot] = []
    offset = 0
    for pair in found.slots:
        if pair.a is not None:
            one = a.slots[pair.a]
            slot = (
                replace(b.slots[pair.b], name=one.name, aliases=one.aliases)
                if (pair.b is not None)
                else one
            )
        else:
            assert pair.b is not None
            slot = b.slots[pair.b]
            slot = replace(slot, name=_free(found.renaming.of(slot.name), taken), aliases=())
            taken.add(slot.name)
        out.append(replace(slot, offset=offset))
        offset += slot.numel
    return tuple(out)


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with as many marks as it takes to be no name of the other graph."""
    while name in taken:
        name += " (b)"
    return name


def _shifts(
    graph: ParameterGraph, numbers: Sequence[int | None], groups: Sequence[Group]
) -> tuple[np.ndarray, np.ndarray]:
    """First nodes of the graph's groups, ascending, and how far each group moved."""
    moved = sorted(
        (graph.groups[i].start, groups[k].start - graph.groups[i].start)
        for k, i in enumerate(numbers)
        if i is not None and graph.groups[i].size
    )
    table = np.array(moved, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


class _Side:
    """Bundles of one graph as bundles of the union."""

    def __init__(
        self,
        graph: ParameterGraph,
        shifts: tuple[np.ndarray, np.ndarray],
        names: dict[str, str],
        histories: np.ndarray,
    ) -> None:
        self.graph, self.names, self.histories = graph, names, histories
        self.starts, self.by = shifts

    def moved(self, bundle: Bundle, name: str) -> Bundle:
        """`bundle` on the nodes, slots and histories of the union."""
        return replace(
            bundle,
            src=self._nodes(bundle.src),
            dst=self._nodes(bundle.dst),
            slot=None if bundle.slot is None else self.names[bundle.slot],
            history=_through(self.histories, bundle.history),
            name=name,
        )

    def _nodes(self, ids: IndexMap) -> IndexMap:
        if ids.size == 0:
            return ids
        if ids.table is None:
            low, high = (
                int(np.searchsorted(self.starts, i, side="right")) - 1 for i in ids.bounds()
            )
            shifts = self.by[low : high + 1]
            if bool(np.all(shifts == shifts[0])):
                return replace(ids, offset=ids.offset + int(shifts[0]))
        core = ids.core()
        at = np.searchsorted(self.starts, core, side="right") - 1
        return IndexMap.from_array(core + self.by[at]).expand(ids.shape)


def _through(table: np.ndarray, numbers: IndexMap) -> IndexMap:
    """`table[numbers]` as a map."""
    if numbers.size == 0:
        return numbers
    low, high = numbers.bounds()
    if low == high:
        return IndexMap.constant(int(table[low]), numbers.shape)
    return IndexMap.from_array(table[numbers.core()]).expand(numbers.shape)
