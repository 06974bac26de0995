"""Depth: the layer number of every group and bundle."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import ClassVar

from gmn_fx.graph.model import ParameterGraph
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.group_links import GroupIndex
from gmn_fx_passes.plugin import plugin


@plugin.register_pass
@dataclass(frozen=True)
class NumberLayers(Pass):
    """Number groups by the longest way to them, and bundles by the groups that they enter.

    kinds: the edge kinds that count as a layer.

    Depth is a function of the structure alone, so symmetric branches get equal numbers. Groups on
    a cycle (an RNN, a layer that is applied again and again) count from where the cycle is
    entered, by the shortest way.

    Before::

        graph 1 "mlp"
        established collapse-weight-sharing
        slot "w1" float32 [3, 2]
        slot "w2" float32 [2, 3]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/linear [3]
        %2 = neuron/linear [2] label=(:) pin=1
        weight/linear [3, 2] "w1"(:, :) %0(_, :) -> %1(:, _)
        weight/linear [2, 3] "w2"(:, :) %1(_, :) -> %2(:, _)

    After::

        graph 1 "mlp"
        established collapse-weight-sharing
        slot "w1" float32 [3, 2]
        slot "w2" float32 [2, 3]
        %0 = input/input [2] depth=0 label=(:) pin=0
        %1 = neuron/linear [3] depth=1
        %2 = neuron/linear [2] depth=2 label=(:) pin=1
        weight/linear [3, 2] "w1"(:, :) %0(_, :) -> %1(:, _) depth=1
        weight/linear [2, 3] "w2"(:, :) %1(_, :) -> %2(:, _) depth=2
    """

    name: ClassVar[str] = "number-layers"
    level: ClassVar[Level] = "graph"
    requires: ClassVar[frozenset[str]] = frozenset({"collapse-weight-sharing"})

    kinds: tuple[str, ...] = ("weight", "embedding")

    def apply(self, ir: ParameterGraph) -> PassResult:
        """Set both depth columns."""
        links = _links(ir, frozenset(self.kinds))
        depth = _depths(links)
        groups = tuple(
            g if g.depth == d else replace(g, depth=d)
            for g, d in zip(ir.groups, depth, strict=True)
        )
        bundles = tuple(
            b if b.depth == d else replace(b, depth=d)
            for b, d in zip(
                ir.bundles,
                (max((depth[g] for g in ends), default=0) for ends in links.ends),
                strict=True,
            )
        )
        same = all(a is b for a, b in zip(groups + bundles, ir.groups + ir.bundles, strict=True))
        return PassResult(ir if same else replace(ir, groups=groups, bundles=bundles), not same)


@dataclass(frozen=True)
class _Links:
    """Group -> {next group: layers on the way}; and the groups that each bundle enters."""

    onward: list[dict[int, int]]
    ends: list[tuple[int, ...]] = field(default_factory=list)


def _links(graph: ParameterGraph, kinds: frozenset[str]) -> _Links:
    index = GroupIndex.of(graph.groups)
    links = _Links([{} for _ in graph.groups])
    for bundle in graph.bundles:
        ends = index.touched(bundle.dst)
        links.ends.append(ends)
        layers = int(bundle.slot is not None and bundle.kind in kinds)
        for source in index.touched(bundle.src):
            onward = links.onward[source]
            for end in ends:
                onward[end] = max(onward.get(end, 0), layers)
    return links


def _depths(links: _Links) -> list[int]:
    """Longest ways between strongly connected components, shortest ways inside one."""
    onward = links.onward
    arrival = [-1] * len(onward)  # deepest entry from another component, -1: none
    depth = [0] * len(onward)
    for component in _components(onward):
        inside = set(component)
        _inside(component, inside, onward, arrival, depth)
        for node in component:
            for end, layers in onward[node].items():
                if end not in inside:
                    arrival[end] = max(arrival[end], depth[node] + layers)
    return depth


def _inside(
    component: list[int],
    inside: set[int],
    onward: list[dict[int, int]],
    arrival: list[int],
    depth: list[int],
) -> None:
    """Depths in one component: its deepest arrival, plus the layers from its entries."""
    base = max([0, *(arrival[node] for node in component)])
    entries = [node for node in component if arrival[node] >= 0] or component
    far = dict.fromkeys(entries, 0)
    queue = deque(entries)
    while queue:  # breadth first with steps of 0 and 1
        node = queue.popleft()
        for end, layers in onward[node].items():
            if end in inside and far.get(end, len(inside) + 1) > far[node] + layers:
                far[end] = far[node] + layers
                (queue.append if layers else queue.appendleft)(end)
    for node in component:
        depth[node] = base + far[node]


def _components(onward: list[dict[int, int]]) -> list[list[int]]:
    """Strongly connected components in topological order (Tarjan, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    held: set[int] = set()
    done: list[list[int]] = []
    for root in range(len(onward)):
        if root in order:
            continue
        work = [(root, iter(onward[root]))]
        order[root] = low[root] = len(order)
        stack.append(root)
        held.add(root)
        while work:
            node, ends = work[-1]
            end = next(ends, None)
            if end is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    done.append(_popped(stack, held, node))
            elif end not in order:
                order[end] = low[end] = len(order)
                stack.append(end)
                held.add(end)
                work.append((end, iter(onward[end])))
            elif end in held:
                low[node] = min(low[node], order[end])
    return done[::-1]


def _popped(stack: list[int], held: set[int], node: int) -> list[int]:
    component: list[int] = []
    while not component or component[-1] != node:
        component.append(stack.pop())
        held.discard(component[-1])
    return component
