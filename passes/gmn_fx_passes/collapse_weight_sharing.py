"""Solve the equalities of weight sharing and take the quotient of the raw graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, Group, ParameterGraph
from gmn_fx.lowering.unionfind import UnionFind
from gmn_fx.registry.passes import Pass, PassResult

from .merged_positions import Positions, ranked
from .parallel_edges import small, tell_apart
from .plugin import plugin
from .sites import Sites
from .slot_usage import account


@plugin.register_pass
@dataclass(frozen=True)
class CollapseWeightSharing(Pass):
    """Nodes that one slot joins become one node; edges that only repeat others vanish.

    Parallel edges with different parameters that this leaves (kernel offsets, rows of a position
    table) are told apart by a label; nodes that nothing touches are dropped; a slot on more than
    one edge is marked tied; slots and elements that nothing reads are listed.

    Before::

        graph 1 "siamese"
        slot "w" float32 [3, 2]
        slot "out" float32 [1, 3]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/linear [3]
        %2 = neuron/linear [3]
        %3 = neuron/linear [1] label=0 pin=1
        weight/linear [3, 2] "w"(:, :) %0(_, :) -> %1(:, _)
        weight/linear [3, 2] "w"(:, :) %0(_, :) -> %2(:, _)
        weight/linear [1, 3] "out"(_, :) %1(_, :) -> %3(_, _)
        weight/linear [1, 3] "out"(_, :) %2(_, :) -> %3(_, _)
        equal [3] %1(:) == %2(:)

    After::

        graph 1 "siamese"
        established collapse-weight-sharing
        slot "w" float32 [3, 2]
        slot "out" float32 [1, 3]
        %0 = input/input [2] label=(:) pin=0
        %1 = neuron/linear [3]
        %2 = neuron/linear [1] label=0 pin=1
        weight/linear [3, 2] "w"(:, :) %0(_, :) -> %1(:, _)
        weight/linear [1, 3] "out"(_, :) %1(_, :) -> %2(_, _)

    """

    name: ClassVar[str] = "collapse-weight-sharing"
    level: ClassVar[str] = "graph"  # type: ignore[assignment]
    establishes: ClassVar[frozenset[str]] = frozenset({"collapse-weight-sharing"})

    def apply(self, ir: ParameterGraph) -> PassResult:
        """Quotient by `ir.equalities`."""
        if self.name in ir.established and not ir.equalities:
            return PassResult(ir, changed=False)
        quotient = _Quotient.of(ir)
        histories = list(ir.histories)
        sites = Sites.of(ir.groups, quotient.root, histories)
        groups = quotient.groups(ir.groups)
        places = Positions.of(ir.groups, groups, quotient.root)
        groups = ranked(groups)
        kept = _distinct([(_mapped(b, quotient), b) for b in ir.bundles])
        bundles = [tell_apart(places.mark(sites.mark(new, old), old)) for new, old in kept]
        slots, bundles, unread = account(
            ir.slots, _distinct_only(bundles), ir.meta.get("capture", "")
        )
        graph = replace(
            ir,
            groups=groups,
            bundles=tuple(bundles),
            slots=slots,
            unread=unread,
            equalities=(),
            histories=tuple(histories),
            established=ir.established | {self.name},
        )
        return PassResult(graph, changed=True)


@dataclass(frozen=True)
class _Quotient:
    """root: old id -> representative (None: identity). new: old id -> new id, -1 if dropped."""

    root: np.ndarray | None
    new: np.ndarray

    @staticmethod
    def of(graph: ParameterGraph) -> _Quotient:
        total = max((g.start + g.size for g in graph.groups), default=0)
        sets = UnionFind(total)
        sets.grow(total)
        for equality in graph.equalities:
            sets.union(equality.left.array(), equality.right.array())
        small = np.int32 if total < 2**31 else np.int64
        root = sets.roots().astype(small) if graph.equalities else None
        del sets
        used = np.zeros(total, dtype=bool)
        for bundle in graph.bundles:
            for ends in (bundle.src, bundle.dst):
                ids = ends.core()
                used[ids if root is None else root[ids]] = True
        new: np.ndarray = np.cumsum(used, dtype=small)
        np.subtract(new, 1, out=new)
        new[~used] = -1
        if root is not None:
            new = new[root]
        return _Quotient(root, new)

    def __call__(self, m: IndexMap) -> IndexMap:
        core = self.new[m.core()]
        return IndexMap.from_array(np.broadcast_to(core, m.shape))

    def groups(self, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        """What is left of each group: its representatives that are used."""
        label, pin = self._labels(groups)
        out, start = [], 0
        for g in groups:
            ids = np.arange(g.start, g.start + g.size)
            keep = self.new[ids] >= 0
            if self.root is not None:
                keep &= self.root[ids] == ids
            count = int(keep.sum())
            if count == 0:
                continue
            mine = ids[keep]
            out.append(
                replace(
                    g,
                    start=start,
                    size=count,
                    label=small(IndexMap.from_array(label[mine])),
                    pin=small(IndexMap.from_array(pin[mine])),
                )
            )
            start += count
        return tuple(out)

    def _labels(self, groups: tuple[Group, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Labels of classes: a pinned member pins it; a position only if all members agree."""
        total = len(self.new)
        label, pin = np.full(total, -1, dtype=np.int32), np.full(total, -1, dtype=np.int32)
        for g in groups:
            label[g.start : g.start + g.size] = g.label.expand((g.size,)).array()
            pin[g.start : g.start + g.size] = g.pin.expand((g.size,)).array()
        if self.root is None:
            return label, pin
        pinned = np.nonzero(pin >= 0)[0].astype(np.int32)
        first = np.full(total, total, dtype=np.int32)
        np.minimum.at(first, self.root[pinned], pinned)
        fixed = first < total
        label_of, pin_of = label[first[fixed]], pin[first[fixed]]
        label[pinned] = -1  # what is left are positions
        low = label.copy()
        np.minimum.at(low, self.root, label)
        np.maximum.at(label, self.root, label.copy())
        label[low != label] = -1
        label[fixed] = label_of
        pin[:] = -1
        pin[fixed] = pin_of
        return label, pin


def _mapped(bundle: Bundle, quotient: _Quotient) -> Bundle:
    return replace(bundle, src=quotient(bundle.src), dst=quotient(bundle.dst))


def _distinct_only(bundles: list[Bundle]) -> list[Bundle]:
    return [b for b, _ in _distinct([(b, b) for b in bundles])]


def _distinct(bundles: list[tuple[Bundle, Bundle]]) -> list[tuple[Bundle, Bundle]]:
    """Every bundle once: a shared layer leaves the same edges at each call.

    Each comes with the bundle that it was before the quotient. Edges without parameters are kept
    here: they tell the calls apart by the values that they read.
    """
    seen: dict[tuple[object, ...], list[Bundle]] = {}
    out = []
    for b, old in bundles:
        if b.slot is None and b is not old:
            out.append((b, old))
            continue
        key = (
            b.kind,
            b.op,
            b.shape,
            b.slot,
            b.operand,
            b.src.bounds(),
            b.dst.bounds(),
            b.label.bounds(),
        )
        twins = seen.setdefault(key, [])
        if any(_same(b, t) for t in twins):
            continue
        twins.append(b)
        out.append((b, old))
    return out


def _same(a: Bundle, b: Bundle) -> bool:
    return (
        a.src == b.src
        and a.dst == b.dst
        and a.label == b.label
        and a.history == b.history
        and (a.view is None or a.view == b.view)
    )
