"""Layers of which several units became one neuron are as many layers with parallel edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gmn_fx.graph.indexmap import IndexMap, cut_constant
from gmn_fx.graph.model import PARALLEL, Bundle, Group, ParameterGraph
from gmn_fx.lowering.unionfind import UnionFind
from gmn_fx.registry.passes import Level, Pass, PassResult
from gmn_fx_passes.parallel_edges import small
from gmn_fx_passes.plugin import plugin


@plugin.register_pass
@dataclass(frozen=True)
class PartParallelEdges(Pass):
    """Cut bundles so that none has two edges between neurons that a construction made one.

    Queries, keys and values that one layer makes are three bundles afterwards, its bias three bias
    nodes. Such edges are parallel without anything that tells them apart, and meant to be: the
    graph says so (`established parallel-edges`), and is not refused for them.

    Before::

        graph 1 "gate"
        slot "w" float32 [4, 3]
        slot "b" float32 [4]
        %0 = input/input [3] label=(:) pin=0
        %1 = neuron/linear [4]
        %2 = bias/bias [1]
        weight/linear [4, 3] "w"(:, :) %0(_, :) -> %1(:, _)
        bias/bias [4] "b"(:) %2(_) -> %1(:)
        equal [2] %1(:) == %1+2(:) why="parallel-edges"

    After::

        graph 1 "gate"
        established parallel-edges
        slot "w" float32 [4, 3]
        slot "b" float32 [4]
        %0 = input/input [3] label=(:) pin=0
        %1 = neuron/linear [4]
        %2 = bias/bias [1]
        %3 = bias/bias [1]
        weight/linear [2, 3] "w"(:, :) %0(_, :) -> %1(:, _)
        weight/linear [2, 3] "w"+6(:, :) %0(_, :) -> %1+2(:, _)
        bias/bias [2] "b"(:) %2(_) -> %1(:)
        bias/bias [2] "b"+2(:) %3(_) -> %1+2(:)
        equal [2] %1(:) == %1+2(:) why="parallel-edges"
    """

    name: ClassVar[str] = "part-parallel-edges"
    level: ClassVar[Level] = "graph"
    establishes: ClassVar[frozenset[str]] = frozenset({PARALLEL})

    def apply(self, ir: ParameterGraph) -> PassResult:
        """Cut every bundle that reaches a neuron several times."""
        if PARALLEL in ir.established:
            return PassResult(ir, changed=False)
        joined = [e for e in ir.equalities if e.why == PARALLEL]
        sets = UnionFind(ir.num_nodes)
        for equality in joined:
            sets.union(equality.left.array(), equality.right.array())
        parts = _Parts(sets, list(ir.groups), ir.num_nodes)
        bundles = tuple(part for b in ir.bundles for part in parts.of(b))
        graph = replace(
            ir,
            groups=tuple(parts.groups),
            bundles=bundles,
            established=ir.established | {PARALLEL},
        )
        return PassResult(graph, changed=True)


@dataclass
class _Parts:
    """sets: neurons that are one. groups: of the graph, and new bias nodes, `size` nodes in all."""

    sets: UnionFind
    groups: list[Group]
    size: int

    def of(self, bundle: Bundle) -> list[Bundle]:
        """The bundles that `bundle` falls into."""
        if bundle.slot is None or not self.sets.merged:
            return [bundle]
        out = [bundle]
        for side in ("dst", "src"):
            out = [part for b in out for part in self._by(b, side)]
        return [b if number == 0 else self._own_bias(b) for number, b in enumerate(out)]

    def _by(self, bundle: Bundle, side: str) -> list[Bundle]:
        """Cut by which of the nodes that are one neuron an edge has at its `side`."""
        ends: IndexMap = getattr(bundle, side).expand(bundle.shape)
        ids = ends.compact()
        rank = self._ranks(ids)
        if not rank.any():
            return [bundle]
        rank = cut_constant(rank)
        axes = [a for a, n in enumerate(rank.shape) if n > 1]
        if len(axes) == 1:
            line = rank.reshape(-1)
            return [_taken(bundle, axes[0], np.nonzero(line == r)[0]) for r in np.unique(line)]
        wide = np.broadcast_to(rank, bundle.shape).reshape(-1)
        return [_picked(bundle, np.nonzero(wide == r)[0]) for r in np.unique(wide)]

    def _ranks(self, ids: np.ndarray) -> np.ndarray:
        """For each node its number among those of `ids` that are the same neuron."""
        nodes = np.unique(ids)
        root = self.sets.find(nodes)
        order = np.argsort(root, kind="stable")
        ordered = root[order]
        first = np.r_[True, ordered[1:] != ordered[:-1]]
        starts = np.nonzero(first)[0]
        rank = np.empty(len(nodes), dtype=np.int64)
        rank[order] = np.arange(len(nodes)) - starts[np.cumsum(first) - 1]
        return rank[np.searchsorted(nodes, ids)]

    def _own_bias(self, bundle: Bundle) -> Bundle:
        """`bundle` with a bias node of its own, if it comes from one."""
        low, high = bundle.src.bounds()
        owner = next((g for g in self.groups if g.start <= low < g.start + g.size), None)
        if low != high or owner is None or owner.kind != "bias":
            return bundle
        self.groups.append(replace(owner, start=self.size))
        self.size += 1
        return replace(bundle, src=IndexMap.constant(self.size - 1, bundle.shape))


def _taken(bundle: Bundle, axis: int, places: np.ndarray) -> Bundle:
    """`bundle` at some places of one axis."""
    runs = _runs(places)

    def take(m: IndexMap) -> IndexMap:
        m = m.expand(bundle.shape)
        if runs is None:
            return IndexMap.from_array(np.take(m.array(), places, axis))
        return _take(m, axis, int(places[0]), runs)

    return _mapped(bundle, take)


def _take(m: IndexMap, axis: int, first: int, runs: tuple[int, int, int]) -> IndexMap:
    """`m` at runs of places, as one axis or two, without a table of its own."""
    count, length, distance = runs
    step = m.strides[axis]
    sizes = [n for n in (count, length) if n > 1] or [1]
    steps = [s for n, s in ((count, step * distance), (length, step)) if n > 1] or [0]
    shape = (*m.shape[:axis], *sizes, *m.shape[axis + 1 :])
    strides = (*m.strides[:axis], *steps, *m.strides[axis + 1 :])
    return IndexMap(shape, m.offset + step * first, strides, m.table)


def _runs(places: np.ndarray) -> tuple[int, int, int] | None:
    """(how many, how long, how far apart) the runs of consecutive places are, if they are alike."""
    jumps = np.nonzero(np.diff(places) != 1)[0]
    length = int(jumps[0]) + 1 if len(jumps) else len(places)
    count = len(places) // length
    distance = int(places[length] - places[0]) if count > 1 else 0
    alike = places[0] + np.arange(count)[:, None] * distance + np.arange(length)
    same = count * length == len(places) and np.array_equal(alike.reshape(-1), places)
    return (count, length, distance) if same else None


def _picked(bundle: Bundle, edges: np.ndarray) -> Bundle:
    """`bundle` with some of its edges, written out."""

    def pick(m: IndexMap) -> IndexMap:
        return IndexMap.from_array(m.expand(bundle.shape).array().reshape(-1)[edges])

    return _mapped(bundle, pick)


def _mapped(bundle: Bundle, fn: Callable[[IndexMap], IndexMap]) -> Bundle:
    assert bundle.view is not None
    src = fn(bundle.src)
    return replace(
        bundle,
        shape=src.shape,
        src=src,
        dst=fn(bundle.dst),
        view=fn(bundle.view),
        label=small(fn(bundle.label)),
        history=small(fn(bundle.history)),
    )
