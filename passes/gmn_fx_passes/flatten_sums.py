"""A sum of sums is one sum: the order in which a loop adds things up means nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import ClassVar

import numpy as np

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.group_links import Links, is_bare, is_free, pairs, without
from gmn_fx_passes.plugin import plugin


@plugin.register_pass
@dataclass(frozen=True)
class FlattenSums(Pass):
    """Let a sum read what the partial sums in it read.

    ops: the operations that are associative and commutative.

    A group goes when its one reader is a group of the same operation, when each of its nodes
    feeds one node of that by a free edge, when it is not pinned, and when the two read
    nothing in common (then the two edges would be told apart by where they end). Without this, the
    experts of `for e in experts: y = y + e(x)` could not be exchanged.

    Before::

        graph 1 "three"
        established collapse-weight-sharing
        %0 = input/input [1] label=0 pin=0
        %1 = input/input [1] label=0 pin=1
        %2 = input/input [1] label=0 pin=2
        %3 = neuron/add [1]
        %4 = neuron/add [1] label=0 pin=3
        flow/add [1] %0(_) -> %3(_)
        flow/add [1] %1(_) -> %3(_)
        flow/add [1] %3(_) -> %4(_)
        flow/add [1] %2(_) -> %4(_)

    After::

        graph 1 "three"
        established collapse-weight-sharing
        %0 = input/input [1] label=0 pin=0
        %1 = input/input [1] label=0 pin=1
        %2 = input/input [1] label=0 pin=2
        %3 = neuron/add [1] label=0 pin=3
        flow/add [1] %0(_) -> %3(_)
        flow/add [1] %1(_) -> %3(_)
        flow/add [1] %2(_) -> %3(_)
    """

    name: ClassVar[str] = "flatten-sums"
    level: ClassVar[Level] = "graph"
    requires: ClassVar[frozenset[str]] = frozenset({"collapse-weight-sharing"})

    ops: tuple[str, ...] = ("add",)

    def apply(self, ir: ParameterGraph) -> PassResult:
        """Merge partial sums, the innermost first, until none is left."""
        graph = ir
        while gone := _partial(graph, frozenset(self.ops)):
            graph = _merged(graph, gone)
        return PassResult(graph, graph is not ir)


def _partial(graph: ParameterGraph, ops: frozenset[str]) -> dict[int, int]:
    """Partial sum -> the bundle by which the whole reads it, the innermost first."""
    links = Links(graph)
    found = {
        number: links.outof[number][0]
        for number, group in enumerate(graph.groups)
        if group.op in ops and _feeds_one(links, number)
    }
    whole = {g: links.dst[b][0] for g, b in found.items()}
    read = {g: links.sources(g) for g in {*whole, *whole.values()}}
    whole = {g: w for g, w in whole.items() if read[g].isdisjoint(read[w])}
    return {g: found[g] for g in _innermost_first(whole, read)}


def _innermost_first(whole: dict[int, int], read: dict[int, set[int]]) -> list[int]:
    """The partial sums that can go together, in one pass: a long sum is a long chain of them.

    whole: what each of them is a part of. read: the sources of a sum, which grow here with every
    part that it takes in; two parts of one sum may read the same, then the second one stays.
    """
    waiting = Counter(whole.values())
    ready = sorted(g for g in whole if not waiting[g])
    gone = []
    while ready:
        part = heappop(ready)
        into = whole[part]
        if read[part].isdisjoint(read[into]):
            gone.append(part)
            read[into].discard(part)
            few, many = sorted((read[part], read[into]), key=len)
            many |= few
            read[into] = many
        waiting[into] -= 1
        if not waiting[into] and into in whole:
            heappush(ready, into)
    return gone


def _feeds_one(links: Links, number: int) -> bool:
    group = links.graph.groups[number]
    if group.kind != "neuron" or len(links.outof[number]) != 1 or not is_free(group):
        return False
    which = links.outof[number][0]
    bundle = links.graph.bundles[which]
    if links.src[which] != (number,) or len(links.dst[which]) != 1 or not is_bare(bundle):
        return False
    whole = links.dst[which][0]
    if whole == number or links.graph.groups[whole].op != group.op:
        return False
    ends = pairs(bundle)
    if ends is None or len(ends[0]) != group.size:
        return False
    return all(links.graph.bundles[b].operand == -1 for b in links.into[number])


def _merged(graph: ParameterGraph, gone: dict[int, int]) -> ParameterGraph:
    onto = np.arange(max(g.start + g.size for g in graph.groups))
    for which in reversed(gone.values()):  # a whole that goes as well is the first to know where to
        ends = pairs(graph.bundles[which])
        assert ends is not None
        onto[ends[0]] = onto[ends[1]]
    return without(graph, gone, onto)
