"""Groups of nodes that only copy others go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.group_links import GroupIndex
from gmn_fx_passes.plugin import plugin


@plugin.register_pass
@dataclass(frozen=True)
class FoldIdentities(Pass):
    """Merge every copied node with its original.

    ops: the operations that make copies; their groups are looked at.

    A group goes when each of its nodes has exactly one incoming edge, which is free of
    parameters, label, operand and history, when no two of its nodes copy the same node, when it
    is not pinned, and when nothing reads both the copy and the original (then the two edges are
    told apart by where they come from).

    Before::

        graph 1 "copy"
        established collapse-weight-sharing
        slot "w" float32 [1, 2]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/copy [2]
        %2 = neuron/linear [1] label=0 pin=1
        flow/copy [2] %0(:) -> %1(:)
        weight/linear [1, 2] "w"(_, :) %1(_, :) -> %2(_, _)

    After::

        graph 1 "copy"
        established collapse-weight-sharing
        slot "w" float32 [1, 2]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/linear [1] label=0 pin=1
        weight/linear [1, 2] "w"(_, :) %0(_, :) -> %1(_, _)
    """

    name: ClassVar[str] = "fold-identities"
    level: ClassVar[Level] = "graph"
    requires: ClassVar[frozenset[str]] = frozenset({"collapse-weight-sharing"})

    ops: tuple[str, ...] = ("copy", "identity")

    def apply(self, ir: ParameterGraph) -> PassResult:
        """Fold until nothing copies (a copy of a copy takes another round)."""
        graph = ir
        while folds := _Links(graph).folds(frozenset(self.ops)):
            graph = _without(graph, folds)
        return PassResult(graph, graph is not ir)


class _Links:
    """The bundles that enter and leave each group."""

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

    def folds(self, ops: frozenset[str]) -> dict[int, int]:
        """Copying group -> the bundle that fills it. No original of one is itself a copy."""
        found: dict[int, int] = {}
        for number, group in enumerate(self.graph.groups):
            if group.op in ops and self._copies(number, group):
                found[number] = self.into[number][0]
        return {g: b for g, b in found.items() if self.src[b][0] not in found}

    def _copies(self, number: int, group: Group) -> bool:
        if group.kind not in ("neuron", "channel") or len(self.into[number]) != 1:
            return False
        if group.label.bounds()[1] >= 0 or group.pin.bounds()[1] >= 0:
            return False
        which = self.into[number][0]
        bundle = self.graph.bundles[which]
        if self.dst[which] != (number,) or len(self.src[which]) != 1:
            return False
        source = self.src[which][0]
        if source == number or not self.outof[number] or not _bare(bundle):
            return False
        return _one_to_one(bundle, group) and not self._readers(number) & self._readers(source)

    def _readers(self, number: int) -> set[int]:
        return {g for b in self.outof[number] for g in self.dst[b]}


def _bare(bundle: Bundle) -> bool:
    """No parameter, no label, no operand, no history."""
    return (
        bundle.kind == "flow"
        and bundle.slot is None
        and bundle.operand == -1
        and bundle.label.bounds() == (-1, -1)
        and bundle.history.bounds() == (0, 0)
    )


def _one_to_one(bundle: Bundle, group: Group) -> bool:
    """Every node of `group` copies one node, and no two the same."""
    src, dst = (ids.expand(bundle.shape).array().reshape(-1) for ids in (bundle.src, bundle.dst))
    size = group.size
    return len(src) == size and len(np.unique(dst)) == size and len(np.unique(src)) == size


def _without(graph: ParameterGraph, folds: dict[int, int]) -> ParameterGraph:
    """`graph` without the groups in `folds`, their nodes merged with what they copy."""
    total = max(g.start + g.size for g in graph.groups)
    original, kept = np.arange(total), np.ones(total, dtype=bool)
    for number, which in folds.items():
        group, bundle = graph.groups[number], graph.bundles[which]
        src, dst = (ids.expand(bundle.shape).array() for ids in (bundle.src, bundle.dst))
        original[dst.reshape(-1)] = src.reshape(-1)
        kept[group.start : group.start + group.size] = False
    new = (np.cumsum(kept) - 1)[original]

    def moved(ids: IndexMap) -> IndexMap:
        return IndexMap.from_array(np.broadcast_to(new[ids.compact()], ids.shape))

    gone = set(folds.values())
    groups = (g for number, g in enumerate(graph.groups) if number not in folds)
    return replace(
        graph,
        groups=tuple(replace(g, start=int(new[g.start]) if g.size else 0) for g in groups),
        bundles=tuple(
            replace(b, src=moved(b.src), dst=moved(b.dst))
            for number, b in enumerate(graph.bundles)
            if number not in gone
        ),
    )
