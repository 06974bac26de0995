"""Which single edges go into a page: all of them, or the strongest of each bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gmn_fx.drawing.explorer.numbers import Numbers, narrowed, sizes
from gmn_fx.drawing.neurons.selection import Edges, edges_between
from gmn_fx.drawing.values import Where
from gmn_fx.graph.indexmap import IndexMap, dense_strides
from gmn_fx.graph.model import Bundle, ParameterGraph

Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Parameters whose magnitudes are compared at a time: bounds the memory beside the model.
BLOCK = 1 << 19


@dataclass(frozen=True)
class Embedded:
    """Edges of one bundle that go into the page.

    values: a number each, None without numbers. arrow: there are more edges than room and nothing
    to choose by, so the bundle is only an arrow. sampled: there are more, but no room for them.
    """

    edges: Edges
    values: npt.NDArray[np.float32] | None
    arrow: bool = False
    sampled: bool = False


def embedded_edges(
    graph: ParameterGraph, numbers: Sequence[Numbers | None], mask: Mask, max_edges: int
) -> list[Embedded]:
    """For each bundle the edges to put in, at most `max_edges` in all.

    Where there are more, bundles get equal shares of the room, and the strongest edges take them.
    A bundle that does not fit and has nothing to choose by gives its share to the others.

    Args:
        graph: the graph.
        numbers: of each bundle, by which the strongest are chosen; None: it has none.
        mask: [nodes], which neurons can be shown; edges between others are left out.
        max_edges: room for edges.
    """
    picks = [_Pick(b, n, mask) for b, n in zip(graph.bundles, numbers, strict=True)]
    wanted = [pick.size for pick in picks]
    rooms = _shares(wanted, max_edges)
    lost = [p.size > r and not p.ranked for p, r in zip(picks, rooms, strict=True)]
    rooms = _shares([0 if out else n for out, n in zip(lost, wanted, strict=True)], max_edges)
    return [p.take(room, out) for p, room, out in zip(picks, rooms, lost, strict=True)]


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Equal shares of `room`; what small sizes leave over goes to the larger ones."""
    out = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda k: (sizes[k], k))
    for rank, k in enumerate(order):
        out[k] = min(sizes[k], room // (len(order) - rank))
        room -= out[k]
    return out


class _Pick:
    """The edges of one bundle that may go in."""

    def __init__(self, bundle: Bundle, numbers: Numbers | None, mask: Mask) -> None:
        self.bundle = bundle
        self.numbers = numbers
        self.mask = mask
        self.ranked = numbers is not None and numbers.ranked
        # All edges are candidates of most bundles; those are never listed.
        self.whole = _all_shown(bundle, mask)
        self.size = math.prod(bundle.shape) if self.whole else len(self._listed())

    def _listed(self) -> Edges:
        # Listed anew each time: lists of all bundles at once would be as large as the model.
        return edges_between(self.bundle, self.mask)

    def take(self, room: int, arrow: bool) -> Embedded:
        """The `room` strongest edges, in the order of the bundle; all of them where they fit."""
        if arrow or not room:
            none = np.zeros(0, dtype=np.int64)
            empty = np.zeros(0, dtype=np.float32) if self.numbers is not None else None
            return Embedded(Edges(none, none, none, none), empty, arrow)
        if self.whole and room < self.size:
            edges = _at(self.bundle, self._strongest(room, self._on_grid))
        else:
            edges = self._listed()
        if room < len(edges):
            keep = self._strongest(room, lambda start, stop: edges.element[start:stop])
            edges = edges.at(keep)
        values = None if self.numbers is None else narrowed(self.numbers.at(edges.element))
        return Embedded(edges, values, sampled=room < self.size)

    def _strongest(self, room: int, elements: Callable[[int, int], Where]) -> Array:
        """Which edges are the strongest, ascending; looked at block by block."""
        assert self.numbers is not None, "without numbers such a bundle is an arrow"
        best, where = np.zeros(0), np.zeros(0, dtype=np.int64)
        for start in range(0, self.size, BLOCK):
            stop = min(self.size, start + BLOCK)
            found = sizes(self.numbers.at(elements(start, stop)))
            top = torch.topk(found, min(room, stop - start), sorted=False)
            best = np.concatenate([best, _size(top.values.numpy())])
            where = np.concatenate([where, top.indices.numpy() + start])
            keep = np.argsort(-best, kind="stable")[:room]
            best, where = best[keep], where[keep]
        return np.sort(where)

    def _on_grid(self, start: int, stop: int) -> Where:
        """Elements at row-major positions of the bundle."""
        assert self.bundle.view is not None
        view = self.bundle.view.expand(self.bundle.shape)
        if view.table is None and view.strides == dense_strides(view.shape):
            return slice(view.offset + start, view.offset + stop)
        return _along(view, np.unravel_index(np.arange(start, stop), view.shape))


def _all_shown(bundle: Bundle, mask: Mask) -> bool:
    """Whether all nodes between the smallest and the largest end are shown."""
    ends = [ids.bounds() for ids in (bundle.src, bundle.dst)]
    return all(low >= 0 and high < len(mask) and mask[low : high + 1].all() for low, high in ends)


def _along(index: IndexMap, places: Sequence[Array]) -> Array:
    """`index` at single positions."""
    out = np.full(len(places[0]) if places else 1, index.offset, dtype=np.int64)
    for at, stride in zip(places, index.strides, strict=True):
        out += at * stride
    return out if index.table is None else index.table[out].astype(np.int64)


def _at(bundle: Bundle, positions: Array) -> Edges:
    """The edges at row-major positions."""
    places = np.unravel_index(positions, bundle.shape)

    def column(index: IndexMap | None) -> Array:
        if index is None:
            return np.full(len(positions), -1, dtype=np.int64)
        return _along(index.expand(bundle.shape), places)

    view = bundle.view if bundle.slot is not None else None
    return Edges(*map(column, (bundle.src, bundle.dst, view, bundle.history)))


def _size(found: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """What is not a number counts as the strongest: nobody should miss it."""
    return np.where(np.isfinite(found), found, np.inf)
