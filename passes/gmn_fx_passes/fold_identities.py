"""Groups of nodes that only copy others go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.group_links import Links, is_bare, is_free, pairs, without
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
        while folds := _folds(graph, frozenset(self.ops)):
            graph = _folded(graph, folds)
        return PassResult(graph, graph is not ir)


def _folds(graph: ParameterGraph, ops: frozenset[str]) -> dict[int, int]:
    """Copying group -> the bundle that fills it. No original of one is itself a copy."""
    links = Links(graph)
    found = {
        number: links.into[number][0]
        for number, group in enumerate(graph.groups)
        if group.op in ops and _copies(links, number)
    }
    return {g: b for g, b in found.items() if links.src[b][0] not in found}


def _copies(links: Links, number: int) -> bool:
    group = links.graph.groups[number]
    if group.kind not in ("neuron", "channel") or len(links.into[number]) != 1:
        return False
    which = links.into[number][0]
    bundle = links.graph.bundles[which]
    if links.dst[which] != (number,) or len(links.src[which]) != 1 or not is_free(group):
        return False
    source = links.src[which][0]
    if source == number or not links.outof[number] or not is_bare(bundle):
        return False
    ends = pairs(bundle)
    if ends is None or len(ends[0]) != group.size:
        return False
    return not links.readers(number) & links.readers(source)


def _folded(graph: ParameterGraph, folds: dict[int, int]) -> ParameterGraph:
    onto = np.arange(max(g.start + g.size for g in graph.groups))
    for which in folds.values():
        ends = pairs(graph.bundles[which])
        assert ends is not None
        onto[ends[1]] = ends[0]
    return without(graph, folds, onto)
