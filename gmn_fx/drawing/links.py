"""Which groups a bundle joins, from its index maps: never by listing edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gmn_fx.errors import DrawError
from gmn_fx.graph.indexmap import IndexMap
from gmn_fx.graph.model import Bundle, ParameterGraph

Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Link:
    """`edges` edges of bundle number `bundle` go from group `src` to group `dst`."""

    src: int
    dst: int
    bundle: int
    edges: int
    parameters: int


class Owners:
    """Node id -> number of the group that holds it."""

    def __init__(self, graph: ParameterGraph) -> None:
        held = [(g.start, g.size, i) for i, g in enumerate(graph.groups) if g.size > 0]
        held.sort()
        self._starts = np.array([h[0] for h in held], dtype=np.int64)
        self._ends = np.array([h[0] + h[1] for h in held], dtype=np.int64)
        self._index = np.array([h[2] for h in held], dtype=np.int64)

    def of(self, ids: Array) -> Array:
        """Group number of each node id."""
        at = np.searchsorted(self._starts, ids, side="right") - 1
        if ids.size and (int(at.min()) < 0 or bool(np.any(ids >= self._ends[at]))):
            raise DrawError(
                "an edge ends at a node that is in no group: the graph is corrupt",
                hint="check it with graph.verify(), or extract it again",
            )
        return self._index[at] if ids.size else ids


def links_of(graph: ParameterGraph) -> list[Link]:
    """All links, in the order of the bundles, then by groups."""
    owners = Owners(graph)
    out: list[Link] = []
    for number, bundle in enumerate(graph.bundles):
        total = math.prod(bundle.shape)
        if total:
            distinct = _distinct(bundle)
            for src, dst, edges in _pairs(bundle, owners, total):
                out.append(Link(src, dst, number, edges, min(edges, distinct)))
    return out


def _distinct(bundle: Bundle) -> int:
    """Number of parameters on the bundle: axes along which the view does not vary count once."""
    if bundle.slot is None or bundle.view is None:
        return 0
    pairs = zip(bundle.view.shape, bundle.view.strides, strict=True)
    return math.prod(n for n, s in pairs if s)


def _pairs(bundle: Bundle, owners: Owners, total: int) -> list[tuple[int, int, int]]:
    src = _owner_array(bundle.src, bundle.shape, owners)
    dst = _owner_array(bundle.dst, bundle.shape, owners)
    if any(a > 1 and b > 1 for a, b in zip(src.shape, dst.shape, strict=True)):
        # Both vary along one axis (elementwise): count the pairs that occur.
        left, right = np.broadcast_arrays(src, dst)
        both = np.stack([left.reshape(-1), right.reshape(-1)], axis=1)
        found, times = np.unique(both, axis=0, return_counts=True)
        scale = total // left.size
        return [(int(a), int(b), int(n) * scale) for (a, b), n in zip(found, times, strict=True)]
    firsts, first_times = np.unique(src, return_counts=True)
    seconds, second_times = np.unique(dst, return_counts=True)
    scale = total // (src.size * dst.size)
    return [
        (int(a), int(b), int(n) * int(m) * scale)
        for a, n in zip(firsts, first_times, strict=True)
        for b, m in zip(seconds, second_times, strict=True)
    ]


def _owner_array(ids: IndexMap, shape: tuple[int, ...], owners: Owners) -> Array:
    """Groups of `ids`, of size 1 along every axis on which the group stays the same."""
    ids = ids.expand(shape)
    if ids.table is None:
        ends = owners.of(np.array(ids.bounds(), dtype=np.int64))
        if ends[0] == ends[1]:
            return ends[:1].reshape((1,) * len(shape))
    small = tuple(n if s else 1 for n, s in zip(shape, ids.strides, strict=True))
    array = owners.of(IndexMap(small, ids.offset, ids.strides, ids.table).array())
    for axis in range(array.ndim):
        first = array[(slice(None),) * axis + (slice(0, 1),)]
        if array.shape[axis] > 1 and bool(np.all(array == first)):
            array = first
    return array
